"""The open loop: arrivals of requests, errors, and reuse of connections."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence

import pytest

from benchmarks.load import open_loop


def test_arrivals_are_the_same_for_every_server_and_have_the_rate() -> None:
    due = open_loop.schedule(rate=100, seconds=50)
    assert due == open_loop.schedule(rate=100, seconds=50)
    assert due == sorted(due)
    assert due[0] > 0
    assert due[-1] < 50
    assert len(due) == pytest.approx(5000, rel=0.05)


def test_gaps_between_arrivals_are_exponentially_distributed() -> None:
    due = open_loop.schedule(rate=100, seconds=50)
    gaps = [later - earlier for earlier, later in itertools.pairwise(due)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.05)


def outcome_of_connections(
    serve: Callable[[int, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    due: Sequence[float],
) -> tuple[open_loop.Outcome, int]:
    """Run an open loop against a server that handles each connection, by its number from 0, once.

    The server closes the connection after `serve`. Also returns the number of connections.
    """

    async def run() -> tuple[open_loop.Outcome, int]:
        numbers = itertools.count()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(next(numbers), reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # the client has closed it
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        outcome = await open_loop.run(f"http://127.0.0.1:{port}/x", [b"{}"], due)
        server.close()
        await asyncio.sleep(0.05)  # for the connections to end
        return outcome, next(numbers)

    return asyncio.run(run())


async def receive(reader: asyncio.StreamReader) -> None:
    """Read one request, whose body is {}."""
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(2)


def outcome_of(answer: bytes, due: Sequence[float], delay: float = 0.0) -> open_loop.Outcome:
    """Run an open loop against a server that always sends `answer`, one request at a time."""
    turn = asyncio.Lock()

    async def serve(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            await receive(reader)
            async with turn:
                await asyncio.sleep(delay)
            writer.write(answer)

    outcome, _ = outcome_of_connections(serve, due)
    return outcome


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_latency_counts_from_when_a_request_was_due() -> None:
    outcome = outcome_of(GOOD, due=[0.0, 0.0, 0.0], delay=0.1)
    assert sorted(outcome.latencies) == pytest.approx([0.1, 0.2, 0.3], abs=0.09)
    assert (outcome.errors, outcome.unanswered) == (0, 0)


def test_a_chunked_answer_is_read() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    outcome = outcome_of(chunked, due=[0.0, 0.05])
    assert (len(outcome.latencies), outcome.errors) == (2, 0)


def test_a_connection_closed_while_idle_is_no_error() -> None:
    async def answer_once(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await receive(reader)
        writer.write(GOOD)  # then closes without announcing it

    outcome, connections = outcome_of_connections(answer_once, due=[0.0, 0.1, 0.2])
    assert (len(outcome.latencies), outcome.errors, connections) == (3, 0, 3)


def test_a_reused_connection_that_closes_on_arrival_of_a_request_is_no_error() -> None:
    """The server may close the connection while the request is in flight (RFC 9112, 9.3.1)."""

    async def close_on_the_second(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await receive(reader)
        writer.write(GOOD)
        await reader.readexactly(1)

    outcome, connections = outcome_of_connections(close_on_the_second, due=[0.0, 0.1, 0.2])
    assert (len(outcome.latencies), outcome.errors, connections) == (3, 0, 3)


def test_a_new_connection_that_closes_without_an_answer_is_an_error() -> None:
    async def drop(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive(reader)

    outcome, connections = outcome_of_connections(drop, due=[0.0, 0.05, 0.1])
    assert (outcome.latencies, outcome.errors, connections) == ([], 3, 3)


def test_a_reused_connection_that_closes_within_an_answer_is_an_error() -> None:
    async def break_off_the_second(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await receive(reader)
        writer.write(GOOD)
        await receive(reader)
        writer.write(GOOD[:20])

    outcome, connections = outcome_of_connections(break_off_the_second, due=[0.0, 0.1])
    assert (len(outcome.latencies), outcome.errors, connections) == (1, 1, 1)


def test_a_status_other_than_2xx_is_an_error() -> None:
    outcome = outcome_of(GOOD.replace(b"200 OK", b"503 Busy"), due=[0.0, 0.01])
    assert (outcome.errors, outcome.latencies) == (2, [])


def test_requests_that_are_not_answered_in_time_are_unanswered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_loop, "GRACE_SECONDS", 0.2)
    outcome = outcome_of(GOOD, due=[0.0, 0.0], delay=0.15)
    assert (len(outcome.latencies), outcome.unanswered) == (1, 1)
