"""The gRPC client where a server fails in ways that a real one cannot be made to."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from sentiment_client import (
    BackendFailed,
    ConnectionFailed,
    GrpcSentimentClient,
    Malformed,
    Overloaded,
    SentimentError,
    TimedOut,
    Unauthorized,
    UnexpectedAnswer,
    _retries,
)
from sentiment_client._grpc_messages import METHOD, PredictionResponse, PredictionsRequest
from tests.unit.scripted_server import free_port
from tests.unit.test_client import ANSWER, PREDICTION, error

OK = json.dumps(ANSWER).encode()
Step = bytes | tuple[grpc.StatusCode, str]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_retries, "BACKOFF", 0.001)


@dataclass
class Scripted(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Answers each request by the next step, and the last one for ever."""

    steps: list[Step]
    requests: list[bytes] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    arrived: Callable[[], object] = lambda: None

    def service(self, details: Any) -> Any:
        assert details.method == METHOD
        self.tokens += [
            value for key, value in details.invocation_metadata if key == "authorization"
        ]
        return grpc.unary_unary_rpc_method_handler(
            self.answer,
            request_deserializer=PredictionsRequest.FromString,
            response_serializer=PredictionResponse.SerializeToString,
        )

    def answer(self, request: Any, context: Any) -> Any:
        self.requests.append(request.input["data"])
        self.arrived()
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, tuple):
            context.abort(*step)
        return PredictionResponse(prediction=step)


@contextmanager
def scripted(*steps: Step) -> Iterator[tuple[str, Scripted]]:
    handler = Scripted(list(steps))
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, handlers=(handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}", handler
        finally:
            server.stop(None).wait()


NO_WORKER = (grpc.StatusCode.INTERNAL, 'Model "sentiment" has no worker to serve.\nX.()')


@pytest.mark.parametrize(
    "failure",
    [
        (grpc.StatusCode.UNAVAILABLE, "reset"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Worker died.\nX"),
        NO_WORKER,
        (grpc.StatusCode.INTERNAL, "Worker died.\nX"),
        (grpc.StatusCode.UNAVAILABLE, "Prediction failed\nX"),
        error("Overloaded"),
    ],
)
def test_what_passes_is_tried_again(failure: Step) -> None:
    with scripted(failure, failure, OK) as (address, server):
        with GrpcSentimentClient(address) as client:
            assert client.predict("good") == PREDICTION
    assert server.requests == [b'{"text": "good"}'] * 3


@pytest.mark.parametrize(
    ("failure", "tries", "kind"),
    [
        (NO_WORKER, 6, Overloaded),
        ((grpc.StatusCode.UNAVAILABLE, "x"), 6, ConnectionFailed),
        ((grpc.StatusCode.RESOURCE_EXHAUSTED, "Worker died."), 6, BackendFailed),
        ((grpc.StatusCode.DEADLINE_EXCEEDED, "x"), 2, TimedOut),
        ((grpc.StatusCode.PERMISSION_DENIED, "x"), 1, Unauthorized),
        ((grpc.StatusCode.UNIMPLEMENTED, "x"), 1, UnexpectedAnswer),
        ((grpc.StatusCode.UNAVAILABLE, "Prediction failed\nX"), 6, Overloaded),
        ((grpc.StatusCode.INVALID_ARGUMENT, "x"), 1, Malformed),
        ((grpc.StatusCode.UNKNOWN, "x"), 1, BackendFailed),
        (error("Backend"), 1, BackendFailed),
        (error("Validation"), 1, SentimentError),
        (b"<html>", 1, UnexpectedAnswer),
        (b"[]", 1, UnexpectedAnswer),
    ],
)
def test_retries_are_bounded(failure: Step, tries: int, kind: type[SentimentError]) -> None:
    with scripted(failure) as (address, server):
        with GrpcSentimentClient(address) as client, pytest.raises(kind):
            client.predict("good")
        assert len(server.requests) == tries
        with GrpcSentimentClient(address, retries=0) as client, pytest.raises(kind):
            client.predict("good")
        assert len(server.requests) == tries + 1


def test_a_token_is_sent() -> None:
    with scripted(OK) as (address, server), GrpcSentimentClient(address, token="abc") as client:
        client.predict("good")
    assert server.tokens == ["Bearer abc"]


def test_the_token_is_read_for_each_try(tmp_path: Path) -> None:
    keys = tmp_path / "key_file.json"
    keys.write_text('{"inference": {"key": "old"}}')
    with scripted((grpc.StatusCode.PERMISSION_DENIED, "expired"), OK) as (address, server):
        server.arrived = lambda: keys.write_text('{"inference": {"key": "new"}}')
        with GrpcSentimentClient(address, token_file=keys) as client:
            assert client.predict("good") == PREDICTION
    assert server.tokens == ["Bearer old", "Bearer new"]


def test_closing_a_client_ends_its_calls_and_says_so() -> None:
    with scripted(OK) as (address, server):
        client = GrpcSentimentClient(address)
        server.arrived = client.close
        for _ in ("during", "after"):
            with pytest.raises(RuntimeError, match="client is closed"):
                client.predict("good")
        assert len(server.requests) == 1


def test_no_server_at_all() -> None:
    with GrpcSentimentClient(f"127.0.0.1:{free_port()}") as client:
        with pytest.raises(ConnectionFailed, match="is the server up"):
            client.predict("good")
