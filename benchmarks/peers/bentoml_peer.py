"""6a. BentoML with its adaptive batching."""

import os
import sys
from pathlib import Path
from typing import Any

import bentoml

from benchmarks.peers.checkpoint import Checkpoint


@bentoml.service(workers=1, traffic={"timeout": 120, "max_concurrency": 1000})
class Sentiment:
    """One process with the model."""

    def __init__(self) -> None:
        self.checkpoint = Checkpoint()

    @bentoml.api(batchable=True, max_batch_size=1024, max_latency_ms=60_000)
    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        """Score the texts of several requests."""
        (scored,) = self.checkpoint.score_requests([texts])
        return scored


if __name__ == "__main__":
    program = str(Path(sys.executable).with_name("bentoml"))
    address = ["--host", "127.0.0.1", "--port", os.environ["PORT"]]
    environment = os.environ | {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(Path.cwd())}
    service = "benchmarks.peers.bentoml_peer:Sentiment"
    os.execve(program, [program, "serve", service, *address], environment)
