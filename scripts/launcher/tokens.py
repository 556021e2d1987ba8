"""Renew TorchServe's tokens before they expire.

python -m scripts.launcher.tokens PROFILE     renews those of the running server until it ends
"""

import fcntl
import json
import os
import select
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import requests

from scripts.failure import Failure
from scripts.launcher.front import Front
from scripts.launcher.messages import say
from scripts.launcher.profiles import profile_front, profile_server
from scripts.launcher.server import Server

_RETRY_SECONDS = 10.0


class Renewal:
    """Renews the tokens of `server` when half of their life is over, and calls `apply` then.

    TorchServe accepts an old token until it has made the new one, so `apply` must not take long.
    """

    def __init__(self, server: Server, apply: Callable[[], None]) -> None:
        self._server = server
        self._apply = apply
        self._half = 30.0 * float(server.properties.values.get("token_expiration_min", "60"))
        self._is_applied = True

    def renew_when_due(self) -> float:
        """Returns the seconds until the next call is due; call it again if it raises.

        Raises OSError, which includes requests.RequestException, if TorchServe does not answer, and
        what `apply` raises.
        """
        if _seconds_left(self._server) <= self._half:
            self._is_applied = False
            # Clients use the second one.
            for kind in ("management", "inference"):
                _renew(self._server, kind)
        if not self._is_applied:
            self._apply()
            self._is_applied = True
        return max(0.0, _seconds_left(self._server) - self._half)


def _seconds_left(server: Server) -> float:
    """Seconds until the first token expires."""
    keys = json.loads(server.key_file.read_text(encoding="utf-8"))
    times = (keys[kind]["expiration time"] for kind in ("management", "inference"))
    expiry = min(map(datetime.fromisoformat, times))
    return (expiry - datetime.now(UTC)).total_seconds()


def _renew(server: Server, kind: str) -> None:
    # The key that allows this never expires.
    requests.get(
        f"{server.properties.management}/token",
        params={"type": kind},
        headers={"Authorization": f"Bearer {server.token('API')}"},
        timeout=10,
    ).raise_for_status()


def main(profile: str) -> None:
    """Renew the tokens of the running server until it ends, unless another process does."""
    server = profile_server(profile)
    front = profile_front(server)
    java = server.java()
    with (server.run / "tokens.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if java is not None:
            _renew_until_end(server, front, java.pid)


def _renew_until_end(server: Server, front: Front, java: int) -> None:
    renewal = Renewal(server, front.reload)
    ended, seconds = os.pidfd_open(java), 0.0
    while not select.select([ended], [], [], seconds)[0]:
        try:
            seconds = renewal.renew_when_due()
        # No answer, a key file that is being written, or an nginx that refuses its configuration.
        except (OSError, ValueError, KeyError, Failure) as error:
            reason = error if isinstance(error, Failure) else type(error).__name__
            say(f"The tokens could not be renewed, trying again: {reason}")
            seconds = _RETRY_SECONDS


if __name__ == "__main__":
    main(sys.argv[1])
