"""The gRPC client against the real server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.launcher.server import Server
from sentiment_client import (
    GrpcSentimentClient,
    Malformed,
    ManagementClient,
    NotFound,
    Overloaded,
    Prediction,
    SentimentClient,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unhealthy,
    Validation,
)
from tests.conftest import running
from tests.integration.texts import TEXTS


def over_grpc(server: Server, **options: Any) -> GrpcSentimentClient:
    host, port = server.properties.ports()["grpc_inference_port"]
    return GrpcSentimentClient(f"{host}:{port}", **options)


@pytest.fixture
def grpc_client(server: Server) -> Iterator[GrpcSentimentClient]:
    with over_grpc(server) as client:
        yield client


def test_it_answers_as_the_other_client_does(
    grpc_client: GrpcSentimentClient, client: SentimentClient
) -> None:
    assert grpc_client.predict(TEXTS[0]) == client.predict(TEXTS[0])
    texts = [TEXTS[i % len(TEXTS)] for i in range(150)]
    ours, theirs = (each.predict_many(texts) for each in (grpc_client, client))
    assert [getattr(r, "label", r) for r in ours] == [getattr(r, "label", None) for r in theirs]


def test_a_bad_text_among_many_is_returned_as_its_error(grpc_client: GrpcSentimentClient) -> None:
    results = grpc_client.predict_many(
        ["Great!", " ", "x" * 50_001, "\ud800", "x" * 300_000, "Awful."]
    )
    kinds = [Prediction, Validation, TooLarge, Malformed, TooLarge, Prediction]
    assert [type(result) for result in results] == kinds


def test_each_mistake_has_its_exception(grpc_client: GrpcSentimentClient, server: Server) -> None:
    with pytest.raises(Validation, match="blank") as caught:
        grpc_client.predict("")
    assert caught.value.status == 422
    with pytest.raises(TooLarge, match="50,001 characters"):
        grpc_client.predict("x" * 50_001)
    with pytest.raises(TooLarge, match="max_request_size"):
        grpc_client.predict("x" * 5_000_000)
    with pytest.raises(Malformed, match="surrogate"):
        grpc_client.predict("\ud800")
    for options in ({"model": "nonesuch"}, {"version": "9.9"}):
        with over_grpc(server, **options) as other, pytest.raises(NotFound):
            other.predict("good")
    with over_grpc(server, version="1.0") as other:
        assert other.predict("Great!").label == "POSITIVE"
    with over_grpc(server, timeout=0.0001, retries=0) as hasty, pytest.raises(TimedOut):
        hasty.predict("good")


def test_without_workers_requests_are_refused(server: Server, management: ManagementClient) -> None:
    management.scale(0)
    try:
        with over_grpc(server, retries=0) as impatient, pytest.raises(Overloaded):
            impatient.predict("good")
        both = over_grpc(server, retries=0, management=server.properties.management)
        with both as knowing, pytest.raises(Unhealthy):
            knowing.predict("good")
    finally:
        management.scale(1)


def test_a_token_is_asked_for_and_sent(archive: Path, tmp_path: Path) -> None:
    with running(archive, tmp_path, disable_token_authorization="false") as server:
        with over_grpc(server) as stranger, pytest.raises(Unauthorized):
            stranger.predict("good")
        with over_grpc(server, token="wrong") as stranger, pytest.raises(Unauthorized):
            stranger.predict("good")
        with over_grpc(server, token_file=server.key_file) as known:
            assert known.predict("Great!").label == "POSITIVE"
