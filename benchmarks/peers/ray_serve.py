"""6. Ray Serve with its own batching."""

import os
import signal
import sys
import tempfile
import threading
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.peers.checkpoint import Checkpoint, Scored, texts_of

CORES = os.cpu_count() or 1


# Ray gives PyTorch as many threads as the deployment asks cores for.
@serve.deployment(max_ongoing_requests=1000, ray_actor_options={"num_cpus": CORES})
class Sentiment:
    """One replica."""

    def __init__(self) -> None:
        self.checkpoint = Checkpoint()

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.010)
    async def score(self, requests: list[list[str]]) -> list[list[Scored]]:
        """One call for the batch."""
        return self.checkpoint.score_requests(requests)

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Answer one request."""
        return {"predictions": await self.score(texts_of(await request.json()))}


def main() -> None:
    """Start Ray and the deployment, and wait to be ended."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is reported to anyone
    # Short, since the paths of sockets are.
    with tempfile.TemporaryDirectory(
        prefix="ray-",
        dir="/tmp",
        ignore_cleanup_errors=True,
    ) as temp:
        ray.init(
            num_cpus=CORES,
            include_dashboard=False,
            object_store_memory=200_000_000,
            _temp_dir=temp,
            _node_ip_address="127.0.0.1",
        )
        # After Ray has set its own, which would leave what it wrote behind.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
        deployment: Any = Sentiment  # what the decorator made of it
        serve.run(deployment.bind(), route_prefix="/predict")
        try:
            threading.Event().wait()
        finally:
            ray.shutdown()


if __name__ == "__main__":
    main()
