"""What is tried again, how often and after which pauses: one rule for every client."""

import random

# A worker that died is back within three seconds. The pauses are 0.2, 0.4 ... 3.2 s, 6.2 s in all,
# each with up to as much again at random, so that clients do not come back together.
RETRIES = 5
BACKOFF = 0.2
# A time-out may mean a request that is still being scored: repeating it often would pile them up.
TIMEOUT_RETRIES = 1
# TorchServe: 500 a worker died, 503 none was ready or the queue was full, 507 one was killed.
RETRIED_STATUSES = (500, 503, 507)


def pause_after(tries: int) -> float:
    """Seconds to wait when so many tries have failed."""
    return BACKOFF * 2.0 ** (tries - 1) * (1 + random.random())  # noqa: S311 (jitter is no secret)
