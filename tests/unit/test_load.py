"""The load: wrk's report, arrivals of the open loop, its connections, texts and request bodies."""

import argparse
import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from benchmarks.load import closed_loop, loads, open_loop, prerequisites, texts
from benchmarks.load.arguments import milliseconds
from benchmarks.load.loads import Load
from scripts.failure import Failure

WRK = """\
Running 2s test @ http://127.0.0.1:8080/predictions/sentiment
  1 threads and 8 connections
Requests/sec:    100.50
{"requests": 210, "microseconds": 2000000, "p50": 19500, "p95": 30000, "p99": 41000, \
"statuses": 10, "timeouts": 1, "sockets": 2}
"""


def test_the_report_of_wrk_is_parsed() -> None:
    report = closed_loop.parse(WRK)
    assert report.requests == 200
    assert report.requests_per_second == pytest.approx(100)
    assert (report.p50, report.p95, report.p99) == (19.5, 30.0, 41.0)


def test_bad_statuses_timeouts_and_socket_errors_are_errors() -> None:
    assert closed_loop.parse(WRK).errors == 13


def test_without_answers_there_is_no_latency() -> None:
    output = WRK.replace('"requests": 210', '"requests": 0').replace(
        '"statuses": 10', '"statuses": 0'
    )
    report = closed_loop.parse(output)
    assert (report.requests_per_second, report.p50, report.p99) == (0, None, None)


def test_a_missing_report_is_a_failure_with_the_output_of_wrk() -> None:
    with pytest.raises(Failure) as caught:
        closed_loop.parse("", "unable to connect")
    assert "unable to connect" in caught.value.log


def test_without_wrk_the_failure_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Failure, match="apt install wrk"):
        prerequisites.check_wrk()


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


def outcome_of(answer: bytes, due: Sequence[float], delay: float = 0.0) -> open_loop.Outcome:
    """Run an open loop against a server that always gives `answer`, one request at a time."""

    async def run() -> open_loop.Outcome:
        turn = asyncio.Lock()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                    await reader.readexactly(length)
                    async with turn:
                        await asyncio.sleep(delay)
                    writer.write(answer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # the client has closed it
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        outcome = await open_loop.run(f"http://127.0.0.1:{port}/x", [b"{}"], due)
        server.close()
        await asyncio.sleep(0.05)  # for the connections to end
        return outcome

    return asyncio.run(run())


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_latency_counts_from_when_a_request_was_due() -> None:
    outcome = outcome_of(GOOD, due=[0.0, 0.0, 0.0], delay=0.1)
    assert sorted(outcome.latencies) == pytest.approx([0.1, 0.2, 0.3], abs=0.09)
    assert (outcome.errors, outcome.unanswered) == (0, 0)


def test_a_chunked_answer_is_read() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    outcome = outcome_of(chunked, due=[0.0, 0.05])
    assert (len(outcome.latencies), outcome.errors) == (2, 0)


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


def test_a_connection_that_the_server_closed_while_idle_is_no_error() -> None:
    async def answer_once(
        number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await receive(reader)
        writer.write(GOOD)  # and then closes, without having said so

    outcome, connections = outcome_of_connections(answer_once, due=[0.0, 0.1, 0.2])
    assert (len(outcome.latencies), outcome.errors, connections) == (3, 0, 3)


def test_a_reused_connection_that_closes_on_arrival_of_a_request_is_no_error() -> None:
    """The server's close and the request may cross on the wire (RFC 9112, 9.3.1)."""

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


def test_a_file_of_texts_is_shuffled_the_same_way_each_time(tmp_path: Path) -> None:
    file = tmp_path / "own.txt"
    file.write_text("# a comment\none\n\ntwo\none\nthree\n", encoding="utf-8")
    read = texts.read([file])
    assert read == texts.read([file])
    assert set(read["own"][:3]) == {"one", "two", "three"}


def test_texts_in_flight_are_distinct() -> None:
    many = texts.distinct(["one", "two", "three"])
    assert len(set(many)) == len(many) >= texts.DISTINCT
    # Also after truncation to the model's maximum length.
    assert len({text[:20] for text in texts.distinct(["word " * 600])}) == texts.DISTINCT


def test_the_bundled_corpus_has_sentences_and_reviews() -> None:
    read = texts.read([])
    assert list(read) == ["sentences", "mixed"]
    longest = max(len(text.split()) for text in read["sentences"])
    assert longest <= texts.SENTENCE_WORDS + 1  # the number of a repeated text
    assert max(len(text.split()) for text in read["mixed"]) > texts.SENTENCE_WORDS


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "long.txt").write_text("a" * 50_001, encoding="utf-8")
    for name in ("empty.txt", "missing.txt", "long.txt"):
        with pytest.raises(Failure, match=name):
            texts.lines(tmp_path / name)


def test_bodies_are_json_with_one_text_or_several() -> None:
    assert [json.loads(body) for body in texts.bodies(["a", "b\n"], 1)] == [
        {"text": "a"},
        {"text": "b\n"},
    ]
    assert [json.loads(body) for body in texts.bodies(["a", "b", "c"], 2)] == [
        {"texts": ["a", "b"]}
    ]
    assert all(b"\n" not in body for body in texts.bodies(["b\n"], 1))


@pytest.mark.parametrize("plan", [loads.full, loads.quick])
def test_rates_rise_and_loads_are_distinct(
    plan: Callable[[Sequence[str], int], list[Load]],
) -> None:
    planned = plan(["sentences", "mixed"], 5)
    assert len({load.key for load in planned}) == len(planned)
    rates = [load.rate for load in planned if load.rate and load.corpus == "sentences"]
    assert rates == sorted(rates) != []


def test_a_full_run_has_every_concurrency() -> None:
    planned = loads.full(["sentences"], 5)
    assert {(load.texts, load.connections) for load in planned if load.connections} == {
        (texts, connections) for texts in (1, 32) for connections in (1, 8, 32, 64)
    }


@pytest.mark.parametrize(("text", "value"), [("50ms", 50), ("0.2s", 200), ("1 s", 1000)])
def test_a_duration_is_parsed(text: str, value: float) -> None:
    assert milliseconds(text) == value


@pytest.mark.parametrize("text", ["fast", "", "50", "0ms", "-5ms", "5 min", "1e3ms", "५0ms"])
def test_the_error_for_a_duration_has_an_example(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="such as 50ms"):
        milliseconds(text)
