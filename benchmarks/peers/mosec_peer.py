"""5. mosec with its dynamic batching."""

import os
from typing import Any

from mosec import Server, Worker

from benchmarks.peers.checkpoint import Checkpoint, texts_of


class Inference(Worker):
    """One process with the model."""

    def __init__(self) -> None:
        super().__init__()
        self.checkpoint = Checkpoint()

    def forward(self, data: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Score a batch of requests."""
        scored = self.checkpoint.score_requests([texts_of(body) for body in data])
        return [{"predictions": answers} for answers in scored]


if __name__ == "__main__":
    os.environ["MOSEC_PORT"] = os.environ["PORT"]
    os.environ["MOSEC_ADDRESS"] = "127.0.0.1"
    os.environ["MOSEC_TIMEOUT"] = "120000"
    server = Server()
    server.append_worker(Inference, num=1, max_batch_size=32, max_wait_time=10)
    server.run()
