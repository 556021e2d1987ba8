"""The classifier with the default model, without a server."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sentiment.errors import Overloaded, Validation
from sentiment.inference.classifier import Classifier, EngineDead, Outcome
from sentiment.inference.engines.engine import Engine, Layout, Rows
from sentiment.inference.options import Options
from sentiment.inference.prediction import EngineFailure, Prediction
from sentiment.inference.tokens import Tokens

MODEL = Path(__file__).resolve().parents[2] / "model"
TEXTS = [
    "A gripping, beautifully shot film.",
    "Dull.",
    "I wanted to love it, but the plot makes no sense and the acting is wooden. " * 8,
    "schön! 😀 \x00 [SEP] [PAD]",
    "word " * 3_000,
]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(MODEL, max_tokens=512, tokens_per_microbatch=256, threads=2)


def good(results: Sequence[Outcome]) -> list[Prediction]:
    assert all(isinstance(result, Prediction) for result in results), results
    return [result for result in results if isinstance(result, Prediction)]


def assert_same(got: Prediction, alone: Prediction) -> None:
    """Equal, with scores within 1e-4."""
    assert (got.label, got.tokens, got.truncated) == (alone.label, alone.tokens, alone.truncated)
    assert got.score == pytest.approx(alone.score, abs=1e-4)


def test_the_default_model_labels_praise_and_criticism_correctly(classifier: Classifier) -> None:
    praise, blame = good(classifier.classify(["A wonderful film.", "A terrible, boring mess."]))
    assert praise.label == "POSITIVE"
    assert blame.label == "NEGATIVE"
    assert min(praise.score, blame.score) > 0.9


def test_a_text_has_the_same_score_in_a_batch_as_alone(classifier: Classifier) -> None:
    together = good(classifier.classify(TEXTS * 3))
    for text, got in zip(TEXTS * 3, together, strict=True):
        (alone,) = good(classifier.classify([text]))
        assert_same(got, alone)


def test_a_prediction_has_label_scores_tokens_and_truncation(classifier: Classifier) -> None:
    (got,) = good(classifier.classify(["A gripping, beautifully shot film."]))
    assert list(got.scores) == classifier.labels
    assert math.fsum(got.scores.values()) == pytest.approx(1, abs=1e-5)
    assert got.score == max(got.scores.values()) == got.scores[got.label]
    # [CLS] a gripping , beautifully shot film . [SEP]
    assert got.tokens == 9
    assert not got.truncated


def test_the_longest_text_that_fits_is_not_truncated(classifier: Classifier) -> None:
    fits, cut = good(classifier.classify(["good " * 510, "good " * 511]))
    assert (fits.tokens, fits.truncated) == (512, False)
    assert (cut.tokens, cut.truncated) == (512, True)


def test_an_empty_batch_does_not_call_the_engine(classifier: Classifier) -> None:
    assert classifier.classify([]) == []


def test_no_call_of_the_engine_exceeds_the_token_budget(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []
    logits = classifier.scorer.engine.logits

    def watched(rows: Rows) -> NDArray[np.float32]:
        sizes.append((len(rows), max(sum(map(len, row)) for row in rows)))
        return logits(rows)

    monkeypatch.setattr(classifier.scorer.engine, "logits", watched)
    texts = [f"{number} {text}" for number in range(20) for text in TEXTS]
    classifier.classify(texts)
    assert sum(rows for rows, _ in sizes) == len(texts)
    assert all(rows == 1 or rows * width <= 256 for rows, width in sizes)
    assert len(sizes) < len(texts)


def test_identical_texts_are_scored_once(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = classifier.classify(TEXTS)
    scored: list[int] = []
    logits = classifier.scorer.engine.logits

    def watched(rows: Rows) -> NDArray[np.float32]:
        scored.append(sum(map(len, rows)))
        return logits(rows)

    monkeypatch.setattr(classifier.scorer.engine, "logits", watched)
    together = classifier.tokenizer([text for text in TEXTS for _ in range(3)])
    results = classifier.score(together, sizes=[1, 64, 64] * len(TEXTS))
    assert sum(scored) == len(TEXTS)
    for i, alone in enumerate(good(expected)):
        for got in good(results[3 * i : 3 * i + 3]):
            assert_same(got, alone)


def test_each_of_identical_texts_gets_its_own_activation(classifier: Classifier) -> None:
    tokens = classifier.tokenizer(["Dull."] * 3)
    shares, logits, again = good(
        classifier.score(tokens, options=[Options(), Options("none"), Options()])
    )
    assert math.fsum(shares.scores.values()) == pytest.approx(1, abs=1e-5)
    assert math.fsum(logits.scores.values()) != pytest.approx(1, abs=1e-2)
    assert again == shares


def test_a_batch_stops_at_its_deadline(classifier: Classifier) -> None:
    (result,) = classifier.score(classifier.tokenizer(["good"]), deadlines=[time.monotonic() - 1])
    assert isinstance(result, Overloaded)
    assert result.status == 503


def test_a_large_request_does_not_make_a_small_one_late(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = classifier.scorer.engine.logits
    now = [0.0]

    def slow(rows: Rows) -> NDArray[np.float32]:
        now[0] += 1
        return logits(rows)

    monkeypatch.setattr(classifier.scorer.engine, "logits", slow)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    short, long = "good", "word " * 3_000
    tokens = classifier.tokenizer([short] * 256 + [long])
    results = classifier.score(tokens, sizes=[256] * 256 + [1], deadlines=[0.5] * 257)
    assert isinstance(results[-1], Prediction)
    assert all(isinstance(result, Overloaded) for result in results[:-1])


@pytest.mark.parametrize("max_tokens", [1, 2])
def test_max_tokens_without_room_for_a_text_is_refused(max_tokens: int) -> None:
    with pytest.raises(ValueError, match=r"handler\.max_tokens must be at least 3"):
        Classifier(MODEL, max_tokens=max_tokens, threads=1)


class Failing:
    """Wraps an engine, and raises if the rows contain a certain text's tokens."""

    def __init__(self, engine: Engine, fails_on: int, packs: bool) -> None:
        self.layout: Layout = "packed" if packs else "padded"
        self.pad_to_multiple_of = engine.pad_to_multiple_of
        self.best_microbatch_tokens = engine.best_microbatch_tokens
        self._logits, self._fails_on = engine.logits, fails_on
        self.texts_seen: list[int] = []

    def logits(self, rows: Rows) -> NDArray[np.float32]:
        texts = [text for row in rows for text in row]
        self.texts_seen.append(len(texts))
        if any(self._fails_on in text for text in texts):
            raise RuntimeError("CUDA out of memory")
        return self._logits([[text] for text in texts])


