"""`ready` of each client and `sentiment ready`: one attempt, or attempts for a given time."""

import json
import time

import pytest

from sentiment_client import (
    ConnectionFailed,
    NotFound,
    Overloaded,
    Ready,
    SentimentError,
    TimedOut,
    UnexpectedAnswer,
    Unhealthy,
)
from sentiment_client.cli import main
from tests.unit.client_cases import NO_WORKER, OK, Case, error
from tests.unit.scripted_server import Answer, free_port, scripted

FIELDS = {"model": "sentiment", "version": "1.0", "engine": {"name": "int8", "agreement": 1}}
READY = (200, json.dumps({"ready": True, "draining": False, "worker": 7, **FIELDS}).encode())
DRAINING = (503, error("Unhealthy", "The server is draining."), {"Retry-After": "10"})


def test_a_ready_server_says_what_is_ready(case: Case) -> None:
    with case.connected(READY, version="1.0") as (server, client):
        assert client.ready() == Ready("sentiment", "1.0", "int8", 7)
    ((method, path, headers, body),) = server.requests
    assert body == b""  # not a prediction
    if case.kind != "grpc":
        assert (method, path) == ("GET", "/predictions/sentiment/1.0")
        assert headers["Accept"] == "application/health+json"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (DRAINING, Unhealthy),
        (NO_WORKER, Overloaded),
        ((404, b"{}"), NotFound),
        ("reset", ConnectionFailed),
        (OK, UnexpectedAnswer),
    ],
)
def test_a_server_that_is_not_ready_is_asked_once(
    case: Case, pauses: list[float], answer: Answer, kind: type[SentimentError]
) -> None:
    with case.connected(answer, READY) as (server, client), pytest.raises(kind):
        client.ready()
    assert len(server.requests) == 1
    assert pauses == []


def test_waiting_lasts_until_the_server_is_ready(case: Case, pauses: list[float]) -> None:
    with case.connected(DRAINING, NO_WORKER, READY) as (server, client):
        assert client.ready(wait=60).version == "1.0"
    assert len(server.requests) == 3
    assert len(pauses) == 2


def test_waiting_ends(case: Case) -> None:
    with case.connected(DRAINING) as (server, client), pytest.raises(Unhealthy, match="draining"):
        client.ready(wait=1.2)
    assert len(server.requests) > 1
    started = time.monotonic()
    with case.connected("silence") as (_, client), pytest.raises(TimedOut):
        client.ready(wait=0.6)  # and not for the client's timeout, which is 60 seconds
    assert time.monotonic() - started < 20


def test_the_command_is_a_probe(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(READY, DRAINING, READY) as server:
        command = ["ready", "--address", server.address]
        assert main(command) == 0
        assert capsys.readouterr().out == "sentiment 1.0 is ready (int8)\n"
        assert main(command) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err == "sentiment: The server is draining. (HTTP 503)\n"
        assert main([*command, "--json"]) == 0
        fields = {"model": "sentiment", "version": "1.0", "engine": "int8", "worker": 7}
        assert json.loads(capsys.readouterr().out) == fields
    assert main(["ready", "--address", f"127.0.0.1:{free_port()}"]) == 1
    assert "is the server up?" in capsys.readouterr().err


def test_the_command_waits(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(DRAINING, READY) as server:
        assert main(["ready", "--address", server.address, "--wait", "30"]) == 0
    assert "is ready" in capsys.readouterr().out
