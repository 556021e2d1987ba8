"""Open-loop load: requests arrive at random at a fixed rate, like those of many users.

A closed loop sends less to a server that stalls, which hides the stall. Here the latency of a
request counts from the moment at which it was due, and so includes waiting for other requests.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SEED = 11
# How long to wait for answers after the last request was sent.
GRACE_SECONDS = 3.0


def schedule(rate: float, seconds: float, seed: int = SEED) -> list[float]:
    """Return the times in seconds at which requests are due: a Poisson process, fixed by `seed`."""
    draw = random.Random(seed)
    due: list[float] = []
    moment = draw.expovariate(rate)
    while moment < seconds:
        due.append(moment)
        moment += draw.expovariate(rate)
    return due


@dataclass
class Outcome:
    """`latencies`, in seconds, are those of requests that were answered with a 2xx."""

    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    unanswered: int = 0
    seconds: float = 0.0


async def run(url: str, bodies: Sequence[bytes], due: Sequence[float]) -> Outcome:
    """Send the bodies in turn when they are due, and wait `GRACE_SECONDS` for the last answers."""
    address = urlsplit(url)
    connections = _Connections(str(address.hostname), int(address.port or 80), address.path)
    outcome = Outcome()
    start = time.perf_counter()

    async def send(body: bytes, moment: float) -> None:
        try:
            status = await connections.post(body)
        except (OSError, EOFError, ValueError):
            outcome.errors += 1
            return
        if 200 <= status < 300:
            outcome.latencies.append(time.perf_counter() - start - moment)
        else:
            outcome.errors += 1

    tasks = []
    for i, moment in enumerate(due):
        wait = moment - (time.perf_counter() - start)
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(send(bodies[i % len(bodies)], moment)))
    _, late = await asyncio.wait(tasks, timeout=GRACE_SECONDS) if tasks else (set(), set())
    outcome.unanswered = len(late)
    outcome.seconds = time.perf_counter() - start
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    connections.close()
    return outcome


class _Connections:
    """An HTTP/1.1 client that reuses connections and has one per request in flight.

    It replaces a client library because it shares the cores with the server and must be cheap.
    """

    def __init__(self, host: str, port: int, path: str) -> None:
        self._host, self._port = host, port
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self._idle: list[_Connection] = []

    async def post(self, body: bytes) -> int:
        """Return the status, when the whole answer has arrived.

        A server may close an idle connection at any time, even while a request is being sent. So if
        a reused connection ends before the first byte of an answer, the request is sent once more,
        on a new one (RFC 9112, 9.3.1). Failures on a new connection count as the server's errors.
        """
        request = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        while self._idle:
            connection = self._idle.pop()
            if connection.closed_by_server():
                connection.close()
                continue
            try:
                return await self._exchange(connection, request)
            except _NoAnswer:
                break
        return await self._exchange(await self._connect(), request)

    async def _connect(self) -> "_Connection":
        return _Connection(*await asyncio.open_connection(self._host, self._port))

    async def _exchange(self, connection: "_Connection", request: bytes) -> int:
        try:
            status, keep_alive = await connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        if keep_alive:
            self._idle.append(connection)
        else:
            connection.close()
        return status

    def close(self) -> None:
        """Close the idle connections."""
        for connection in self._idle:
            connection.close()


class _NoAnswer(ConnectionError):
    """The connection ended before the first byte of an answer."""


class _Connection:
    """One connection, with at most one request in flight."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def closed_by_server(self) -> bool:
        """Whether the server is known to have closed the connection."""
        return self._reader.at_eof() or self._writer.is_closing()

    async def exchange(self, request: bytes) -> tuple[int, bool]:
        """Return the status of the answer, and whether the connection can be used again."""
        try:
            self._writer.write(request)
            first = await self._reader.readexactly(1)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise _NoAnswer from error
        head = (first + await self._reader.readuntil(b"\r\n\r\n")).lower()
        if b"content-length:" in head:
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            await self._reader.readexactly(length)
        else:
            await _read_chunks(self._reader)
        return int(head.split(maxsplit=2)[1]), b"connection: close" not in head

    def close(self) -> None:
        """Close it."""
        self._writer.close()


async def _read_chunks(reader: asyncio.StreamReader) -> None:
    """Read a chunked body: each chunk comes after its length, and the last length is 0."""
    length = -1
    while length:
        length = int(await reader.readuntil(b"\r\n"), 16)
        await reader.readexactly(length + 2)
