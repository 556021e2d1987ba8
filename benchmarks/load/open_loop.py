"""Open loop: requests arrive at random at a fixed rate, as those of many users do.

A closed loop sends less to a server that stalls, and so hides the stall. Here latency counts from
the moment a request was due, so that whoever had to wait for others is seen to have waited.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SEED = 11
# For what is still out when the last request was sent.
GRACE_SECONDS = 3.0


def schedule(rate: float, seconds: float, seed: int = SEED) -> list[float]:
    """Seconds at which requests are due: a Poisson process, the same for every server."""
    draw = random.Random(seed)
    due: list[float] = []
    moment = draw.expovariate(rate)
    while moment < seconds:
        due.append(moment)
        moment += draw.expovariate(rate)
    return due


@dataclass
class Outcome:
    """`latencies` in seconds, of those answered with a 2xx."""

    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    unanswered: int = 0
    seconds: float = 0.0


async def run(url: str, bodies: Sequence[bytes], due: Sequence[float]) -> Outcome:
    """Send the bodies in turn when they are due; what is out after a while is given up."""
    address = urlsplit(url)
    connections = _Connections(str(address.hostname), int(address.port or 80), address.path)
    outcome = Outcome()
    began = time.perf_counter()

    async def one(body: bytes, moment: float) -> None:
        try:
            status = await connections.post(body)
        except (OSError, EOFError, ValueError):
            outcome.errors += 1
            return
        if 200 <= status < 300:
            outcome.latencies.append(time.perf_counter() - began - moment)
        else:
            outcome.errors += 1

    tasks = []
    for i, moment in enumerate(due):
        wait = moment - (time.perf_counter() - began)
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(bodies[i % len(bodies)], moment)))
    _, late = await asyncio.wait(tasks, timeout=GRACE_SECONDS) if tasks else (set(), set())
    outcome.unanswered = len(late)
    outcome.seconds = time.perf_counter() - began
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    connections.close()
    return outcome


class _Connections:
    """HTTP/1.1 over connections that are used again, and as many as are needed at once.

    A few lines in place of a client library: the generator shares the cores with the server.
    """

    def __init__(self, host: str, port: int, path: str) -> None:
        self._host, self._port = host, port
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, body: bytes) -> int:
        """The status, once the whole answer is there."""
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"content-length:" in head:
                length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
            else:
                await _read_chunks(reader)
        except BaseException:
            writer.close()
            raise
        if b"connection: close" in head:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(head.split(maxsplit=2)[1])

    def close(self) -> None:
        """Close what is open."""
        for _, writer in self._idle:
            writer.close()


async def _read_chunks(reader: asyncio.StreamReader) -> None:
    """An answer that comes in pieces, each with its length before it; none follows one of 0."""
    length = -1
    while length:
        length = int(await reader.readuntil(b"\r\n"), 16)
        await reader.readexactly(length + 2)
