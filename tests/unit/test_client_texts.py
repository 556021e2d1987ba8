"""Lists of texts: invalid values, requests that are too large, late texts, cancelled calls."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sentiment_client
from sentiment_client import (
    Prediction,
    SentimentClient,
    UnexpectedAnswer,
    Validation,
    grpc_client,
)
from tests.clients import labels
from tests.unit.client_cases import ANSWER, OK, PREDICTION, Case, answer_all, answers, error
from tests.unit.scripted_server import Answer, Scripted, scripted


class Broken:
    """An object whose every operation raises."""

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise RuntimeError("tell-nobody")

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("tell-nobody")

    def __bool__(self) -> bool:
        raise RuntimeError("tell-nobody")


class Pretender:
    """An object that pretends to be a str."""

    __class__ = str  # type: ignore[assignment]


class NAType:
    """Pandas' missing value, whose comparisons have no truth value."""

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


NOT_TEXTS = {
    "NaN": (float("nan"), "leave it out"),
    "numpy's NaN": (np.float64("nan"), "leave it out"),
    "numpy's smaller NaN": (np.float32("nan"), "float32"),
    "NA": (NAType(), "leave it out"),
    "None": (None, "leave it out"),
    "infinity": (float("inf"), "str()"),
    "an integer": (5, "not int: convert it"),
    "a huge integer": (10**5_000, "str()"),
    "a truth value": (True, "not bool"),
    "a decimal": (Decimal(1), "not Decimal"),
    "a complex number": (1j, "not complex"),
    "bytes": (b"tell-nobody", "decode it"),
    "a bytearray": (bytearray(b"x"), "decode it"),
    "a path": (Path("tell-nobody"), "read the file"),
    "numpy's integer": (np.int64(3), "not int64"),
    "an array": (np.array(["a", "b"]), "not ndarray"),
    "a list": (["tell-nobody"], "not list"),
    "an object": ({"text": "tell-nobody"}, "not dict"),
    "a set": ({1}, "not set"),
    "a function": (len, "str()"),
    "a class": (str, "not type"),
    "what cannot be shown": (Broken(), "not Broken"),
    "what says it is a text": (Pretender(), "not Pretender"),
}


@pytest.mark.parametrize(("value", "says"), NOT_TEXTS.values(), ids=NOT_TEXTS.keys())
def test_a_value_that_is_not_a_text_gets_its_own_error(case: Case, value: Any, says: str) -> None:
    with case.connected(answer_all) as (server, client):
        many = client.predict_many(["a", value, np.str_("b"), value])
        streamed = list(client.predict_stream(iter([value, "a"])))
        sent = [json.loads(body)["texts"] for body in server.bodies]
        assert sent == [["a", "b"], ["a"]]
        with pytest.raises(Validation) as caught:
            client.predict(value)
        alone = client.predict_many([value])
        assert len(server.requests) == 2
    assert labels(many) == ["POSITIVE", "Validation", "POSITIVE", "Validation"]
    assert labels(streamed) == ["Validation", "POSITIVE"]
    for wrong in (many[1], streamed[0], alone[0], caught.value):
        assert isinstance(wrong, Validation)
        assert (wrong.message, wrong.status) == (caught.value.message, 422)
        assert says in wrong.message
        assert "tell-nobody" not in str(wrong)


def test_many_values_that_are_not_texts_keep_their_places(case: Case) -> None:
    texts: list[Any] = [None if number % 3 else "good" for number in range(500)]
    with case.connected(answer_all) as (_, client):
        results = client.predict_many(texts)
    assert labels(results) == ["Validation" if text is None else "POSITIVE" for text in texts]


def test_results_before_an_iterable_that_raises_are_not_lost(case: Case) -> None:
    def texts() -> Iterator[str]:
        yield from ["good"] * 100
        raise OSError("the file ended")

    results: list[Any] = []
    with case.connected(answer_all, max_concurrency=2) as (_, client):
        with pytest.raises(OSError, match="the file ended"):
            results.extend(client.predict_stream(texts()))
        with pytest.raises(OSError, match="the file ended"):
            client.predict_many(texts())
    assert results == [PREDICTION] * 100


def test_results_before_an_asynchronous_iterable_that_raises_are_not_lost() -> None:
    async def texts() -> Any:
        for _ in range(100):
            yield "good"
        raise OSError("the file ended")

    results: list[Any] = []
    with Case("async").connected(answer_all) as (_, client):
        with pytest.raises(OSError, match="the file ended"):
            results.extend(client.predict_stream(texts()))
    assert results == [PREDICTION] * 100


@pytest.mark.parametrize(
    ("text", "texts"), [("a", 32), ("x" * 10_000, 19), ("日" * 1_500, 32), ("日" * 50_000, 1)]
)
def test_many_texts_are_sent_in_requests_that_the_server_takes(
    case: Case, text: str, texts: int
) -> None:
    with case.connected((200, b"{}"), max_concurrency=1) as (server, client):
        with pytest.raises(UnexpectedAnswer):
            client.predict_many([text] * 100)
        (body,) = server.bodies
        assert len(json.loads(body)["texts"]) == texts
        assert len(body) < 262_144
        assert client.predict_many([]) == []


