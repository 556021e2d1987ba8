"""4. LitServe with its own batching."""

import os
import signal
from typing import Any

import litserve

from benchmarks.peers.checkpoint import Checkpoint, Scored, texts_of


class SentimentAPI(litserve.LitAPI):
    """Loads the model, and decodes, scores and encodes a batch."""

    def setup(self, device: str) -> None:
        """Load the model, once per worker."""
        self.checkpoint = Checkpoint()

    def decode_request(self, request: dict[str, Any]) -> list[str]:
        """Return the texts of one request."""
        return texts_of(request)

    def predict(self, x: list[list[str]]) -> list[list[Scored]]:
        """Score the batch."""
        return self.checkpoint.score_requests(x)

    def encode_response(self, output: list[Scored]) -> dict[str, Any]:
        """Return the answer to one request."""
        return {"predictions": output}


if __name__ == "__main__":
    # LitServe shuts down in order on SIGINT only.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    api = SentimentAPI(max_batch_size=32, batch_timeout=0.010)
    server = litserve.LitServer(api, accelerator="cpu", timeout=120)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        generate_client_file=False,
        log_level="warning",
    )
