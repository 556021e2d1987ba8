"""Requests in all dialects share batches, and each gets its own answer; one in ten is bad."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import grpc
import pytest
import requests

from scripts.launcher.server import Server
from sentiment_client import SentimentClient
from sentiment_client._grpc_messages import METHOD, PredictionResponse, PredictionsRequest
from tests.integration.dialects import DIALECTS, Dialect
from tests.integration.load import Counters, counted, held_up, together
from tests.integration.texts import TEXTS

Send = Callable[[Dialect, Any], tuple[int, Any]]  # a dialect and a body -> status and answer


@pytest.fixture
def send(server: Server) -> Iterator[Send]:
    _, port = server.properties.ports()["grpc_inference_port"]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        predictions = channel.unary_unary(
            METHOD,
            request_serializer=PredictionsRequest.SerializeToString,
            response_deserializer=PredictionResponse.FromString,
        )

        def send_request(dialect: Dialect, value: Any) -> tuple[int, Any]:
            data = json.dumps(value).encode()
            if dialect.route == "grpc":
                request = PredictionsRequest(model_name="sentiment", input={"data": data})
                return 200, json.loads(predictions(request, timeout=60).prediction)
            headers = {"Content-Type": dialect.content_type}
            address = server.properties.inference + dialect.route
            answer = requests.post(address, data=data, headers=headers, timeout=60)
            return answer.status_code, answer.json()

        yield send_request


@pytest.mark.usefixtures("same_workers")
def test_all_dialects_share_batches_and_a_bad_request_affects_no_other(
    url: str, client: SentimentClient, counters: Counters, send: Send
) -> None:
    alone = {text: client.predict(text).label for text in TEXTS}
    calls: list[Callable[[], tuple[int, Any]]] = []
    requested: list[tuple[Dialect, list[str] | None]] = []  # None for a bad one
    for turn in range(20):
        for number, dialect in enumerate(DIALECTS.values()):
            texts = [TEXTS[turn % len(TEXTS)], TEXTS[(turn + 1) % len(TEXTS)]]
            good = (turn + number) % 10 != 0  # so that each dialect sends a bad one
            calls.append(partial(send, dialect, dialect.body(texts) if good else dialect.bad))
            requested.append((dialect, texts if good else None))
    bad = [dialect for dialect, texts in requested if texts is None]
    assert len(bad) == len(calls) // 10
    assert set(map(id, bad)) == set(map(id, DIALECTS.values()))

    before = counters()
    holding = held_up(url)
    answers = together(calls)
    holding.join()

    for (status, answer), (dialect, scored) in zip(answers, requested, strict=True):
        if scored is None:
            assert status == dialect.status, answer
            assert set(answer) == dialect.error_fields
            assert dialect.says in str(answer)
        else:
            assert status == 200, answer
            right = [alone[text] for text in scored]
            assert dialect.labels(answer) == (right if dialect.many else right[:1])

    # 260 requests fill nine batches of 32; one kept the worker busy, and late ones may need more.
    since = counted(counters, before, len(calls) + 1)
    assert since["sentiment_requests_total"] == len(calls) + 1
    assert since["sentiment_batches_total"] <= 16
