"""7. mosec with this service's engine, so that only the framework differs."""

import os
from typing import Any

from mosec import Server, Worker

from benchmarks.peers.checkpoint import texts_of
from benchmarks.peers.engine import answer, load, workers


class Inference(Worker):
    """One process with the engine."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = load()

    def forward(self, data: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Score the texts of a batch of requests in one call of the engine."""
        requests = [texts_of(body) for body in data]
        results = iter(self.classifier.classify([text for texts in requests for text in texts]))
        return [{"predictions": [answer(next(results)) for _ in texts]} for texts in requests]


if __name__ == "__main__":
    os.environ["MOSEC_PORT"] = os.environ["PORT"]
    os.environ["MOSEC_ADDRESS"] = "127.0.0.1"
    os.environ["MOSEC_TIMEOUT"] = "120000"
    server = Server()
    server.append_worker(Inference, num=workers(), max_batch_size=32, max_wait_time=1)
    server.run()
