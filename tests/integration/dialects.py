"""Every dialect, with a body and an answer, and one body that it refuses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def tensor(texts: list[str]) -> dict[str, object]:
    return {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}


def best(ranking: list[dict[str, Any]]) -> str:
    return str(ranking[0]["label"])


def highest(scores: dict[str, float]) -> str:
    return max(scores, key=scores.__getitem__).upper()


@dataclass(frozen=True)
class Dialect:
    """The route, a function from texts to a body, and one from an answer to its labels.

    `bad` is a body that is refused with `status` and an error that contains `says`, and has
    `error_fields`.
    """

    route: str
    body: Callable[[list[str]], Any]
    labels: Callable[[Any], list[str]]
    bad: Any
    status: int
    says: str
    many: bool = True
    error_fields: frozenset[str] = frozenset({"error", "error_type"})
    content_type: str = "application/json"


NATIVE, TEI, SAGEMAKER = "/predictions/sentiment", "/sentiment/predict", "/invocations"
BASE = "/predictions/sentiment/1.0"
OWN_ERROR = frozenset({"error"})
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
    "AWS Comprehend": Dialect(
        NATIVE,
        lambda texts: {"TextList": texts, "LanguageCode": "en"},
        lambda answer: [entry["Sentiment"] for entry in answer["ResultList"]],
        {"Text": "Bonjour", "LanguageCode": "fr"},
        400,
        "UnsupportedLanguageException",
        error_fields=frozenset({"__type", "message"}),
        content_type="application/x-amz-json-1.1",
    ),
    "OpenAI": Dialect(
        f"{BASE}/moderations",
        lambda texts: {"input": texts},
        lambda answer: [highest(result["category_scores"]) for result in answer["results"]],
        {"input": ["good", " "]},
        400,
        "At index 1",
        error_fields=OWN_ERROR,
    ),
    "Azure": Dialect(
        f"{BASE}/text/analytics/v3.1/sentiment",
        lambda texts: {"documents": [{"id": str(i), "text": t} for i, t in enumerate(texts)]},
        lambda answer: [highest(entry["confidenceScores"]) for entry in answer["documents"]],
        {"documents": [{"id": "1", "text": "good"}] * 2},
        400,
        "the same id",
        error_fields=OWN_ERROR,
    ),
    "Google": Dialect(
        f"{BASE}/v2/documents:analyzeSentiment",
        lambda texts: {"document": {"type": "PLAIN_TEXT", "content": texts[0]}},
        lambda answer: ["POSITIVE" if answer["documentSentiment"]["score"] > 0 else "NEGATIVE"],
        {"document": {"type": "HTML", "content": "good"}},
        400,
        "INVALID_ARGUMENT",
        many=False,
        error_fields=OWN_ERROR,
    ),
    "vLLM": Dialect(
        f"{BASE}/classify",
        lambda texts: {"input": texts},
        lambda answer: [entry["label"] for entry in answer["data"]],
        {"input": []},
        400,
        "at least one",
        error_fields=OWN_ERROR,
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
