"""Answers have the scores and shapes of `transformers`' text-classification pipeline."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from sentiment.batch import Batch, Exchange
from sentiment.inference.classifier import Classifier
from sentiment.protocol.get_routes import GetRoutes
from sentiment.protocol.route import Route
from sentiment.served_model import ServedModel
from sentiment.settings import Settings
from tests.checkpoints import MODEL, checkpoint

CONFIG = MODEL.parent / "handler" / "model-config.yaml"
JSON = {"content-type": "application/json"}
HEADERS = {
    Route.PREDICTIONS: JSON | {"url_path": "", "explain": "False"},
    Route.INVOCATIONS: JSON,
}
TEXTS = [
    "A gripping, beautifully shot film.",
    "Dull.",
    "I wanted to love it, but the plot makes no sense and the acting is wooden. " * 8,
]
KINDS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "three labels": {"id2label": {0: "sad", 1: "so-so", 2: "glad"}},
    "one logit": {"num_labels": 1},
    "regression": {"num_labels": 1, "problem_type": "regression"},
    "multi-label": {"num_labels": 4, "problem_type": "multi_label_classification"},
}


class Sides:
    """One checkpoint, loaded by our classifier and by the pipeline."""

    def __init__(self, folder: Path) -> None:
        from transformers import pipeline

        settings = Settings.from_yaml(yaml.safe_load(CONFIG.read_text()))
        self._classifier = Classifier(folder, max_tokens=64, tokens_per_microbatch=256, threads=2)
        self._classifier.temperature = 1.0  # the pipeline knows no calibration
        self._model = ServedModel("sentiment", "1.0", self._classifier.labels, settings, 3)
        self._pipeline: Any = pipeline(
            "text-classification", model=str(folder), dtype="float32", device="cpu"
        )

    def ours(self, route: Route, value: object) -> Any:
        exchange = Exchange("id", {"body": json.dumps(value).encode()}, HEADERS[route])
        batch = Batch([exchange], self._model)
        batch.decode(GetRoutes(self._model, {}))
        batch.score(self._classifier)
        batch.encode()
        assert exchange.response is not None
        assert exchange.response.status == 200, exchange.response.body
        return json.loads(exchange.response.body)

    def theirs(self, texts: str | list[str], **parameters: Any) -> Any:
        return self._pipeline(texts, **({"truncation": True, "max_length": 64} | parameters))


@pytest.fixture(scope="module", params=KINDS)
def sides(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sides:
    if request.param == "default":
        return Sides(MODEL)
    return Sides(checkpoint(tmp_path_factory.mktemp("checkpoint"), **KINDS[request.param]))


def same(ours: Any, theirs: Any) -> None:
    """Equal in shape and labels, with scores within 1e-4."""
    if isinstance(theirs, list):
        assert isinstance(ours, list)
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            same(mine, other)
    else:
        assert ours["label"] == theirs["label"]
        assert ours["score"] == pytest.approx(theirs["score"], abs=1e-4)


@pytest.mark.parametrize("function", [None, "softmax", "sigmoid", "none"])
def test_each_activation_computes_the_pipelines_scores(sides: Sides, function: str | None) -> None:
    parameters = {} if function is None else {"function_to_apply": function}
    ours = sides.ours(Route.PREDICTIONS, {"inputs": TEXTS, "parameters": parameters})
    same(ours, sides.theirs(TEXTS, top_k=None, **parameters))


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1], TEXTS[0]], ids=["list", "list of one", "text"])
@pytest.mark.parametrize("parameters", [{}, {"top_k": 1}, {"top_k": 2}, {"top_k": None}], ids=str)
def test_sagemakers_answer_is_what_the_pipeline_returns(
    sides: Sides, texts: str | list[str], parameters: dict[str, Any]
) -> None:
    ours = sides.ours(Route.INVOCATIONS, {"inputs": texts, "parameters": parameters})
    same(ours, sides.theirs(texts, **parameters))


def test_raw_scores_are_the_logits(sides: Sides) -> None:
    ours = sides.ours(Route.INVOCATIONS, {"inputs": TEXTS, "raw_scores": True})
    same(ours, sides.theirs(TEXTS, top_k=None, function_to_apply="none"))


@pytest.mark.parametrize("max_length", [3, 9, 64, 1000])
def test_max_length_truncates_as_in_the_pipeline(sides: Sides, max_length: int) -> None:
    texts = [*TEXTS, "Dull at first, then moving. " * 20]
    parameters = {"max_length": max_length, "truncation": True, "top_k": None}
    ours = sides.ours(Route.PREDICTIONS, {"inputs": texts, "parameters": parameters})
    same(ours, sides.theirs(texts, **(parameters | {"max_length": min(max_length, 64)})))
