"""6. Ray Serve with its own batching."""

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before the import, which may read it

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.peers.checkpoint import Checkpoint, Scored, texts_of

CORES = os.cpu_count() or 1


# Ray limits PyTorch to as many threads as the deployment has CPUs.
@serve.deployment(max_ongoing_requests=1000, ray_actor_options={"num_cpus": CORES})
class Sentiment:
    """The only replica, on all cores."""

    def __init__(self) -> None:
        self.checkpoint = Checkpoint()

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.010)
    async def score(self, requests: list[list[str]]) -> list[list[Scored]]:
        """Score the batch."""
        return self.checkpoint.score_requests(requests)

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Return the answer to one request."""
        return {"predictions": await self.score(texts_of(await request.json()))}


def main() -> None:
    """Start Ray and the deployment, and wait for SIGTERM."""
    # Ray's dashboard reads its configuration from the home directory. Without one it queries the
    # metadata services of three clouds, even with RAY_USAGE_STATS_ENABLED=0.
    configuration = Path.home() / "ray_bootstrap_config.yaml"
    configuration.write_text("provider: {type: local}\n", encoding="utf-8")
    # Under /tmp, because the path of a socket must be short.
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
        # After Ray has set its own handler, which would leave its files behind.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
        deployment: Any = Sentiment  # the decorator changes its type
        serve.run(deployment.bind(), route_prefix="/predict")
        try:
            threading.Event().wait()
        finally:
            ray.shutdown()


if __name__ == "__main__":
    main()
