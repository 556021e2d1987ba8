"""Stop a server without losing a request, as far as its clients allow.

While it drains, `ready` answers 503, so that load balancers and clients send their requests
elsewhere. All other requests are still answered: TorchServe cannot close its port before it ends,
and then resets every connection.
"""

import time
from collections.abc import Callable
from functools import partial

import requests

from scripts.launcher.messages import say
from scripts.launcher.server import Server
from sentiment_client import SentimentError, Unauthorized
from sentiment_client.rollout import all_answered

# The longest wait for requests in flight, after `drain_seconds`. TorchServe ends a worker that has
# spent 60 seconds on one batch (responseTimeout in model-config.yaml).
LONGEST_SECONDS = 60.0
_POLL_SECONDS = 0.05
# Seconds to connect to the management API, and to wait for an answer.
_TIMEOUT = (3.0, 5.0)


def drain(server: Server, close: Callable[[], None] = lambda: None) -> bool:
    """Announce the stop for `drain_seconds`, `close`, and wait until all requests are answered.

    `close` ends what passes requests on, such as nginx, without waiting for it. Returns False if
    that was cut short: by KeyboardInterrupt, or after `LONGEST_SECONDS`.
    """
    try:
        return _drain(server, close)
    except KeyboardInterrupt:
        say("Stopping without waiting for requests in flight.")
        return False


def _drain(server: Server, close: Callable[[], None]) -> bool:
    seconds = server.properties.drain_seconds
    say(f"Draining: readiness is 503 for {seconds:g} s, then the queue is emptied.")
    server.draining.touch()
    time.sleep(seconds)
    close()
    if _is_answered(server):
        return True
    say("Requests may still be in flight: their clients get a connection reset.")
    return False


def _is_answered(server: Server) -> bool:
    """Wait until all that has arrived by now is answered; False after `LONGEST_SECONDS`."""
    deadline = time.monotonic() + LONGEST_SECONDS
    answered: set[tuple[str, str, int]] = set()
    with server.management(max_retries=0, timeout=_TIMEOUT) as management:
        while (left := deadline - time.monotonic()) > 0:
            try:
                models = [m for name in management.list() for m in management.describe_all(name)]
                if all_answered(models, answered, partial(server.next_worker, timeout=left)):
                    return True
            except Unauthorized:  # an expired token: nothing can be asked
                return False
            except (SentimentError, requests.RequestException):
                if server.java() is None:
                    return False
            time.sleep(_POLL_SECONDS)
    return False
