"""Ports that are free."""

import contextlib
import socket


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on; all are held until the last one is found."""
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in sockets]
