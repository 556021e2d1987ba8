"""Every dialect, with a body and an answer, and one body that it refuses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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
