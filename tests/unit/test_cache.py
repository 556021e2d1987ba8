"""The answer cache: the same answers, counted hits, bounded memory."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment.inference.cache import Cache
from sentiment.inference.classifier import Classifier
from sentiment.inference.options import Options
from sentiment.inference.prediction import Prediction

MODEL = Path(__file__).resolve().parents[2] / "model"
# The torch engine's limit for the effect of other texts in a batch on a logit.
EFFECT = 1e-4
TEXTS = ("A lovely film.", "Awful.", "The parcel arrived.", "Not bad, but far too long for me.")


@pytest.fixture(scope="module")
def plain() -> Classifier:
    return Classifier(MODEL, max_tokens=64, threads=2)


@pytest.fixture(scope="module")
def caching() -> Classifier:
    return Classifier(MODEL, max_tokens=64, threads=2, cache_entries=3)


@pytest.fixture
def fresh(caching: Classifier) -> Classifier:
    caching.scorer.cache = Cache(3)
    return caching


@settings(max_examples=30)
@given(batches=st.lists(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=5), max_size=4))
def test_answers_are_the_same_with_a_cache(
    plain: Classifier, caching: Classifier, batches: list[list[str]]
) -> None:
    for batch in batches:
        for cached, scored in zip(caching.classify(batch), plain.classify(batch), strict=True):
            assert isinstance(cached, Prediction)
            assert isinstance(scored, Prediction)
            assert cached.scores == pytest.approx(scored.scores, abs=EFFECT)
            assert cached.tokens == scored.tokens


def test_a_cached_text_is_not_computed_again(fresh: Classifier) -> None:
    fresh.classify(TEXTS[:1])
    computed = fresh.scorer.computed
    # The options are applied to the logits, so they need no entry of their own.
    fresh.classify([*TEXTS[:1]] * 3, Options(labels=("NEGATIVE", "POSITIVE")))
    assert fresh.scorer.computed == computed
    assert fresh.scorer.cache.hits == 1  # equal texts of a batch share one look-up
    fresh.classify([TEXTS[0] + "!"])
    assert fresh.scorer.computed > computed


def test_the_least_recently_used_text_is_dropped() -> None:
    cache = Cache(2)
    row = np.zeros((1000, 3), np.float32)
    for ids in (b"a", b"b"):
        cache.put(ids, row[0])
    assert cache.get(b"a") is not None
    cache.put(b"c", row[0])
    assert cache.get(b"b") is None
    kept = cache.get(b"a")
    assert kept is not None
    assert kept.base is None  # not a view that keeps the whole batch alive


def test_a_text_that_was_not_scored_is_not_kept(
    fresh: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = np.full((1, 3), np.nan, np.float32)
    with monkeypatch.context() as broken:
        broken.setattr(fresh.scorer.engine, "logits", lambda _rows: bad.copy())
        broken.setattr(fresh, "_works", lambda: True)
        (failure,) = fresh.classify(TEXTS[:1])
        assert not isinstance(failure, Prediction)
    (result,) = fresh.classify(TEXTS[:1])
    assert isinstance(result, Prediction)


def test_without_entries_nothing_is_kept(plain: Classifier) -> None:
    plain.classify(TEXTS)
    computed = plain.scorer.computed
    plain.classify(TEXTS)
    assert plain.scorer.computed > computed
