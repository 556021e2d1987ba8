"""The behaviours of the evaluation suite: their cases, and when a case fails."""

import re
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest

from training.behaviours import BEHAVIOURS
from training.cases import Case, Labelled, Moved, Unchanged
from training.data import NEGATIVE, NEUTRAL, POSITIVE

# What the cases of a behaviour claim: labels that all are allowed somewhere, or the kind of case.
CLAIMS: dict[str, set[frozenset[int]] | type[Unchanged] | type[Moved]] = {
    "negation near": {frozenset({NEGATIVE})},
    "negated blame": {frozenset({NEUTRAL, POSITIVE})},
    "negation far": {frozenset({NEGATIVE})},
    "hopes and fears": {frozenset({NEGATIVE}), frozenset({NEUTRAL, POSITIVE})},
    "intensifiers": Moved,
    "reducers": Moved,
    "but clauses": {frozenset({NEGATIVE}), frozenset({POSITIVE})},
    "names swapped": Unchanged,
    "places swapped": Unchanged,
    "groups swapped": Unchanged,
    "questions": {frozenset({NEUTRAL})},
    "facts": {frozenset({NEUTRAL})},
    "typos": Unchanged,
    "upper and lower case": Unchanged,
    "emoji decide": {frozenset({NEGATIVE}), frozenset({POSITIVE})},
    "emoji agree": Unchanged,
    "emoticons decide": {frozenset({NEGATIVE}), frozenset({POSITIVE})},
    "hashtags decide": {frozenset({NEGATIVE}), frozenset({POSITIVE})},
    "neutral additions": Unchanged,
    "tokenized spelling": Unchanged,
    "one word": {frozenset({NEGATIVE}), frozenset({NEUTRAL}), frozenset({POSITIVE})},
    "very long": {frozenset({NEGATIVE}), frozenset({POSITIVE})},
    "very long opinion last": {frozenset({NEGATIVE}), frozenset({POSITIVE})},
}


def test_every_behaviour_has_a_claim() -> None:
    assert list(BEHAVIOURS) == list(CLAIMS)


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_behaviour_has_sixty_distinct_cases_with_its_claim(name: str) -> None:
    cases, claim = BEHAVIOURS[name](), CLAIMS[name]
    assert len({case.texts for case in cases}) == len(cases) >= 60
    assert cases == BEHAVIOURS[name](), "the cases are not the same every time"
    if isinstance(claim, set):
        labels = [case.allowed for case in cases if isinstance(case, Labelled)]
        assert len(labels) == len(cases)
        assert set(labels) == claim
        # No label is that of a few cases only.
        assert min(labels.count(allowed) for allowed in claim) >= 25
    else:
        assert {type(case) for case in cases} == {claim}
        assert all(first != second for first, second in (case.texts for case in cases))


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_no_slot_is_left_open(name: str) -> None:
    for case in BEHAVIOURS[name]():
        for text in case.texts:
            assert not re.search(r"[{}\[\]]", text), text
            assert text == text.strip()
            assert "  " not in text


@pytest.mark.parametrize(
    ("name", "cue"),
    [
        ("negation near", r"\bnot\b|n't\b"),
        ("negated blame", r"\bnot\b|n't\b|\bno\b|\bnothing\b"),
        ("negation far", r"\bnot\b|n't\b|\bNobody\b|\bNone\b|\bno\b"),
        ("questions", r"\?$"),
        ("but clauses", r"\b[Bb]ut\b|\bAlthough\b"),
        ("hashtags decide", r"#\w+$"),
        ("one word", r"^\w+$"),
    ],
)
def test_every_text_has_what_the_behaviour_is_about(name: str, cue: str) -> None:
    for case in BEHAVIOURS[name]():
        assert re.search(cue, case.texts[0]), case.texts[0]


@pytest.mark.parametrize("name", ["very long", "very long opinion last"])
def test_long_texts_have_over_600_words(name: str) -> None:
    assert all(len(case.texts[0].split()) > 600 for case in BEHAVIOURS[name]())


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("upper and lower case", str.lower),
        ("tokenized spelling", lambda text: text.replace(" ", "")),
        # A typo changes at most two places of a word, so that its set of letters hardly changes.
        ("typos", lambda text: text.split()[0][0]),
    ],
)
def test_a_variant_is_the_original_but_for_the_change(
    name: str, same: Callable[[str], object]
) -> None:
    for case in BEHAVIOURS[name]():
        original, variant = case.texts
        assert same(original) == same(variant)


def test_a_typo_is_in_one_word() -> None:
    for case in BEHAVIOURS["typos"]():
        pairs = list(zip(*(text.split() for text in case.texts), strict=True))
        changed = [(right, wrong) for right, wrong in pairs if right != wrong]
        assert len(changed) == 1
        ((right, wrong),) = changed
        assert abs(len(right) - len(wrong)) <= 1


def scores(*pairs: tuple[float, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Probabilities of NEGATIVE and POSITIVE; the rest is NEUTRAL."""
    return np.array([[negative, 1 - negative - positive, positive] for negative, positive in pairs])


NEGATIVE_TEXT = Labelled("", frozenset({NEGATIVE}))
NOT_NEGATIVE = Labelled("", frozenset({NEUTRAL, POSITIVE}))


@pytest.mark.parametrize(
    ("case", "probabilities", "fails"),
    [
        (NEGATIVE_TEXT, scores((0.6, 0.1)), False),
        (NEGATIVE_TEXT, scores((0.1, 0.1)), True),
        (NOT_NEGATIVE, scores((0.1, 0.1)), False),
        (NOT_NEGATIVE, scores((0.1, 0.8)), False),
        (NOT_NEGATIVE, scores((0.6, 0.1)), True),
        (Unchanged("", ""), scores((0.9, 0.0), (0.5, 0.1)), False),
        (Unchanged("", ""), scores((0.5, 0.4), (0.4, 0.5)), True),
        (Moved("", "", True), scores((0.2, 0.5), (0.1, 0.7)), False),
        (Moved("", "", True), scores((0.1, 0.7), (0.2, 0.5)), True),
        (Moved("", "", False), scores((0.2, 0.5), (0.1, 0.7)), True),
        (Moved("", "", False), scores((0.1, 0.7), (0.2, 0.5)), False),
        # Within the tolerance.
        (Moved("", "", True), scores((0.0, 0.98), (0.0, 0.97)), False),
    ],
)
def test_when_a_case_fails(
    case: Case, probabilities: np.ndarray[tuple[int, int], np.dtype[np.float64]], fails: bool
) -> None:
    assert case.fails(probabilities) is fails
    assert isinstance(case, get_args(Case))
