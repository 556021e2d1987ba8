"""Find free ports."""

import contextlib
import socket


def free_ports(count: int) -> list[int]:
    """Return `count` different ports of 127.0.0.1 that nothing listens on."""
    with contextlib.ExitStack() as probes:  # all stay open until the end, so that they differ
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in sockets]
