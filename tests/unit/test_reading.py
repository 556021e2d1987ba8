"""The options of a native request: labels, threshold, sentences and words."""

from typing import Any

import pytest

from sentiment.errors import RequestError, Validation
from sentiment.inference.options import Options
from sentiment.inference.prediction import Prediction, Sentence, Word
from sentiment.protocol.body import Json
from sentiment.protocol.dialects import dialect_of
from sentiment.protocol.request import Request
from sentiment.protocol.response import ok
from tests.unit.test_dialects import GOOD, PREDICTIONS, SERVICE, decode

BAD = Prediction("NEGATIVE", 0.9, {"NEGATIVE": 0.9, "POSITIVE": 0.1}, tokens=3)
# Not clear enough to count.
FAINT = Prediction("POSITIVE", 0.45, {"NEGATIVE": 0.2, "NEUTRAL": 0.35, "POSITIVE": 0.45}, tokens=3)
KEYS = [{"text": "a"}, {"texts": ["a"]}]


def options(fields: dict[str, Any], key: dict[str, Any]) -> Options:
    request: Request = decode(Json(key | fields), PREDICTIONS)
    return request.options


def answer(fields: dict[str, Any], prediction: Prediction) -> Any:
    body = Json({"text": "a"} | fields)
    dialect = dialect_of(PREDICTIONS, body)
    return dialect.encode(decode(body, PREDICTIONS), [prediction], SERVICE)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Options()),
        ({"labels": None, "threshold": None, "detail": None, "explain": None}, Options()),
        ({"labels": ["POSITIVE", "NEGATIVE"]}, Options(labels=("NEGATIVE", "POSITIVE"))),
        ({"labels": ["POSITIVE"]}, Options(labels=("POSITIVE",))),
        ({"detail": "sentences"}, Options(sentences=True)),
        ({"explain": False}, Options()),
        ({"explain": True}, Options(explain_tokens=600)),
    ],
)
def test_fields_become_options(
    key: dict[str, Any], fields: dict[str, Any], expected: Options
) -> None:
    assert options(fields, key) == expected


def test_the_texts_of_a_request_share_its_tokens_for_explanations() -> None:
    request = decode(Json({"texts": ["a", "b", "c"], "explain": True}), PREDICTIONS)
    assert request.options.explain_tokens == 200


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"labels": []}, 'Choose "labels" from "NEGATIVE", "POSITIVE"'),
        ({"labels": ["GOOD"]}, 'Choose "labels" from "NEGATIVE", "POSITIVE"'),
        ({"labels": ["POSITIVE", "POSITIVE"]}, "at most once"),
        ({"labels": "POSITIVE"}, '"labels": Expected a list'),
        ({"labels": [1]}, '"labels[0]": Expected a string'),
        ({"threshold": 1.5}, '"threshold"'),
        ({"threshold": "high"}, '"threshold": Expected a number'),
        ({"detail": "words"}, "sentences"),
        ({"explain": 1}, '"explain": Expected a boolean'),
        ({"explian": True}, 'no field named "explian"'),
    ],
)
def test_a_wrong_option_is_explained(
    key: dict[str, Any], fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(Validation) as caught:
        decode(Json(key | fields), PREDICTIONS)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("threshold", "label"),
    [(None, "POSITIVE"), (0.75, "POSITIVE"), (0.76, "UNCERTAIN"), (1, "UNCERTAIN")],
)
def test_a_score_below_the_threshold_is_uncertain(threshold: float | None, label: str) -> None:
    result = answer({"threshold": threshold}, GOOD)
    assert (result.sentiment, result.score) == (label, 0.75)
    assert result.scores == {"NEGATIVE": 0.25, "POSITIVE": 0.75}


def test_the_threshold_holds_for_each_of_many_texts_and_for_sentences() -> None:
    body = Json({"texts": ["a", "b", "c"], "threshold": 0.8, "detail": "sentences"})
    dialect = dialect_of(PREDICTIONS, body)
    parts = (Sentence(0, 1, GOOD), Sentence(1, 2, BAD))
    whole = Prediction("NEGATIVE", 0.85, {"NEGATIVE": 0.85, "POSITIVE": 0.15}, 9, sentences=parts)
    error: RequestError = Validation("blank")
    encoded = dialect.encode(decode(body, PREDICTIONS), [GOOD, whole, error], SERVICE)
    plain, detailed, failed = encoded.results  # type: ignore[attr-defined]
    assert plain.sentiment == "UNCERTAIN"
    assert detailed.sentiment == "NEGATIVE"
    assert [sentence.sentiment for sentence in detailed.sentences] == ["UNCERTAIN", "NEGATIVE"]
    assert failed.error_type == "Validation"


@pytest.mark.parametrize(
    ("sentences", "mixed"),
    [((), False), ((FAINT,), False), ((FAINT, BAD), False), ((BAD, BAD), False)],
)
def test_a_text_is_mixed_only_if_both_signs_are_clear(
    sentences: tuple[Prediction, ...], mixed: bool
) -> None:
    assert mixed_of(sentences) is mixed
    clear = Prediction("POSITIVE", 0.95, {"NEGATIVE": 0.05, "POSITIVE": 0.95}, tokens=3)
    assert mixed_of((*sentences, clear)) is (BAD in sentences)


def mixed_of(sentences: tuple[Prediction, ...]) -> bool:
    parts = tuple(Sentence(i, i + 1, prediction) for i, prediction in enumerate(sentences))
    whole = Prediction("POSITIVE", 0.6, {"NEGATIVE": 0.4, "POSITIVE": 0.6}, 9, sentences=parts)
    return bool(answer({"detail": "sentences"}, whole).mixed)


def test_the_answer_has_no_more_fields_than_were_asked_for() -> None:
    detailed = Prediction(
        "POSITIVE", 0.75, {"POSITIVE": 0.75}, 9, sentences=(), words=(Word(0, 4, 0.123456789),)
    )
    plain = ok(answer({}, GOOD)).body
    assert not any(name in plain for name in (b"mixed", b"sentences", b"words"))
    assert ok(answer({}, detailed)).body.endswith(
        b'"truncated": false, "mixed": false, "sentences": [], '
        b'"words": [{"start": 0, "end": 4, "weight": 0.123457}]}'
    )
