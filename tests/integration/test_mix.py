"""Requests in all dialects share batches, and each gets its own answer; one in ten is bad."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import pytest
import requests

from scripts.launcher.server import Server
from sentiment_client import SentimentClient
from sentiment_client._grpc_messages import METHOD, PredictionResponse, PredictionsRequest
from tests.integration.load import Counters, counted, held_up, together
from tests.integration.texts import TEXTS

Send = Callable[[str, Any], tuple[int, Any]]  # a route or "grpc", and a body -> status and answer


def tensor(texts: list[str]) -> dict[str, object]:
    return {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}


def best(ranking: list[dict[str, Any]]) -> str:
    return str(ranking[0]["label"])


@dataclass(frozen=True)
class Dialect:
    """The route, a function from texts to a body, and one from an answer to its labels.

    `bad` is a body that is refused with `status` and an error that contains `says`.
    """

    route: str
    body: Callable[[list[str]], Any]
    labels: Callable[[Any], list[str]]
    bad: Any
    status: int
    says: str
    many: bool = True


NATIVE, TEI, SAGEMAKER = "/predictions/sentiment", "/sentiment/predict", "/invocations"
V1, V2 = "/v1/models/sentiment:predict", "/v2/models/sentiment/infer"
DIALECTS = {
    "one text": Dialect(
        NATIVE,
        lambda texts: {"text": texts[0]},
        lambda answer: [answer["sentiment"]],
        {"text": 3},
        422,
        "Expected a string",
        many=False,
    ),
    "many texts": Dialect(
        NATIVE,
        lambda texts: {"texts": texts},
        lambda answer: [entry["sentiment"] for entry in answer["results"]],
        {"texts": []},
        422,
        "at least one",
    ),
    "Hugging Face": Dialect(
        NATIVE,
        lambda texts: {"inputs": texts, "parameters": {}},
        lambda answer: [best(ranking) for ranking in answer],
        {"inputs": ["good", ""]},
        422,
        "At index 1",
    ),
    "TEI": Dialect(
        TEI,
        lambda texts: {"inputs": texts},
        lambda answer: [best(ranking) for ranking in answer],
        {"inputs": ["good"] * 65},
        413,
        "65 texts",
    ),
    "SageMaker": Dialect(
        SAGEMAKER,
        lambda texts: {"inputs": texts, "parameters": {}},
        lambda answer: [entry["label"] for entry in answer],
        {"inputs": "good", "parameters": {"top_k": 0}},
        422,
        "top_k",
    ),
    "KServe v1": Dialect(
        V1,
        lambda texts: {"instances": texts},
        lambda answer: [entry["label"] for entry in answer["predictions"]],
        {"instances": ["good", "\ud800"]},
        400,
        "At index 1",
    ),
    "KServe v2": Dialect(
        V2,
        lambda texts: {"inputs": [tensor(texts)]},
        lambda answer: list(answer["outputs"][0]["data"]),
        {"inputs": [tensor(["good"]) | {"shape": [2]}]},
        422,
        "make them agree",
    ),
    "gRPC": Dialect(
        "grpc",
        lambda texts: {"texts": texts},
        lambda answer: [entry["sentiment"] for entry in answer["results"]],
        {"text": " "},
        200,  # TorchServe drops the status
        "blank",
    ),
}


@pytest.fixture
def send(server: Server) -> Iterator[Send]:
    _, port = server.properties.ports()["grpc_inference_port"]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        predictions = channel.unary_unary(
            METHOD,
            request_serializer=PredictionsRequest.SerializeToString,
            response_deserializer=PredictionResponse.FromString,
        )

        def send_request(route: str, value: Any) -> tuple[int, Any]:
            data = json.dumps(value).encode()
            if route == "grpc":
                request = PredictionsRequest(model_name="sentiment", input={"data": data})
                return 200, json.loads(predictions(request, timeout=60).prediction)
            headers = {"Content-Type": "application/json"}
            address = server.properties.inference + route
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
        for dialect in DIALECTS.values():
            texts = [TEXTS[turn % len(TEXTS)], TEXTS[(turn + 1) % len(TEXTS)]]
            good = len(calls) % 10 != turn % 10  # so that each dialect sends a bad one
            calls.append(partial(send, dialect.route, dialect.body(texts) if good else dialect.bad))
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
            assert set(answer) == {"error", "error_type"}
            assert dialect.says in answer["error"]
        else:
            assert status == 200, answer
            right = [alone[text] for text in scored]
            assert dialect.labels(answer) == (right if dialect.many else right[:1])

    # 160 requests fill five batches of 32; one kept the worker busy, and late ones may need more.
    since = counted(counters, before, len(calls) + 1)
    assert since["sentiment_requests_total"] == len(calls) + 1
    assert since["sentiment_batches_total"] <= 12
