"""Pairs of texts and the labels of a request, in the dialects that have them."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from transformers import AutoTokenizer

from scripts.paths import ROOT
from sentiment.errors import Malformed, RequestError, TooLarge, Validation
from sentiment.inference.options import Options
from sentiment.inference.pairs import Truncation, lengths
from sentiment.inference.prediction import Prediction
from sentiment.inference.tokenizer import Tokenizer
from sentiment.inference.tokens import SECOND, Pair
from sentiment.protocol import openapi
from sentiment.protocol.body import Json
from sentiment.protocol.dialects import dialect_of
from sentiment.protocol.request import Request
from sentiment.protocol.response import ok
from sentiment.protocol.route import Route
from sentiment.served_model import ServedModel
from tests.checkpoints import MODEL as CHECKPOINT
from tests.unit.test_dialects import SERVICE

PREDICTIONS, _, INVOCATIONS, GRPC = Route
MODEL = ServedModel(
    "nli",
    "1.0",
    ("contradiction", "neutral", "entailment"),
    msgspec.structs.replace(SERVICE.settings, max_texts_per_request=6, max_chars_per_text=40),
    min_tokens=3,
    takes_pairs=True,
)
PAIR = {"text": "a", "text_pair": "b"}


def decode(value: object, route: Route = PREDICTIONS, model: ServedModel = MODEL) -> Request:
    return dialect_of(route, Json(value)).decode(Json(value), model)


def answer(value: object, logits: list[list[float]], route: Route = PREDICTIONS) -> Any:
    """The answer if the pairs have these logits, in the order of the labels."""
    dialect = dialect_of(route, Json(value))
    request = dialect.decode(Json(value), MODEL)
    results: list[Prediction | RequestError] = [
        Prediction("neutral", 0.0, dict(zip(MODEL.labels, row, strict=True)), tokens=3)
        for row in logits
    ]
    assert len(results) == len(request.texts)
    return json.loads(ok(dialect.encode(request, results, MODEL)).body)


def zero_shot(inputs: object, labels: object, **parameters: object) -> dict[str, object]:
    return {"inputs": inputs, "parameters": {"candidate_labels": labels, **parameters}}


@pytest.mark.parametrize(
    ("route", "inputs", "texts"),
    [
        (PREDICTIONS, PAIR, [Pair("a", "b")]),
        (PREDICTIONS, [PAIR, "c"], [Pair("a", "b"), "c"]),
        (INVOCATIONS, PAIR, [Pair("a", "b")]),
        (INVOCATIONS, [PAIR, PAIR], [Pair("a", "b")] * 2),
        (INVOCATIONS, [["a", "b"], ["c"], "d"], [Pair("a", "b"), "c", "d"]),
        (INVOCATIONS, ["a", "b"], ["a", "b"]),
        (GRPC, [["a", "b"]], [Pair("a", "b")]),
    ],
)
def test_pairs_are_decoded(route: Route, inputs: object, texts: list[object]) -> None:
    assert decode({"inputs": inputs}, route).texts == texts


@pytest.mark.parametrize(
    ("inputs", "error"),
    [
        ({"text": "a", "text_pair": " "}, "The text is blank"),
        ({"text": 3, "text_pair": "b"}, "must be a string, not a number"),
        ({"text": "a"}, 'the fields "text" and "text_pair"'),
        ({"text": "a", "text_pair": "b", "x": 1}, 'the fields "text" and "text_pair"'),
        (["a", {"text": "a" * 41, "text_pair": "b"}], "At index 1: The text has 41 characters"),
        ([["a", "b", "c"]], "At index 0: There are 3 texts in one list"),
        ([[]], "At index 0: There is no text in a list"),
    ],
)
def test_a_bad_pair_is_refused_with_its_place(inputs: object, error: str) -> None:
    route = INVOCATIONS if isinstance(inputs, list) and isinstance(inputs[0], list) else PREDICTIONS
    with pytest.raises(RequestError) as caught:
        decode({"inputs": inputs}, route)
    assert error in caught.value.message


@pytest.mark.parametrize(
    ("route", "value"),
    [
        (PREDICTIONS, {"inputs": PAIR}),
        (INVOCATIONS, {"inputs": [["a", "b"]]}),
    ],
)
def test_a_model_for_single_texts_refuses_pairs(route: Route, value: object) -> None:
    with pytest.raises(Validation, match="single texts, not pairs"):
        decode(value, route, SERVICE)


def test_a_model_without_entailment_refuses_labels() -> None:
    with pytest.raises(Validation, match="natural language inference"):
        decode(zero_shot("a", ["x", "y"]), PREDICTIONS, SERVICE)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("truncation", ["longest_first", "only_first", "only_second"])
def test_a_long_pair_is_truncated_as_in_transformers(
    truncation: Truncation, side: str, tmp_path: Path
) -> None:
    shutil.copy(CHECKPOINT / "tokenizer.json", tmp_path)
    settings = json.loads((CHECKPOINT / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["truncation_side"] = side
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    reference = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer = Tokenizer(tmp_path, 16, 8, takes_pairs=True, token_types=True)
    assert tokenizer.min_tokens == 4
    compared = 0
    for first, second, limit in product((1, 2, 5, 8, 30), (1, 2, 5, 8, 30), (4, 5, 6, 11, 16)):
        excess = first + second + 3 - limit
        if {"only_first": first, "only_second": second}.get(truncation, excess + 1) <= excess:
            continue  # transformers fails
        texts = " ".join(map(str, range(first))), " ".join(map(str, range(20, 20 + second)))
        (tokens,) = tokenizer([Pair(*texts)], [Options(max_tokens=limit, truncation=truncation)])
        expected = reference(
            *texts, truncation=truncation, max_length=limit, return_token_type_ids=True
        )
        assert (tokens.ids % SECOND).tolist() == expected["input_ids"]
        assert (tokens.ids // SECOND).tolist() == expected["token_type_ids"]
        assert (len(tokens.windows), tokens.truncated) == (1, excess > 0)
        compared += 1
    assert compared > 25


def test_a_text_that_cannot_be_cut_alone_is_cut_with_the_other() -> None:
    assert lengths(2, 9, 6, "only_first") == (2, 4)
    assert lengths(9, 2, 6, "only_second") == (4, 2)


def test_a_text_of_many_pairs_is_tokenized_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = Tokenizer(CHECKPOINT, 16, takes_pairs=True)
    encoded: list[str] = []
    encode = tokenizer._encode

    def watched(texts: list[str], **options: bool) -> Any:
        encoded.extend(texts)
        return encode(texts, **options)

    monkeypatch.setattr(tokenizer, "_encode", watched)
    tokenizer([Pair("a text", label) for label in ("one", "two", "three")])
    assert encoded == ["a text", "one", "two", "three"]


def test_two_long_texts_take_no_more_memory_than_their_tokens() -> None:
    """With the library's own truncation, it would be three gigabytes."""
    script = f"""
import resource
from pathlib import Path
from sentiment.inference.options import Options
from sentiment.inference.tokenizer import Tokenizer
from sentiment.inference.tokens import Pair
tokenizer = Tokenizer(Path({str(CHECKPOINT)!r}), 512, 16, takes_pairs=True)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
tokens = tokenizer([Pair("!" * 25_000, "!" * 25_000)] * 2, [Options(), Options(max_tokens=64)])
print([len(each.ids) for each in tokens])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(ROOT / "handler")},
        capture_output=True,
        text=True,
        check=True,
    )
    kept, kilobytes = done.stdout.splitlines()
    assert kept == "[512, 64]"
    assert int(kilobytes) < 200_000


def test_each_label_makes_a_pair_with_each_text() -> None:
    request = decode(zero_shot(["a", "b"], " x, y ,", hypothesis_template="About {}!"))
    assert request.texts == [
        *(Pair("a", "About x!"), Pair("a", "About y!")),
        *(Pair("b", "About x!"), Pair("b", "About y!")),
    ]
    assert request.options == Options("none", truncation="only_first")


@pytest.mark.parametrize(
    ("given", "used"),
    [("only_first", "only_first"), (True, "longest_first"), (None, "longest_first")],
)
def test_a_call_may_name_the_text_that_is_cut(given: object, used: str) -> None:
    request = decode({"inputs": PAIR, "parameters": {"truncation": given}})
    assert request.options.truncation == used


def test_scores_of_labels_add_up_to_1_best_first() -> None:
    ranking = answer(zero_shot("a", ["x", "y"]), [[0, 0, 1.0], [9, 9, 2.0]])
    assert ranking == [
        {"label": "y", "score": pytest.approx(0.731059)},
        {"label": "x", "score": pytest.approx(0.268941)},
    ]


@pytest.mark.parametrize("labels", [["x"], ["x", "y"]])
def test_independent_labels_are_entailed_or_contradicted(labels: list[str]) -> None:
    value = zero_shot("a", labels, multi_label=len(labels) > 1)
    ranking = answer(value, [[1.0, 7, 2.0]] * len(labels))
    expected = [{"label": label, "score": pytest.approx(0.731059)} for label in labels]
    assert ranking == expected


def test_the_pipeline_has_one_object_per_text() -> None:
    value = zero_shot(["a", "b"], ["x", "y"])
    logits = [[0, 0, 1.0], [0, 0, 2.0], [0, 0, 2.0], [0, 0, 1.0]]
    first, second = answer(value, logits, INVOCATIONS)
    assert first == {
        "sequence": "a",
        "labels": ["y", "x"],
        "scores": [pytest.approx(0.731059), pytest.approx(0.268941)],
    }
    assert (second["sequence"], second["labels"]) == ("b", ["x", "y"])


@pytest.mark.parametrize(
    ("value", "kind", "error"),
    [
        (zero_shot("a", []), Validation, "no label in candidate_labels"),
        (zero_shot("a", " , "), Validation, "no label in candidate_labels"),
        (zero_shot("a", [1]), Validation, "Expected a string"),
        (zero_shot("a", ["x", " "]), Validation, "is blank"),
        (zero_shot("a", ["x"], hypothesis_template=""), Validation, "needs one {}"),
        (zero_shot("a", ["x"], hypothesis_template="no place"), Validation, "needs one {}"),
        (zero_shot("a", ["x"], hypothesis_template="{} {}"), Validation, "needs one {}"),
        (zero_shot("a", ["x"], hypothesis_template="{0.__class__}"), Validation, "needs one {}"),
        (zero_shot("a", ["x"], hypothesis_template="{x} {}"), Validation, "no other braces"),
        (zero_shot("a", ["x"], hypothesis_template="{{}}"), Validation, "no other braces"),
        (zero_shot("a", ["x" * 41]), TooLarge, "hypotheses of all labels have 58 characters"),
        (zero_shot("a", ["x", "y", "z"]), TooLarge, "hypotheses of all labels have 54 characters"),
        (zero_shot("a", ["\ud800"]), Malformed, "A label in its hypothesis cannot be scored."),
        (zero_shot("a", list("1234567")), TooLarge, "7 in all; the most in one request is 6"),
        (zero_shot("a", ["x"], top_k=1), Validation, 'no field named "top_k"'),
        (zero_shot(["a", " "], ["x"]), Validation, "At index 1"),
    ],
)
def test_bad_labels_are_refused(value: object, kind: type[RequestError], error: str) -> None:
    with pytest.raises(kind) as caught:
        decode(value)
    assert error in caught.value.message


def test_a_template_may_be_null() -> None:
    request = decode(zero_shot("a", ["x"], hypothesis_template=None))
    assert request.texts == [Pair("a", "This example is x.")]


def test_a_query_is_refused_as_without_labels() -> None:
    body = Json(zero_shot("a", ["x"]), {"top_k": "1"})
    with pytest.raises(Validation, match='unknown parameter, "top_k"'):
        dialect_of(INVOCATIONS, body).decode(body, MODEL)


def test_a_model_of_inference_that_was_packaged_for_single_texts_says_so() -> None:
    single = dataclasses.replace(MODEL, takes_pairs=False)
    with pytest.raises(Validation, match="PAIRS=1"):
        decode(zero_shot("a", ["x"]), model=single)


def test_the_pipeline_answers_a_pair_without_a_list() -> None:
    best = {"label": "neutral", "score": pytest.approx(0.0)}
    assert answer({"inputs": PAIR}, [[0, 0, 0]], INVOCATIONS) == best
    every = answer({"inputs": PAIR, "parameters": {"top_k": 1}}, [[0, 0, 0]], INVOCATIONS)
    assert isinstance(every, list)
    assert answer({"inputs": [PAIR]}, [[0, 0, 0]], INVOCATIONS) == [best]


def test_the_document_shows_pairs_and_labels_only_for_a_model_that_takes_them() -> None:
    for model, expected in ((MODEL, True), (SERVICE, False)):
        document = openapi.render(model)
        for word in ("text_pair", "candidate_labels"):
            assert (word in document) == expected
        assert "x-pairs" not in document
