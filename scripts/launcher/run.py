"""Run the server in the foreground, as systemd and containers expect it."""

import signal
import sys
from collections.abc import Callable

from scripts.failure import Failure
from scripts.launcher.drain import drain
from scripts.launcher.messages import say
from scripts.launcher.server import Server


def run(server: Server, started: Callable[[], None]) -> int:
    """Run until SIGTERM or SIGINT, then drain; returns the exit code.

    Calls `started` when the server is up. The exit code is 0 after a complete drain, and 143 after
    one that was cut short. If Java ends by itself, it is Java's, with 128 added to the number of a
    signal, or 1 instead of 0; but 0 after SIGTERM, with which `make stop` ends Java. Nothing is
    restarted.
    Raises Failure if the server does not start.
    """
    if server.java() is not None:
        raise Failure("The server of this checkout is already running: stop it with 'make stop'.")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)  # raises KeyboardInterrupt
    try:
        server.start(foreground=True)
        say(f"The server is up at {server.properties.inference}")
        started()
        code = server.wait()
    except KeyboardInterrupt:
        try:
            is_drained = server.java() is None or drain(server)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)  # another one must not interrupt the cleanup
            server.stop()
        say("Stopped.")
        return 0 if is_drained else 128 + signal.SIGTERM
    server.stop()
    code = code if code >= 0 else 128 - code
    if code == 128 + signal.SIGTERM:  # from `make stop`, which has drained it
        say("Stopped.")
        return 0
    print(f"TorchServe ended by itself, with exit code {code}.", file=sys.stderr)
    return code or 1
