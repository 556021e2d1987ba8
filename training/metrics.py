"""How good probabilities are: accuracy, polarity, calibration and confidence, with numpy alone.

Probabilities are float64 [texts, 3], in the order of `training.data.LABELS`, and labels, int64
[texts], are indices of it.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data import NEGATIVE, NEUTRAL, POSITIVE

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

BINS = 15
CONFIDENT = 0.9
COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Bin:
    """The texts of one interval of confidence: its means, from 0 to 1, and its number of texts."""

    confidence: float
    accuracy: float
    texts: int


@dataclass(frozen=True)
class Figures:
    """The figures of one set: shares from 0 to 1, None where no text counts.

    `macro_recall` is the mean recall of the labels that occur. The polarity figures are those of
    the texts that are not neutral, by P(POSITIVE) against P(NEGATIVE). `calibration_floor` is the
    calibration error that chance alone gives a perfectly calibrated model on that many texts.
    `confidently_wrong` is the share of all texts, and `neutral_called_polar` that of the neutral
    texts, with a wrong or polar label at a confidence of 0.9 or more. `coverage` has pairs
    (coverage, accuracy).
    """

    texts: int
    accuracy: float
    macro_recall: float
    polarity_accuracy: float | None
    polarity_auc: float | None
    calibration_error: float
    calibration_floor: float
    confidently_wrong: float
    neutral_called_polar: float | None
    coverage: list[tuple[float, float]]

    def as_json(self) -> dict[str, Any]:
        """Return the figures as a dictionary, shares rounded to 4 digits."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def measure(probabilities: Array, labels: Labels) -> Figures:
    """Return all figures of one set, `as_read`; raises ValueError if it is empty."""
    if not len(labels):
        raise ValueError("The set has no text: leave it out.")
    probabilities = as_read(probabilities, labels)
    confidence, correct = top(probabilities, labels)
    polar = labels != NEUTRAL
    polar_probabilities, polar_labels = probabilities[polar], labels[polar]
    neutral = probabilities[~polar]
    return Figures(
        texts=len(labels),
        accuracy=float(correct.mean()),
        macro_recall=macro_recall(probabilities, labels),
        polarity_accuracy=polarity_accuracy(polar_probabilities, polar_labels),
        polarity_auc=polarity_auc(polar_probabilities, polar_labels),
        calibration_error=calibration_error(confidence, correct),
        calibration_floor=calibration_floor(confidence),
        confidently_wrong=float(((confidence >= CONFIDENT) & ~correct).mean()),
        neutral_called_polar=float(
            (neutral[:, [NEGATIVE, POSITIVE]].max(axis=1) >= CONFIDENT).mean()
        )
        if len(neutral)
        else None,
        coverage=accuracy_at_coverage(confidence, correct),
    )


def as_read(probabilities: Array, labels: Labels) -> Array:
    """Return the probabilities by which a set is judged, [texts, 3].

    A set without neutral texts has two labels, so that NEUTRAL is no answer to it: the
    probabilities of NEGATIVE and POSITIVE are renormalised to a sum of 1, and NEUTRAL gets 0.
    """
    if (labels == NEUTRAL).any():
        return probabilities
    # Not zero, so that a text that is certainly neutral gets one half each.
    polar = np.maximum(probabilities, np.finfo(np.float64).tiny)
    polar[:, NEUTRAL] = 0
    read: Array = polar / polar.sum(axis=1, keepdims=True)
    return read


def top(probabilities: Array, labels: Labels) -> tuple[Array, NDArray[np.bool_]]:
    """Return each text's confidence, i.e. its highest probability, and whether it is correct.

    For probabilities of any number of labels.
    """
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def macro_recall(probabilities: Array, labels: Labels) -> float:
    """Return the mean, over the labels that occur, of the share of their texts that get them."""
    predicted = probabilities.argmax(axis=1)
    return float(
        np.mean([(predicted[labels == label] == label).mean() for label in np.unique(labels)])
    )


def polarity_accuracy(probabilities: Array, labels: Labels) -> float | None:
    """Return how often the label of a polar text is more probable than its opposite."""
    if not len(labels):
        return None
    margin = probabilities[:, POSITIVE] - probabilities[:, NEGATIVE]
    return float(np.where(labels == POSITIVE, margin > 0, margin < 0).mean())


def polarity_auc(probabilities: Array, labels: Labels) -> float | None:
    """Return the probability that a POSITIVE text scores higher than a NEGATIVE one.

    The score is P(POSITIVE) / (P(POSITIVE) + P(NEGATIVE)); equal scores count one half (Hanley and
    McNeil 1982). None unless both labels occur.
    """
    polar = probabilities[:, [NEGATIVE, POSITIVE]]
    scores = polar[:, 1] / polar.sum(axis=1)
    positives = int((labels == POSITIVE).sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]  # equal scores share their mean rank
    above = ranks[labels == POSITIVE].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def reliability(confidence: Array, correct: NDArray[np.bool_] | Array) -> list[Bin]:
    """Return the bins of equal width that hold texts, by rising confidence (Guo et al. 2017)."""
    numbers = _bin_numbers(confidence)
    return [
        Bin(
            float(confidence[numbers == number].mean()),
            float(correct[numbers == number].mean()),
            int((numbers == number).sum()),
        )
        for number in np.unique(numbers)
    ]


def calibration_error(confidence: Array, correct: NDArray[np.bool_] | Array) -> float:
    """Return the expected calibration error, from 0 to 1, over 15 bins (Guo et al. 2017).

    That is the mean distance between confidence and accuracy in a bin, weighted by its texts.
    """
    gaps = np.bincount(_bin_numbers(confidence), weights=confidence - correct, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def calibration_floor(confidence: Array, draws: int = 100) -> float:
    """Return the mean calibration error if every text were correct with its own confidence.

    Small sets have a large one, and no model can be expected to be below it.
    """
    generator = np.random.default_rng(0)
    return float(
        np.mean(
            [
                calibration_error(confidence, generator.random(len(confidence)) < confidence)
                for _ in range(draws)
            ]
        )
    )


def accuracy_at_coverage(
    confidence: Array, correct: NDArray[np.bool_]
) -> list[tuple[float, float]]:
    """Return (share of texts that get an answer, accuracy), the most confident texts first."""
    ordered = correct[np.argsort(-confidence, kind="stable")]
    sizes = [max(round(coverage * len(ordered)), 1) for coverage in COVERAGES]
    return [
        (coverage, round(float(ordered[:size].mean()), 4))
        for coverage, size in zip(COVERAGES, sizes, strict=True)
    ]


def _bin_numbers(confidence: Array) -> NDArray[np.int64]:
    """The number of each text's bin: bin b holds the confidences over b/15, up to (b+1)/15."""
    return np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
