"""The client where a server fails; what it does with one that works is in tests/integration."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

import sentiment_client
from sentiment_client import (
    BackendFailed,
    ConnectionFailed,
    Malformed,
    ManagementClient,
    NotAllowed,
    NotFound,
    Overloaded,
    Prediction,
    SentimentClient,
    SentimentError,
    TimedOut,
    TooLarge,
    Unauthorized,
    UnexpectedAnswer,
    Unhealthy,
    Validation,
    _retries,
    errors,
)
from sentiment_client.cli import main
from tests.unit.scripted_server import Answer, Scripted, free_port, scripted

ANSWER = {
    "sentiment": "POSITIVE",
    "score": 0.75,
    "scores": {"NEGATIVE": 0.25, "POSITIVE": 0.75},
    "tokens": 3,
    "truncated": False,
}
WORKER_DIED = b'{"code": 500, "type": "InternalServerException", "message": "Worker died."}'
LATE = {"error": "no time", "error_type": "Overloaded"}
REFUSAL = (400, b'{"code": 400, "type": "InvalidKeyException", "message": "expired"}')
OK = (200, json.dumps(ANSWER).encode())
PREDICTION = Prediction("POSITIVE", 0.75, {"NEGATIVE": 0.25, "POSITIVE": 0.75}, 3, False)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_retries, "BACKOFF", 0.001)


def error(kind: str, message: str = "no") -> bytes:
    return json.dumps({"error": message, "error_type": kind}).encode()


@pytest.mark.parametrize(
    "failure", ["reset", (500, WORKER_DIED), (500, b""), (503, error("Overloaded")), (507, b"{}")]
)
def test_what_passes_is_tried_again(failure: tuple[int, bytes] | str) -> None:
    with (
        scripted(failure, failure, OK) as server,
        SentimentClient(server.address, timeout=5) as client,
    ):
        assert client.predict("good") == PREDICTION
    assert len(server.requests) == 3
    assert {body for _, _, _, body in server.requests} == {b'{"text": "good"}'}


@pytest.mark.parametrize(
    "answer",
    [(status, error("Validation")) for status in (400, 404, 413, 415, 422)]
    + [(500, error("Backend"))],  # which would be scored again with all its neighbours
)
def test_what_would_fail_again_is_not_tried_again(answer: tuple[int, bytes]) -> None:
    with scripted(answer) as server, SentimentClient(server.address) as asks:
        with pytest.raises(SentimentError):
            asks.predict("good")
        assert len(server.requests) == 1


def test_retries_are_bounded_and_can_be_switched_off() -> None:
    with scripted((503, error("Overloaded", "full"))) as server:
        with SentimentClient(server.address) as client, pytest.raises(Overloaded, match="full"):
            client.predict("good")
        assert len(server.requests) == 1 + _retries.RETRIES
        with SentimentClient(server.address, retries=0) as client, pytest.raises(Overloaded):
            client.predict("good")
        assert len(server.requests) == 2 + _retries.RETRIES


def test_an_answer_that_never_comes_is_asked_for_once_more() -> None:
    with scripted("silence", OK) as server, SentimentClient(server.address, timeout=0.5) as client:
        assert client.predict("good") == PREDICTION
    assert len(server.requests) == 2


def test_a_server_that_never_answers_is_given_up() -> None:
    with scripted("silence") as server:
        started = time.monotonic()
        with SentimentClient(server.address, timeout=0.2) as client:
            with pytest.raises(TimedOut) as caught:
                client.predict("good")
        assert time.monotonic() - started < 5
    assert caught.value.status is None
    assert len(server.requests) == 2


def test_no_server_at_all() -> None:
    with SentimentClient(f"127.0.0.1:{free_port()}") as client:
        with pytest.raises(ConnectionFailed, match="is the server up"):
            client.predict("good")


def test_what_never_reached_the_server_can_always_be_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses = []

    def pause_after(tries: int) -> float:
        pauses.append(tries)
        return 0.0

    monkeypatch.setattr(_retries, "pause_after", pause_after)
    with ManagementClient(f"127.0.0.1:{free_port()}") as management:
        with pytest.raises(ConnectionFailed):
            management.unregister("sentiment")
    assert len(pauses) == _retries.RETRIES
    with scripted("reset") as server, ManagementClient(server.address) as management:
        with pytest.raises(ConnectionFailed):
            management.unregister("sentiment")
        assert len(server.requests) == 1


def test_registering_is_not_repeated() -> None:
    with scripted((200, b'{"models": []}'), (503, b"{}")) as server:
        with ManagementClient(server.address) as management, pytest.raises(Overloaded):
            management.register("x.mar")
        assert [method for method, *_ in server.requests] == ["GET", "POST"]


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (400, error("Malformed", "Not UTF-8."), Malformed, "Not UTF-8."),
        (422, error("Validation", "Blank."), Validation, "Blank."),
        (503, error("Unhealthy"), Unhealthy, "no"),
        (500, error("Backend"), BackendFailed, "no"),
        (413, b"", TooLarge, "max_request_size"),
        (502, b"<html>Bad Gateway</html>", BackendFailed, "no reason"),
        (400, b'{"code": 400, "type": "InvalidKeyException", "message": "T"}', Unauthorized, "T"),
        (404, b'{"code": 404, "type": "ModelNotFoundException", "message": "M"}', NotFound, "M"),
        (405, b'{"code": 405, "type": "MethodNotAllowed", "message": "D"}', NotAllowed, "D"),
        (503, b'{"code": 503, "type": "X", "message": "no worker"}', Overloaded, "no worker"),
        (422, b'["not", "an object"]', Validation, "no reason"),
        (418, b"{}", BackendFailed, "no reason"),
    ],
)
def test_every_answer_has_its_error(
    status: int, body: bytes, kind: type[SentimentError], says: str
) -> None:
    got = errors.from_answer(status, body)
    assert type(got) is kind
    assert got.status == status
    assert says in got.message
    assert str(got).endswith(f"(HTTP {status})")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"sentiment": "POSITIVE"}', b""])
def test_a_stranger_at_the_address_is_recognised(body: bytes) -> None:
    with scripted((200, body)) as server, SentimentClient(server.address) as client:
        with pytest.raises(UnexpectedAnswer):
            client.predict("good")
        with pytest.raises(UnexpectedAnswer):
            client.predict_many(["good"])


@pytest.mark.parametrize("body", [b"{}", b"[]", b"3", b'[{"modelName": "x"}]', b"<html>"])
def test_a_stranger_at_the_management_address_is_recognised(body: bytes) -> None:
    with scripted((200, body)) as server, ManagementClient(server.address) as management:
        with pytest.raises(UnexpectedAnswer):
            management.describe()
        with pytest.raises(UnexpectedAnswer):
            management.list()


@pytest.mark.parametrize(
    ("text", "texts"), [("a", 32), ("x" * 10_000, 19), ("日" * 1_500, 32), ("日" * 50_000, 1)]
)
def test_many_texts_are_sent_in_requests_that_the_server_takes(text: str, texts: int) -> None:
    with (
        scripted((200, b"{}")) as server,
        SentimentClient(server.address, in_flight=1) as client,
    ):
        with pytest.raises(UnexpectedAnswer):
            client.predict_many([text] * 100)
        ((*_, body),) = server.requests
        assert len(json.loads(body)["texts"]) == texts
        assert len(body) < 262_144
        assert client.predict_many([]) == []


def test_a_single_string_is_not_a_list_of_letters() -> None:
    with SentimentClient() as client, pytest.raises(TypeError, match="predict"):
        client.predict_many("good")
    with SentimentClient() as client, pytest.raises(TypeError, match="predict"):
        client.predict_stream("good")


def arrived(server: Scripted, requests: int) -> None:
    """Wait until so many requests have come."""
    deadline = time.monotonic() + 10
    while len(server.requests) < requests:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def answers(*entries: object) -> tuple[int, bytes]:
    return 200, json.dumps({"results": entries}).encode()


def test_a_stream_reads_no_further_than_requests_can_start() -> None:
    taken = 0

    def texts() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "good"

    with (
        scripted(answers(*[ANSWER] * 32)) as server,
        SentimentClient(server.address, in_flight=2) as client,
    ):
        stream = client.predict_stream(texts())
        assert taken == 0
        assert next(stream) == PREDICTION
        assert taken == 2 * 32 + 1  # with the one that did not fit
        arrived(server, 2)
        stream.close()
        assert taken == 2 * 32 + 1
        assert len(server.requests) == 2


def test_nothing_is_sent_for_a_caller_who_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_retries, "BACKOFF", 0.3)

    def texts() -> Iterator[str]:
        yield from ["good"] * 3 * 32
        arrived(server, 2)
        raise KeyboardInterrupt

    with scripted((503, b"{}")) as server, SentimentClient(server.address) as client:
        with pytest.raises(KeyboardInterrupt):
            client.predict_many(texts())
        time.sleep(1)  # in which both would have been tried again
        assert len(server.requests) == 2


def test_ctrl_c_ends_the_command_though_the_server_hangs() -> None:
    with scripted("silence") as server:
        run = [sys.executable, "-m", "sentiment_client", "--address", server.address]
        # A job in the background has been told to ignore it, and hands that down.
        heed = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
        command = subprocess.Popen(
            [*run, "predict", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed
        )
        assert command.stdin
        command.stdin.write(b"good\n")
        command.stdin.flush()
        arrived(server, 1)
        command.send_signal(signal.SIGINT)
        _, said = command.communicate(timeout=5)
    assert command.returncode == 130
    assert said == b""


def test_texts_that_the_server_had_no_time_for_are_sent_again() -> None:
    steps = (answers(LATE, ANSWER, LATE), answers(ANSWER, LATE), answers(ANSWER))
    with scripted(*steps) as server, SentimentClient(server.address) as client:
        assert client.predict_many(["a", "b", "c"]) == [PREDICTION] * 3
    sent = [json.loads(body)["texts"] for *_, body in server.requests]
    assert sent == [["a", "b", "c"], ["a", "c"], ["c"]]

    with scripted(answers(ANSWER, LATE), answers(LATE)) as server:
        with SentimentClient(server.address, retries=2) as client:
            good, refused = client.predict_many(["a", "b"])
        assert len(server.requests) == 3
    assert good == PREDICTION
    assert type(refused) is Overloaded


def test_what_is_scored_stays_when_sending_late_texts_again_fails() -> None:
    with scripted(answers(ANSWER, LATE), (404, error("NotFound"))) as server:
        with SentimentClient(server.address) as client:
            good, late = client.predict_many(["a", "b"])
        assert len(server.requests) == 2
    assert good == PREDICTION
    assert isinstance(late, Overloaded)
    assert late.message == "no time"


def test_late_texts_are_sent_again_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_retries, "BACKOFF", 0.3)
    with scripted(answers(LATE), answers(ANSWER)) as server:
        with SentimentClient(server.address) as client:
            started = time.monotonic()
            assert client.predict_many(["a"]) == [PREDICTION]
            assert time.monotonic() - started > 0.3


def test_a_closed_stream_sends_no_late_texts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_retries, "BACKOFF", 0.3)

    def answer(body: bytes) -> Answer:
        return answers(*[ANSWER if b"first" in body else LATE] * 32)

    with scripted(answer) as server:
        with SentimentClient(server.address, in_flight=2) as client:
            stream = client.predict_stream(["first"] * 32 + ["second"] * 32)
            next(stream)
            arrived(server, 2)
            stream.close()
            time.sleep(1)  # in which the late ones would have been sent again
        assert len(server.requests) == 2


def taking(limit: int) -> Callable[[bytes], Answer]:
    """A server that takes so many texts at once."""

    def step(body: bytes) -> Answer:
        texts = json.loads(body)["texts"]
        if len(texts) > limit:
            return 413, error("TooLarge")
        return answers(*(ANSWER | {"tokens": len(text)} for text in texts))

    return step


def test_a_request_that_is_too_large_is_sent_in_parts() -> None:
    texts = ["x" * (number + 1) for number in range(40)]
    with scripted(taking(5)) as server, SentimentClient(server.address) as client:
        results = client.predict_many(texts)
        assert [r.tokens for r in results if isinstance(r, Prediction)] == list(range(1, 41))
    with scripted(taking(0)) as server, SentimentClient(server.address) as client:
        assert [type(r) for r in client.predict_many(["a", "b", "c"])] == [TooLarge] * 3
        assert len(server.requests) == 5


def test_a_token_is_sent() -> None:
    with scripted(OK) as server, SentimentClient(server.address, token="abc") as client:
        client.predict("good")
    assert server.requests[0][2]["Authorization"] == "Bearer abc"


def test_a_rotated_token_is_read_again(tmp_path: Path) -> None:
    keys = tmp_path / "key_file.json"
    keys.write_text('{"inference": {"key": "old"}}')
    with scripted(OK) as server:
        with SentimentClient(server.address, token_file=keys) as client:
            client.predict("good")
            keys.write_text('{"inference": {"key": "new"}}')
            assert client.predict("good") == PREDICTION
    assert [headers["Authorization"] for _, _, headers, _ in server.requests] == [
        "Bearer old",
        "Bearer new",
    ]


def test_a_refused_token_is_an_error(tmp_path: Path) -> None:
    keys = tmp_path / "key_file.json"
    keys.write_text('{"inference": {"key": "old"}}')
    with scripted(REFUSAL) as server, SentimentClient(server.address, token_file=keys) as client:
        with pytest.raises(Unauthorized, match="expired"):
            client.predict("good")
        assert len(server.requests) == 1


@pytest.mark.parametrize("failure", [(503, b"{}"), REFUSAL])
def test_the_token_is_read_for_each_try(tmp_path: Path, failure: tuple[int, bytes]) -> None:
    keys = tmp_path / "key_file.json"
    keys.write_text('{"inference": {"key": "old"}}')
    with scripted(failure, OK) as server:
        server.arrived = lambda: keys.write_text('{"inference": {"key": "new"}}')
        with SentimentClient(server.address, token_file=keys) as client:
            assert client.predict("good") == PREDICTION
    sent = [headers["Authorization"] for _, _, headers, _ in server.requests]
    assert sent == ["Bearer old", "Bearer new"]


def test_a_token_that_is_replaced_by_another_bad_one_is_given_up(tmp_path: Path) -> None:
    keys = tmp_path / "key_file.json"
    keys.write_text('{"inference": {"key": "0"}}')
    with scripted(REFUSAL) as server:
        server.arrived = lambda: keys.write_text(
            json.dumps({"inference": {"key": str(len(server.requests))}})
        )
        with SentimentClient(server.address, token_file=keys) as client:
            with pytest.raises(Unauthorized, match="expired"):
                client.predict("good")
        assert len(server.requests) == 2


@pytest.mark.parametrize("content", [None, "", "{}", '{"inference": 3}'])
def test_a_file_without_a_token_is_named(tmp_path: Path, content: str | None) -> None:
    keys = tmp_path / "key_file.json"
    if content is not None:
        keys.write_text(content)
    with SentimentClient(token_file=keys) as client:
        with pytest.raises(Unauthorized, match="holds no inference token"):
            client.predict("good")


def test_importing_it_pulls_in_nothing_but_requests() -> None:
    def imported_by(module: str) -> set[str]:
        code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
        run = [sys.executable, "-c", code]
        return set(subprocess.run(run, capture_output=True, text=True, check=True).stdout.split())

    added = imported_by("sentiment_client") - imported_by("requests")
    assert added - set(sys.stdlib_module_names) == {"sentiment_client"}


def test_every_public_error_is_exported_and_drawn_in_the_tree() -> None:
    public = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert "Malformed" in public
    for name, value in public.items():
        assert issubclass(value, SentimentError)
        assert name in (errors.__doc__ or "")
        assert getattr(sentiment_client, name) is value
    assert sorted(sentiment_client.__all__) == sentiment_client.__all__


def test_the_command_says_what_failed_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    address = f"127.0.0.1:{free_port()}"
    for arguments in (
        ["--address", address, "predict", "good"],
        ["--management", address, "status"],
    ):
        assert main(arguments) == 1
        said = capsys.readouterr().err
        assert said.startswith("sentiment: ")
        assert said.count("\n") == 1
