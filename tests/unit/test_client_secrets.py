"""No error and no repr contains a token or a password."""

import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sentiment_client import ManagementClient, SentimentError, Unauthorized
from sentiment_client._tokens import Token
from tests.clients import inner
from tests.unit.client_cases import BAD_TOKEN, NO_WORKER, OK, PREDICTION, WORKER_DIED, Case
from tests.unit.scripted_server import Answer, free_port

SECRET = "s3cret-of-joe"


def visible_parts(error: BaseException) -> Iterator[str]:
    """Everything that can be printed of an error, its causes and its arguments."""
    visited: list[BaseException] = []
    left: list[Any] = [error]
    while left:
        current = left.pop()
        if not isinstance(current, BaseException) or any(current is one for one in visited):
            continue
        visited.append(current)
        yield from (str(current), repr(current), repr(current.args), repr(vars(current)))
        for value in vars(current).values():  # such as the request of a library's error
            yield repr(getattr(value, "headers", ""))
        left += [current.__cause__, current.__context__, *current.args]
    yield "".join(traceback.format_exception(error))


def assert_silent(error: BaseException) -> None:
    assert not [text for text in visible_parts(error) if SECRET in text]


@pytest.mark.parametrize(
    "failure",
    ["reset", "silence", BAD_TOKEN, NO_WORKER, WORKER_DIED, (418, b""), (200, b"<html>")],
    ids=str,
)
def test_no_failure_shows_the_token(
    case: Case, pauses: list[float], failure: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with case.connected(failure, token=SECRET, timeout=0.5, max_retries=1) as (server, client):
        with pytest.raises(SentimentError) as caught:
            client.predict("good")
        assert server.tokens[0] == f"Bearer {SECRET}"
        assert SECRET not in repr(client) + repr(inner(client)) + repr(vars(inner(client)))
        assert SECRET not in repr(vars(inner(client)._transport))
        assert SECRET not in repr(vars(inner(client)._transport.retries))
    assert_silent(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert SECRET not in caplog.text


def test_no_failure_to_connect_shows_the_token(case: Case, pauses: list[float]) -> None:
    for address in (f"http://127.0.0.1:{free_port()}", "http://nonesuch.invalid"):
        with case.client(address, token=SECRET, max_retries=1) as client:
            with pytest.raises(SentimentError) as caught:
                client.predict("good")
        assert_silent(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://joe:s3cret-of-joe@example.com",
        "joe:s3cret-of-joe@example.com:8080",
        "https://s3cret-of-joe@example.com/path",
        "http://joe:s3cret-of-joe@example.com:99999",
        "http://joe:s3cret-of-joe/x@example.com",
        "http://joe:s3cret-of-joe%40example.com",
        "http://joe:s3cret-of-joe#x@example.com",
        "http://joe:s3cret-of-joe?x@example.com",
        "http://joe:s3cret-of-joe@[::1",
        "ftp://joe:s3cret-of-joe@example.com",
        "http://joe:x@s3cret-of-joe@example.com",
        "http://example.com/?token=s3cret-of-joe",
        "http://example.com/?token=a@s3cret-of-joe",
        "ftp://example.com/?token=s3cret-of-joe",
        "http://example.com:x/?token=s3cret-of-joe",
    ],
)
def test_an_address_with_a_secret_is_refused_without_it(case: Case, address: str) -> None:
    for make in (case.client, ManagementClient):
        with pytest.raises(ValueError, match=r"remove|not an HTTP address") as caught:
            make(address)
        assert_silent(caught.value)


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {} ", "\t{}", "{}"])
def test_whitespace_around_a_token_is_not_part_of_it(
    case: Case, tmp_path: Path, around: str
) -> None:
    written = around.format("abc")
    (keys := tmp_path / "keys").write_text(json.dumps({"inference": {"key": written}}))
    for options in ({"token": written}, {"token_file": keys}):
        with case.connected(OK, **options) as (server, client):
            assert client.predict("good") == PREDICTION
            assert server.tokens == ["Bearer abc"]


@pytest.mark.parametrize(
    "wrong", ["a\n{}", "{}\rx", "{}\x00", "{} x", "{}é", "{}日", "{}\ud800", "{}\x7f", "", " \n"]
)
def test_a_token_that_no_header_can_hold_is_refused_without_it(
    case: Case, tmp_path: Path, wrong: str
) -> None:
    token = wrong.replace("{}", SECRET)
    for make in (case.client, ManagementClient):
        with pytest.raises(ValueError, match="The token is empty, or contains") as caught:
            make("127.0.0.1", token=token)
        assert_silent(caught.value)
    (keys := tmp_path / "keys").write_text(json.dumps({"inference": {"key": token}}))
    with case.client("127.0.0.1", token_file=keys) as client:
        with pytest.raises(Unauthorized, match="has no inference token") as failure:
            client.predict("good")
    assert_silent(failure.value)


def test_a_token_is_not_in_its_repr() -> None:
    assert SECRET not in repr(Token(SECRET)) + str(Token(SECRET)) + f"{Token(SECRET)!r:}"


@pytest.mark.parametrize("content", [None, "", "{}", '{"inference": 3}', "half of s3cret-of-joe"])
def test_a_file_without_a_token_is_named(
    case: Case, tmp_path: Path, pauses: list[float], content: str | None
) -> None:
    keys = tmp_path / "key_file.json"
    if content is not None:
        keys.write_text(content)
    with case.client(token_file=keys) as client:
        with pytest.raises(Unauthorized, match="has no inference token") as caught:
            client.predict("good")
    assert_silent(caught.value)
    assert sum(pauses) < 1


def test_a_key_file_that_is_being_written_is_read_again(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TorchServe rewrites the file in place, so a reader may find it empty or incomplete."""
    whole = '{"inference": {"key": "new"}}'
    contents = ["", whole[:17], whole]

    def read(_: Path, **__: Any) -> str:
        return contents.pop(0)

    monkeypatch.setattr(Path, "read_text", read)
    with case.connected(OK, token_file=tmp_path / "keys") as (server, client):
        assert client.predict("good") == PREDICTION
        assert server.tokens == ["Bearer new"]


def test_a_rotated_token_is_read_before_each_request(case: Case, tmp_path: Path) -> None:
    keys = tmp_path / "key_file.json"
    with case.connected(OK, token_file=keys) as (server, client):
        for token in ("old", "new"):
            keys.write_text(json.dumps({"inference": {"key": token}}))
            assert client.predict("good") == PREDICTION
        assert server.tokens == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("failure", [NO_WORKER, BAD_TOKEN])
def test_a_rotated_token_is_read_before_each_attempt(
    case: Case, tmp_path: Path, pauses: list[float], failure: Answer
) -> None:
    keys = tmp_path / "key_file.json"
    keys.write_text('{"inference": {"key": "old"}}')
    with case.connected(failure, OK, token_file=keys) as (server, client):
        server.arrived = lambda: keys.write_text('{"inference": {"key": "new"}}')
        assert client.predict("good") == PREDICTION
        assert server.tokens == ["Bearer old", "Bearer new"]


def test_a_bad_token_is_not_sent_twice(case: Case, tmp_path: Path, pauses: list[float]) -> None:
    keys = tmp_path / "key_file.json"
    keys.write_text('{"inference": {"key": "old"}}')
    for options in ({"token": "old"}, {"token_file": keys}):
        with case.connected(BAD_TOKEN, **options) as (server, client):
            with pytest.raises(Unauthorized, match="expired"):
                client.predict("good")
            assert len(server.requests) == 1
    with case.connected(BAD_TOKEN, token_file=keys) as (server, client):  # each new one is bad, too
        server.arrived = lambda: keys.write_text(
            json.dumps({"inference": {"key": str(len(server.requests))}})
        )
        with pytest.raises(Unauthorized, match="expired"):
            client.predict("good")
        assert len(server.requests) == 2
    assert pauses == []