@pytest.mark.parametrize("packs", [True, False])
def test_a_text_on_which_the_engine_fails_fails_alone(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, packs: bool
) -> None:
    texts = [f"number {index}" for index in range(100)] + ["gripping"]
    expected = good(classifier.classify(texts))
    tokens = classifier.tokenizer(texts)
    engine = Failing(classifier.scorer.engine, int(tokens[-1].ids[1]), packs)
    monkeypatch.setattr(classifier.scorer, "engine", engine)
    *others, bad = classifier.score(tokens)
    assert isinstance(bad, EngineFailure)
    assert isinstance(bad.error, RuntimeError)
    for got, alone in zip(good(others), expected, strict=False):
        assert_same(got, alone)
    # Only the microbatch that it is in is scored again, in halves.
    largest = max(engine.texts_seen)
    assert len(texts) < sum(engine.texts_seen) < len(texts) + largest * math.log2(2 * largest)
    assert len(engine.texts_seen) < len(texts) / 2


def test_an_engine_that_fails_respects_the_deadline(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def failing(rows: Rows) -> NDArray[np.float32]:
        now[0] += 1
        raise RuntimeError

    monkeypatch.setattr(classifier.scorer.engine, "logits", failing)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    tokens = classifier.tokenizer([f"number {index}" for index in range(32)])
    with pytest.raises(EngineDead):
        classifier.score(tokens, deadlines=[10.5] * len(tokens))
    assert now[0] == 12  # until the deadline, and once more to see whether it is dead


def test_warm_up_fails_for_a_model_without_scores(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        classifier.scorer.engine,
        "logits",
        lambda rows: np.full((sum(map(len, rows)), len(classifier.labels)), np.nan, np.float32),
    )
    with pytest.raises(EngineDead):
        classifier.classify(["good"])
    with pytest.raises(EngineDead):
        classifier.warm_up()


class Packing:
    """An engine whose logits are sums of ids, and NaN for all texts of a row with one token."""

    layout: Layout = "packed"
    pad_to_multiple_of = 1

    def __init__(self, labels: int, spoils: int) -> None:
        self.labels, self.spoils = labels, spoils

    def logits(self, rows: Rows) -> NDArray[np.float32]:
        sums: list[float] = []
        for row in rows:
            spoilt = any(self.spoils in text for text in row)
            sums += [np.nan if spoilt else float(text.sum()) for text in row]
        return np.repeat(np.array(sums, np.float32)[:, None], self.labels, axis=1)


def test_nan_of_one_text_does_not_affect_others_in_its_row(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["good", "bad film", "fine", "word " * 100]
    tokens = classifier.tokenizer(texts)
    engine = Packing(len(classifier.labels), spoils=int(tokens[0].ids[1]))
    monkeypatch.setattr(classifier.scorer, "engine", engine)
    bad, *others = classifier.score(tokens, options=[Options("none")] * 4)
    assert bad == EngineFailure()
    for encoded, result in zip(tokens[1:], good(others), strict=True):
        assert set(result.scores.values()) == {encoded.ids.sum()}


def test_only_the_text_without_tokens_is_refused(classifier: Classifier) -> None:
    (tokens,) = classifier.tokenizer(["A wonderful film."])
    nothing = Tokens((np.array([], np.int32),))
    empty, score = classifier.score([nothing, tokens])
    assert isinstance(empty, Validation)
    assert isinstance(score, Prediction)
