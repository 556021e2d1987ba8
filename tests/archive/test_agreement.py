"""Differences from the reference are measured on the scale of the compared values."""

import numpy as np
import pytest

from sentiment.inference.activation import Activation
from sentiment.inference.agreement import Agreement, differences

# Values of a regression, evenly spread from -2 to 2.
VALUES = np.linspace(-2, 2, 50, dtype=np.float32)[:, None]
SCALES = [(1.0, 0.0), (1.0, 250_000.0), (1e6, 0.0), (1e-6, 0.0), (1e-3, 5.0), (1.0, -250_000.0)]


@pytest.mark.parametrize(("factor", "offset"), SCALES)
def test_a_regression_is_compared_on_its_own_scale(factor: float, offset: float) -> None:
    reference = (VALUES * factor + offset).astype(np.float32)
    last_place = np.nextafter(reference, np.float32(np.inf))
    assert differences(last_place, reference, "none").max() == 0
    assert Agreement.of(last_place, reference, "none").good
    shuffled = reference[::-1]
    assert differences(shuffled, reference, "none").max() > 0.5
    assert not Agreement.of(shuffled, reference, "none").good


@pytest.mark.parametrize("offset", [0.5, -0.5])
def test_a_shift_by_an_eighth_of_the_range_is_noticed_far_from_zero(offset: float) -> None:
    reference = VALUES + 250_000
    assert not Agreement.of(reference + np.float32(offset), reference, "none").good


def test_each_output_of_a_regression_has_its_own_scale() -> None:
    reference = np.hstack([VALUES, VALUES * 1e6])
    wrong = np.hstack([VALUES[::-1], VALUES * 1e6])
    assert differences(wrong, reference, "none").max() == pytest.approx(1, rel=1e-3)


def test_a_constant_output_is_compared_with_itself() -> None:
    reference = np.full((5, 1), 250_000, np.float32)
    assert differences(reference, reference, "none").max() == 0
    assert differences(reference * 2, reference, "none").max() == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_differences_of_classifier_scores_are_absolute(activation: Activation) -> None:
    reference = np.array([[0.2, 0.8]], np.float32)
    assert differences(reference + np.float32(0.01), reference, activation).max() == pytest.approx(
        0.01, rel=1e-3
    )


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
def test_nan_never_agrees(activation: Activation) -> None:
    wrong = VALUES.copy()
    wrong[3] = np.nan
    assert not differences(wrong, VALUES, activation).max() <= 1e9
    with np.errstate(invalid="ignore"):
        assert not Agreement.of(wrong, VALUES, activation).good