@pytest.mark.parametrize("single", ["good", b"good", bytearray(b"good"), {"text": "good"}])
def test_a_single_text_is_not_a_list(case: Case, single: Any) -> None:
    with case.client() as client:
        with pytest.raises(TypeError, match="predict"):
            client.predict_many(single)
        with pytest.raises(TypeError, match="predict"):
            client.predict_stream(single)


def test_a_data_frame_is_not_a_list(case: Case) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": ["good", None]})
    with case.connected(answer_all) as (_, client):
        with pytest.raises(TypeError, match="one column"):
            client.predict_many(frame)
        assert labels(client.predict_many(frame["text"])) == ["POSITIVE", "Validation"]


def arrived(server: Scripted, requests: int) -> None:
    """Wait for this number of requests."""
    deadline = time.monotonic() + 10
    while len(server.requests) < requests:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_stream_reads_no_further_than_requests_can_start(case: Case) -> None:
    read = 0

    def texts() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield "good"

    with case.connected(answer_all, max_concurrency=2) as (server, client):
        stream = client.predict_stream(texts())
        assert read == 0
        assert next(stream) == PREDICTION
        assert read == 2 * 32 + 1  # and the one that did not fit into a request
        stream.close()
        assert read == 2 * 32 + 1
        assert len(server.requests) <= 2


def test_an_interrupted_call_retries_nothing() -> None:
    def texts() -> Iterator[str]:
        yield from ["good"] * 3 * 32
        arrived(server, 2)
        raise KeyboardInterrupt

    with scripted((503, b"{}")) as server, SentimentClient(server.address) as client:
        with pytest.raises(KeyboardInterrupt):
            client.predict_many(texts())
        time.sleep(1)  # long enough for retries
        assert len(server.requests) == 2


def test_a_closed_stream_does_not_resend_late_texts() -> None:
    late = {"error": "no time", "error_type": "Overloaded"}

    def answer(body: bytes) -> Answer:
        return answers(*[ANSWER if b"first" in body else late] * 32)

    with scripted(answer) as server:
        with SentimentClient(server.address, max_concurrency=2) as client:
            stream = client.predict_stream(["first"] * 32 + ["second"] * 32)
            next(stream)
            arrived(server, 2)
            stream.close()
            time.sleep(1)  # long enough for late texts to be sent again
        assert len(server.requests) == 2


def test_ctrl_c_ends_the_command_while_the_server_hangs() -> None:
    with scripted("silence") as server:
        run = [sys.executable, "-m", "sentiment_client", "--address", server.address]
        # A background job ignores SIGINT, and its children inherit that.
        heed = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
        command = subprocess.Popen(
            [*run, "predict", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed
        )
        assert command.stdin
        command.stdin.write(b"good\n")
        command.stdin.flush()
        arrived(server, 1)
        command.send_signal(signal.SIGINT)
        _, stderr = command.communicate(timeout=5)
    assert command.returncode == 130
    assert stderr == b""


def test_cancelled_calls_leave_nothing_running() -> None:
    async def give_up(address: str) -> None:
        async with sentiment_client.AsyncSentimentClient(address) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await client.predict_many(["good"] * 100)
            assert len(asyncio.all_tasks()) == 1

    started = time.monotonic()
    with scripted("silence") as server:
        asyncio.run(give_up(server.address))
    assert time.monotonic() - started < 5


def test_closing_a_grpc_client_ends_its_calls_and_says_so() -> None:
    with Case("grpc").scripted(OK) as server:
        client = sentiment_client.GrpcSentimentClient(server.address)
        server.arrived = client.close
        for _ in ("during", "after"):
            with pytest.raises(RuntimeError, match="client is closed"):
                client.predict("good")
        assert len(server.requests) == 1


def taking(limit: int) -> Callable[[bytes], Answer]:
    """A server that accepts this number of texts per request."""

    def step(body: bytes) -> Answer:
        texts = json.loads(body)["texts"]
        if len(texts) > limit:
            return 413, error("TooLarge")
        return answers(*(ANSWER | {"tokens": len(text)} for text in texts))

    return step


def test_a_request_that_is_too_large_is_sent_in_parts(case: Case) -> None:
    texts = ["x" * (number + 1) for number in range(40)]
    with case.connected(taking(5)) as (_, client):
        results = client.predict_many(texts)
        assert [r.tokens for r in results if isinstance(r, Prediction)] == list(range(1, 41))
    with case.connected(taking(0)) as (server, client):
        assert labels(client.predict_many(["a", "b", "c"])) == ["TooLarge"] * 3
        assert len(server.requests) == 5


def test_a_grpc_answer_that_is_too_large_is_requested_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = ANSWER | {"scores": {f"label {i}": 0.5 for i in range(9_000)}}

    def answer(body: bytes) -> Answer:
        return answers(*[many] * len(json.loads(body)["texts"]))

    with Case("grpc").connected(answer) as (server, client):  # over 4 MiB, more than gRPC's default
        assert labels(client.predict_many(["good"] * 32)) == ["POSITIVE"] * 32
        assert len(server.requests) == 1
    monkeypatch.setattr(grpc_client, "MAX_ANSWER_BYTES", 1 << 20)
    with Case("grpc").connected(answer) as (server, client):
        assert labels(client.predict_many(["good"] * 8)) == ["POSITIVE"] * 8
        assert len(server.requests) == 3
