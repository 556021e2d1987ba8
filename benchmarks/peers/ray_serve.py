"""6. Ray Serve with its own batching."""

import atexit
import os
import shutil
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
    # Short, since the paths of sockets are; and nothing is reported to anyone.
    temp = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    atexit.register(shutil.rmtree, temp, ignore_errors=True)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        num_cpus=CORES,
        include_dashboard=False,
        object_store_memory=200_000_000,
        _temp_dir=temp,
        _node_ip_address="127.0.0.1",
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    deployment: Any = Sentiment  # what the decorator made of it
    serve.run(deployment.bind(), route_prefix="/predict")
    threading.Event().wait()


if __name__ == "__main__":
    main()
