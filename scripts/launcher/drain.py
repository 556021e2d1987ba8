"""Stop a server without losing a request, as far as its clients allow.

While it drains, `ready` answers 503, so that load balancers and clients send their requests
elsewhere. All other requests are still answered: TorchServe cannot close its port before it ends,
and then resets every connection.
"""

import time

import requests

from scripts.launcher.server import MODEL, Server
from sentiment_client import SentimentError

# The longest wait for requests in flight, after `drain_seconds`. TorchServe ends a worker that has
# spent 60 seconds on one batch (responseTimeout in model-config.yaml).
LONGEST_SECONDS = 60.0
_POLL_SECONDS = 0.05


def drain(server: Server) -> bool:
    """Announce the stop for `drain_seconds`, then wait until all requests are answered.

    Returns False if that was cut short: by KeyboardInterrupt, or after `LONGEST_SECONDS`.
    """
    try:
        return _drain(server)
    except KeyboardInterrupt:
        print("Stopping without waiting for requests in flight.", flush=True)
        return False


def _drain(server: Server) -> bool:
    seconds = server.properties.drain_seconds
    print(f"Draining: readiness is 503 for {seconds:g} s, then the queue is emptied.", flush=True)
    server.draining.touch()
    time.sleep(seconds)
    if _is_answered(server):
        return True
    print("Requests are still in flight: their clients get a connection reset.", flush=True)
    return False


def _is_answered(server: Server) -> bool:
    """Wait until all requests that have arrived by now are answered; False after `LONGEST_SECONDS`.

    The queue of a version is first in, first out, and a worker answers a batch before it takes the
    next one. So a worker that answers a request of ours has answered all that it took before.
    """
    deadline = time.monotonic() + LONGEST_SECONDS
    answered: set[tuple[str, int]] = set()
    with server.management(max_retries=0) as management:
        while (left := deadline - time.monotonic()) > 0:
            try:
                models = management.describe_all(MODEL)
                workers = {(m.version, w.pid) for m in models for w in m.workers if w.ready}
                if workers <= answered and not any(model.pending_requests for model in models):
                    return True
                for version in {version for version, _ in workers - answered}:
                    answered.add((version, server.next_worker(version, timeout=left)))
            except (SentimentError, requests.RequestException):
                if server.java() is None:
                    return False
            time.sleep(_POLL_SECONDS)
    return False
