"""The metrics of the evaluation suite, against values computed by hand or by their definition."""

from dataclasses import astuple

import numpy as np
import pytest

from training.metrics import (
    accuracy_at_coverage,
    as_read,
    calibration_error,
    calibration_floor,
    macro_recall,
    measure,
    polarity_auc,
    reliability,
)

# Two texts per label: NEGATIVE, NEUTRAL, POSITIVE.
LABELS = np.array([0, 0, 1, 1, 2, 2])
PROBABILITIES = np.array(
    [
        [0.95, 0.03, 0.02],  # right
        [0.02, 0.03, 0.95],  # wrong, and sure of it
        [0.1, 0.8, 0.1],  # right
        [0.92, 0.05, 0.03],  # wrong, and sure of it: neutral called polar
        [0.3, 0.5, 0.2],  # wrong; and NEGATIVE is more probable than POSITIVE
        [0.1, 0.3, 0.6],  # right
    ]
)


def test_the_figures_of_a_small_set() -> None:
    figures = measure(PROBABILITIES, LABELS)
    assert figures.texts == 6
    assert figures.accuracy == pytest.approx(3 / 6)
    assert figures.macro_recall == pytest.approx((1 / 2 + 1 / 2 + 1 / 2) / 3)
    assert figures.polarity_accuracy == pytest.approx(2 / 4)
    # POSITIVE scores 0.4 and 0.857, NEGATIVE ones 0.021 and 0.979: two of four pairs are in order.
    assert figures.polarity_auc == pytest.approx(2 / 4)
    assert figures.confidently_wrong == pytest.approx(2 / 6)
    assert figures.neutral_called_polar == pytest.approx(1 / 2)
    # No two confidences but 0.95, 0.95 share a bin: |1.90 - 1| + 0.2 + 0.92 + 0.5 + 0.4.
    assert figures.calibration_error == pytest.approx((0.9 + 0.2 + 0.92 + 0.5 + 0.4) / 6)


def test_macro_recall_is_over_the_labels_that_occur() -> None:
    assert macro_recall(PROBABILITIES[[0, 1, 5]], LABELS[[0, 1, 5]]) == pytest.approx(0.75)


def test_a_set_without_neutral_texts_is_read_without_neutral() -> None:
    probabilities = np.array([[0.1, 0.6, 0.3], [0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
    labels = np.array([2, 0, 0])
    expected = [[0.25, 0, 0.75], [0.4, 0, 0.6], [0.5, 0, 0.5]]
    np.testing.assert_allclose(as_read(probabilities, labels), expected)
    assert probabilities[0, 1] == 0.6, "the argument was changed"
    figures = measure(probabilities[:2], labels[:2])
    assert figures.accuracy == figures.polarity_accuracy == 0.5
    assert figures.neutral_called_polar is None
    np.testing.assert_array_equal(as_read(probabilities, np.array([2, 1, 0])), probabilities)


def test_auc_is_the_share_of_pairs_in_order() -> None:
    generator = np.random.default_rng(3)
    # Few distinct scores, so that many are equal.
    positive = generator.integers(1, 9, 200) / 10
    probabilities = np.stack([1 - positive, np.zeros(200), positive], axis=1)
    labels = np.where(generator.random(200) < positive, 2, 0)
    above, below = positive[labels == 2], positive[labels == 0]
    pairs = [(high > low) + (high == low) / 2 for high in above for low in below]
    assert polarity_auc(probabilities, labels) == pytest.approx(np.mean(pairs))
    assert polarity_auc(probabilities, np.full(200, 2)) is None


def test_reliability_bins_and_their_error() -> None:
    # Bins are (0.6, 0.6667] and (0.9333, 1].
    confidence = np.array([0.62, 0.66, 0.94, 1.0])
    correct = np.array([True, False, True, True])
    low, high = reliability(confidence, correct)
    assert astuple(low) == pytest.approx((0.64, 0.5, 2))
    assert astuple(high) == pytest.approx((0.97, 1.0, 2))
    assert calibration_error(confidence, correct) == pytest.approx((0.14 * 2 + 0.03 * 2) / 4)


def test_the_floor_falls_with_the_number_of_texts() -> None:
    few, many = (np.random.default_rng(0).uniform(0.5, 1, size) for size in (50, 5_000))
    assert calibration_floor(few) > 0.05
    assert calibration_floor(many) < 0.02


def test_the_floor_is_the_error_of_a_calibrated_model() -> None:
    generator = np.random.default_rng(1)
    confidence = generator.uniform(0.4, 1, 2_000)
    calibrated = calibration_error(confidence, generator.random(2_000) < confidence)
    over_confident = calibration_error(confidence, generator.random(2_000) < confidence - 0.1)
    floor = calibration_floor(confidence)
    assert calibrated == pytest.approx(floor, abs=0.01)
    assert over_confident > floor + 0.05


def test_the_most_confident_texts_are_answered_first() -> None:
    confidence = np.array([0.5, 0.9, 0.6, 0.8, 0.7])
    correct = np.array([False, True, False, True, True])
    curve = dict(accuracy_at_coverage(confidence, correct))
    assert curve[0.2] == curve[0.6] == 1.0
    assert curve[0.8] == 0.75
    assert curve[1.0] == 0.6


def test_a_set_without_texts_is_refused() -> None:
    with pytest.raises(ValueError, match="no text"):
        measure(np.zeros((0, 3)), np.zeros(0, np.int64))
