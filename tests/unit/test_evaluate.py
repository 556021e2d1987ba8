"""The evaluation suite with the default model: scores, reports and targets."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from scripts.failure import Failure
from scripts.paths import MODEL
from sentiment.inference.classifier import Classifier
from sentiment.inference.tokenizer import Tokenizer
from training import evaluate as evaluation
from training.behaviours import BEHAVIOURS, facts, negation_near, typos
from training.cases import Case
from training.data import EvaluationSet
from training.evaluate import SLICES, evaluate, print_targets, with_long_reviews
from training.scaling import softmax
from training.scores import in_order, label_columns, load_classifier, score
from training.targets import TARGETS, Target

PRAISE = [f"A wonderful {word}, I loved it." for word in ("film", "book", "room", "soup", "phone")]
BLAME = [text.replace("wonderful", "terrible").replace("loved", "hated") for text in PRAISE]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier(MODEL, "torch", max_tokens=64, max_windows=16)


def test_scores_are_as_served_with_their_logits(classifier: Classifier) -> None:
    texts = [*PRAISE, *BLAME, "word " * 2_000]
    scores = score(classifier, texts, "texts")
    assert scores.probabilities.shape == (11, len(classifier.labels))
    served = softmax(scores.logits / classifier.temperature)
    np.testing.assert_allclose(scores.probabilities, served, atol=1e-5)
    assert scores.truncated.tolist() == [False] * 10 + [True]
    best = [classifier.labels[number] for number in scores.probabilities.argmax(axis=1)]
    assert best[:10] == ["POSITIVE"] * 5 + ["NEGATIVE"] * 5


@pytest.mark.parametrize(
    ("labels", "columns"),
    [
        (["NEGATIVE", "NEUTRAL", "POSITIVE"], [0, 1, 2]),
        (["positive", "negative"], [1, None, 0]),
        (["Neutral", "Positive", "Negative"], [2, 0, 1]),
    ],
)
def test_labels_are_found_by_name(labels: list[str], columns: list[int | None]) -> None:
    assert label_columns(labels) == columns
    probabilities = np.arange(len(labels), dtype=np.float64)[None]
    expected = [[0 if column is None else column for column in columns]]
    np.testing.assert_array_equal(in_order(probabilities, columns), expected)


@pytest.mark.parametrize(
    "labels", [["LABEL_0", "LABEL_1"], ["NEGATIVE", "NEUTRAL"], ["NEGATIVE", "POSITIVE", "MIXED"]]
)
def test_other_labels_are_refused(labels: list[str]) -> None:
    with pytest.raises(Failure, match="name them NEGATIVE, POSITIVE and"):
        label_columns(labels)


def test_a_report_has_sets_slices_behaviours_and_targets(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def every_tenth(behaviour: Callable[[], list[Case]]) -> Callable[[], list[Case]]:
        return lambda: behaviour()[::10]

    behaviours = {
        "negation near": every_tenth(negation_near),
        "facts": every_tenth(facts),
        "typos": every_tenth(typos),
    }
    monkeypatch.setattr(evaluation, "BEHAVIOURS", behaviours)
    sets = [
        EvaluationSet("sst2-dev", [*PRAISE, *BLAME], [2] * 5 + [0] * 5),
        # One in five has the wrong label, and every text is also in another set.
        EvaluationSet("imdb", [*PRAISE, *BLAME], [2, 2, 2, 2, 0, 0, 0, 0, 0, 2]),
        EvaluationSet("wide/long", ["It was a bad week. " * 60], [0]),
    ]
    report = evaluate(classifier, sets)
    assert report["sets"]["sst2-dev"]["accuracy"] == 1
    assert report["sets"]["imdb"]["accuracy"] == report["sets"]["imdb"]["macro_recall"] == 0.8
    assert report["sets"]["imdb"]["polarity_auc"] < 1
    assert report["sets"]["wide/long"]["polarity_auc"] is None
    # SST-2 is a part of SST-3, and not counted again.
    assert report["slices"]["4 to 15 words"]["texts"] == 10
    assert report["slices"]["over 250 words"]["texts"] == 1
    for name, result in report["behaviours"].items():
        assert result["cases"] == len(behaviours[name]())
        assert 0 <= result["failures"] <= 1
        assert len(result["examples"]) == min(3, round(result["failures"] * result["cases"]))
    print_targets(report)
    printed = capsys.readouterr().out
    for name in ("sst2-dev", "over 250 words", "negation near"):
        assert f"\n{name} " in printed
    assert "sst2-dev: polarity accuracy at least 0.92" in printed
    assert "sst3-test" not in printed


def test_reviews_over_512_tokens_are_a_set_of_their_own() -> None:
    # Two special tokens are added.
    sets = [EvaluationSet("imdb", ["good " * 511, "good " * 510, "bad " * 600], [2, 2, 0])]
    _, long, truncated = with_long_reviews(sets, Tokenizer(MODEL, 1 << 30))
    assert (long.name, long.labels) == ("imdb-long", [2, 0])
    assert [len(text.split()) for text in long.texts] == [511, 600]
    assert truncated == replace(long, name="imdb-long, truncated")


def test_a_long_text_is_read_whole_or_truncated(classifier: Classifier) -> None:
    """The end of the text, which contradicts its beginning, is past the first window."""
    texts = [PRAISE[0] + " It was a week in May." * 10 + f" {BLAME[0]}" * 40]
    whole = score(classifier, texts, "whole")
    truncated = score(classifier, texts, "truncated", truncate=True)
    assert (whole.truncated.tolist(), truncated.truncated.tolist()) == ([False], [True])
    negative = classifier.labels.index("NEGATIVE")
    assert whole.probabilities[0, negative] > truncated.probabilities[0, negative] + 0.1


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("1 to 3 words", "Not good.", "It is not good."),
        ("a negation", "I don\u2019t know", "A knot"),
        ("a negation", "I can't", "I can"),
        ("an emoji", "Lovely \U0001f60d", "Lovely"),
        ("an emoticon", "ok :-)", "at 10:30"),
        ("a hashtag", "so #good", "the # sign"),
        ("capitals only", "WHY?", "Why?"),
        ("small letters only", "why?", "Why?"),
    ],
)
def test_slices(name: str, inside: str, outside: str) -> None:
    assert SLICES[name](inside)
    assert not SLICES[name](outside)


def test_targets_have_limits_on_the_right_side() -> None:
    figures = {
        "polarity_accuracy": 0.95,
        "macro_recall": 0.8,
        "calibration_error": 0.01,
        "neutral_called_polar": 0.02,
    }
    names = (*_named("sets"), "imdb-long", "imdb-long, truncated", "wide/goemotions")
    good = {
        "sets": {name: dict(figures) for name in names},
        "behaviours": {name: {"failures": 0.0} for name in _named("behaviours")},
    }
    good["sets"]["imdb-long"]["polarity_accuracy"] += 0.004
    bad = {
        "sets": {name: dict(zip(figures, (0.9, 0.5, 0.2, 0.3), strict=True)) for name in names},
        "behaviours": {name: {"failures": 0.5} for name in good["behaviours"]},
    }
    for target in TARGETS:
        assert target.reached(value_of(target, good)), target.description
        assert not target.reached(value_of(target, bad)), target.description
        assert target.figure({"sets": {}, "behaviours": {}}) is None
    # Labels that are noisy do not count for calibration.
    good["sets"]["wide/goemotions"] = figures | {"calibration_error": 0.5}
    assert all(target.reached(value_of(target, good)) for target in TARGETS)


def value_of(target: Target, report: evaluation.Report) -> float:
    value = target.figure(report)
    assert value is not None
    assert math.isfinite(value)
    return value


def _named(kind: str) -> list[str]:
    """The names of sets or behaviours before the colon of a target's description."""
    named = [target.description.split(":")[0] for target in TARGETS if ":" in target.description]
    behaviours = [name for name in named if name in BEHAVIOURS]
    return behaviours if kind == "behaviours" else [n for n in named if n not in behaviours]
