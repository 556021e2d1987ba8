"""The asynchronous client where a server fails: as the other one, in the same words."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sentiment_client import (
    AsyncSentimentClient,
    ConnectionFailed,
    Overloaded,
    Prediction,
    SentimentError,
    TimedOut,
    Unauthorized,
    UnexpectedAnswer,
    Unhealthy,
    _retries,
)
from tests.unit.scripted_server import free_port, scripted
from tests.unit.test_client import ANSWER, OK, PREDICTION, REFUSAL, WORKER_DIED, answers, error


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_retries, "BACKOFF", 0.001)


def predict(address: str, **options: Any) -> Prediction:
    async def ask() -> Prediction:
        async with AsyncSentimentClient(address, **options) as client:
            return await client.predict("good")

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "failure", ["reset", (500, WORKER_DIED), (500, b""), (503, error("Overloaded")), (507, b"{}")]
)
def test_what_passes_is_tried_again(failure: tuple[int, bytes] | str) -> None:
    with scripted(failure, failure, OK) as server:
        assert predict(server.address, timeout=5) == PREDICTION
    assert len(server.requests) == 3
    assert {body for _, _, _, body in server.requests} == {b'{"text": "good"}'}


@pytest.mark.parametrize(
    "answer",
    [(status, error("Validation")) for status in (400, 404, 413, 415, 422)]
    + [(500, error("Backend"))],  # which would be scored again with all its neighbours
)
def test_what_would_fail_again_is_not_tried_again(answer: tuple[int, bytes]) -> None:
    with scripted(answer) as server:
        with pytest.raises(SentimentError):
            predict(server.address)
        assert len(server.requests) == 1


def test_retries_are_bounded_and_can_be_switched_off() -> None:
    with scripted((503, error("Overloaded", "full"))) as server:
        with pytest.raises(Overloaded, match="full"):
            predict(server.address)
        assert len(server.requests) == 1 + _retries.RETRIES
        with pytest.raises(Overloaded):
            predict(server.address, retries=0)
        assert len(server.requests) == 2 + _retries.RETRIES


def test_an_answer_that_never_comes_is_asked_for_once_more() -> None:
    with scripted("silence", OK) as server:
        assert predict(server.address, timeout=0.5) == PREDICTION
    assert len(server.requests) == 2
    with scripted("silence") as server:
        with pytest.raises(TimedOut):
            predict(server.address, timeout=0.2)
        assert len(server.requests) == 2


def test_no_server_at_all() -> None:
    with pytest.raises(ConnectionFailed, match="is the server up"):
        predict(f"127.0.0.1:{free_port()}")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"sentiment": "POSITIVE"}', b""])
def test_a_stranger_at_the_address_is_recognised(body: bytes) -> None:
    with scripted((200, body)) as server, pytest.raises(UnexpectedAnswer):
        predict(server.address)


def test_the_management_address_tells_why_a_request_is_refused() -> None:
    model = {
        "modelName": "sentiment",
        "modelVersion": "1.0",
        "modelUrl": "sentiment.mar",
        "minWorkers": 1,
        "maxWorkers": 1,
        "batchSize": 32,
        "maxBatchDelay": 1,
        "workers": [],
    }
    idle = {"id": "9000", "pid": 7, "status": "READY", "memoryUsage": 0}
    with scripted((503, b"{}")) as server:
        for workers, kind in (([], Unhealthy), ([idle], Overloaded)):
            described = (200, json.dumps([model | {"workers": workers}]).encode())
            with scripted(described) as management, pytest.raises(kind):
                predict(server.address, retries=0, management=management.address)
        with scripted((500, b"{}")) as management, pytest.raises(Overloaded):
            predict(server.address, retries=0, management=management.address)


def test_a_rotated_token_is_read_again(tmp_path: Path) -> None:
    keys = tmp_path / "key_file.json"

    async def ask(address: str) -> None:
        async with AsyncSentimentClient(address, token_file=keys) as client:
            for token in ("old", "new"):
                keys.write_text(json.dumps({"inference": {"key": token}}))
                await client.predict("good")

    with scripted(OK) as server:
        asyncio.run(ask(server.address))
        predict(server.address, token="abc")
    sent = [headers["Authorization"] for _, _, headers, _ in server.requests]
    assert sent == ["Bearer old", "Bearer new", "Bearer abc"]
    with pytest.raises(Unauthorized, match="holds no inference token"):
        predict("127.0.0.1:1", token_file=tmp_path / "none")


def test_the_token_is_read_for_each_try(tmp_path: Path) -> None:
    keys = tmp_path / "key_file.json"
    keys.write_text('{"inference": {"key": "old"}}')
    with scripted(REFUSAL, OK) as server:
        server.arrived = lambda: keys.write_text('{"inference": {"key": "new"}}')
        assert predict(server.address, token_file=keys) == PREDICTION
    sent = [headers["Authorization"] for _, _, headers, _ in server.requests]
    assert sent == ["Bearer old", "Bearer new"]


def test_a_stream_reads_no_further_than_requests_can_start() -> None:
    taken = 0

    def texts() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "good"

    async def texts_that_come() -> AsyncIterator[str]:
        for text in texts():
            yield text

    async def ask(address: str, *, asynchronously: bool) -> None:
        async with AsyncSentimentClient(address, in_flight=2) as client:
            stream = client.predict_stream(texts_that_come() if asynchronously else texts())
            assert await anext(stream) == PREDICTION
            await stream.aclose()

    with scripted(answers(*[ANSWER] * 32)) as server:
        for asynchronously in (False, True):
            taken = 0
            asyncio.run(ask(server.address, asynchronously=asynchronously))
            assert taken == 2 * 32 + 1


def test_nothing_is_left_running_when_the_caller_gives_up() -> None:
    async def ask(address: str) -> None:
        async with AsyncSentimentClient(address) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.predict_many(["good"] * 100)
            assert len(asyncio.all_tasks()) == 1

    started = time.monotonic()
    with scripted("silence") as server:
        asyncio.run(ask(server.address))
    assert time.monotonic() - started < 5


def test_texts_that_the_server_had_no_time_for_are_sent_again() -> None:
    async def ask(address: str) -> list[Prediction | SentimentError]:
        async with AsyncSentimentClient(address) as client:
            return await client.predict_many(["a", "b", "c"])

    late = {"error": "no time", "error_type": "Overloaded"}
    with scripted(answers(late, ANSWER, late), answers(ANSWER, ANSWER)) as server:
        assert asyncio.run(ask(server.address)) == [PREDICTION] * 3
    sent = [json.loads(body)["texts"] for *_, body in server.requests]
    assert sent == [["a", "b", "c"], ["a", "c"]]


def test_a_single_string_is_not_a_list_of_letters() -> None:
    with pytest.raises(TypeError, match="predict"):
        AsyncSentimentClient().predict_stream("good")
