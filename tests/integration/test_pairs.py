"""Pairs and zero-shot labels are scored as in `transformers`, by a model trained on pairs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import requests
import transformers

from scripts.archive.build import build
from scripts.launcher.server import Server
from tests.conftest import running
from tests.integration.fuzzing import fuzz
from tests.zoo import ZOO
from tests.zoo_packaging import make

# For the engine, which may be of lower precision than the pipeline.
TOLERANCE = 0.05
TEXT, OTHER = "A gripping, beautifully shot film.", "The food was cold."
# Generated cases per operation, in addition to those that cover its schema.
EXAMPLES = 40
LABELS = ["film", "food", "sports"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (kind,) = (kind for kind in ZOO if kind.name == "BERT, pairs of texts")
    return make(kind, tmp_path_factory.mktemp("saved"))


@pytest.fixture(scope="module")
def inference_server(
    checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    archive = tmp_path_factory.mktemp("store") / "sentiment.mar"
    # `build` itself compares every score with transformers' pipeline.
    assert build(str(checkpoint), archive) == ["contradiction", "neutral", "entailment"]
    with running(archive, tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def address(inference_server: Server) -> str:
    return inference_server.properties.inference


def pipeline(task: Any, checkpoint: Path) -> Any:
    return transformers.pipeline(task, model=str(checkpoint), device="cpu", dtype="float32")


def by_label(ranking: Any) -> dict[str, Any]:
    """Scores by label, each equal to any score within the tolerance."""
    return {entry["label"]: pytest.approx(entry["score"], abs=TOLERANCE) for entry in ranking}


def post(url: str, body: object) -> Any:
    response = requests.post(url, json=body, timeout=30)
    assert response.status_code == 200, response.text
    return response.json()


def test_pairs_are_scored_as_in_the_pipeline(address: str, checkpoint: Path) -> None:
    pairs = [{"text": TEXT, "text_pair": OTHER}, {"text": OTHER, "text_pair": TEXT}]
    expected = [
        by_label(each) for each in pipeline("text-classification", checkpoint)(pairs, top_k=None)
    ]
    assert expected[0] != by_label([{"label": k, "score": 1 / 3} for k in expected[0]])
    hub = post(f"{address}/predictions/sentiment", {"inputs": pairs})
    tei = post(
        f"{address}/sentiment/predict",
        {"inputs": [[pair["text"], pair["text_pair"]] for pair in pairs]},
    )
    for answers in (hub, tei):
        scores = [{entry["label"]: entry["score"] for entry in answer} for answer in answers]
        assert scores == expected
    one = post(f"{address}/predictions/sentiment", {"inputs": pairs[0]})
    assert {entry["label"]: entry["score"] for entry in one[0]} == expected[0]


@pytest.mark.parametrize("multi_label", [False, True])
def test_hugging_faces_client_gets_the_labels_of_its_request(
    address: str, checkpoint: Path, multi_label: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The build, whose modules this process has imported, switches the hub's library off.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    expected = pipeline("zero-shot-classification", checkpoint)(
        TEXT, LABELS, multi_label=multi_label
    )
    client = huggingface_hub.InferenceClient(model=f"{address}/predictions/sentiment")
    ranking = client.zero_shot_classification(TEXT, LABELS, multi_label=multi_label)
    scores = [entry.score for entry in ranking]
    assert scores == sorted(scores, reverse=True)
    assert {entry.label: entry.score for entry in ranking} == {
        label: pytest.approx(score, abs=TOLERANCE)
        for label, score in zip(expected["labels"], expected["scores"], strict=True)
    }


def test_sagemaker_gets_what_the_pipeline_returns(address: str, checkpoint: Path) -> None:
    expected = pipeline("zero-shot-classification", checkpoint)([TEXT, OTHER], LABELS)
    body = {"inputs": [TEXT, OTHER], "parameters": {"candidate_labels": LABELS}}
    answers = post(f"{address}/invocations", body)
    assert [answer["sequence"] for answer in answers] == [TEXT, OTHER]
    for answer, wanted in zip(answers, expected, strict=True):
        assert dict(zip(answer["labels"], answer["scores"], strict=True)) == {
            label: pytest.approx(score, abs=TOLERANCE)
            for label, score in zip(wanted["labels"], wanted["scores"], strict=True)
        }


def test_generated_requests_are_answered_as_the_document_says(address: str) -> None:
    paths = ("/predictions/sentiment", "/invocations", "/sentiment/predict")
    options = [option for path in paths for option in ("--include-path", path)]
    fuzz(address, "schemathesis_pairs.toml", EXAMPLES, *options)
    assert (
        "candidate_labels"
        in requests.get(f"{address}/predictions/sentiment/1.0/openapi.json", timeout=10).text
    )


def test_a_limit_without_room_for_two_texts_is_refused(address: str) -> None:
    body = {"inputs": {"text": TEXT, "text_pair": OTHER}, "parameters": {"max_length": 3}}
    response = requests.post(f"{address}/predictions/sentiment", json=body, timeout=30)
    assert response.status_code == 422
    assert '"max_length" must be at least 4' in response.json()["error"]


def test_single_texts_and_pairs_share_a_batch(address: str) -> None:
    url = f"{address}/predictions/sentiment"
    pair = {"text": TEXT, "text_pair": OTHER}
    alone = [post(url, {"inputs": value})[0] for value in (TEXT, pair, OTHER)]
    together = post(url, {"inputs": [TEXT, pair, OTHER]})
    assert [by_label(answer) for answer in alone] == [
        {entry["label"]: entry["score"] for entry in answer} for answer in together
    ]
    assert alone[0] != alone[1]
