"""How well an engine agrees with the reference on a set of texts, and how well it must.

Probabilities are compared directly. The values of a regression have no fixed scale, so a difference
is a fraction of their range over the texts.
"""

from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sentiment.inference.activation import Activation, apply_activation

# Smallest fraction of unchanged labels; largest mean difference of a score.
LABELS, SCORE = 0.985, 0.03
# Rounding error of fp32, relative to the largest value: about eight units in the last place.
RESOLUTION = 1e-6


@dataclass(frozen=True)
class Agreement:
    """`labels`: fraction of unchanged labels; `score`: mean difference of the top label's score.

    Usually a text has one label, the top one. In a multi-label model every label is compared.
    """

    labels: float
    score: float

    @classmethod
    def of(
        cls, logits: NDArray[np.float32], reference: NDArray[np.float32], activation: Activation
    ) -> Self:
        """Compare the logits [texts, labels] of two engines for the same texts, as scores."""
        texts, best = np.arange(len(reference)), reference.argmax(axis=1)
        scores = apply_activation(reference, activation)
        changes = differences(apply_activation(logits, activation), scores, activation)[texts, best]
        same = float((logits.argmax(axis=1) == best).mean())
        if activation == "sigmoid":
            same = min(same, float(((logits > 0) == (reference > 0)).mean()))
        return cls(
            labels=round(same, 4),
            score=round(float(changes.mean()), 4),
        )

    @property
    def good(self) -> bool:
        """Whether at most 1.5 % of labels change, and scores by at most 0.03 on average.

        False for NaN.
        """
        return self.labels >= LABELS and self.score <= SCORE

    def __str__(self) -> str:
        return f"{self.labels:.1%} of labels as in fp32, scores within {self.score:.4f} on average"

    def record(self) -> dict[str, float]:
        """The fields, as `engines.json` holds them."""
        return asdict(self)


def differences(
    values: NDArray[np.float32], reference: NDArray[np.float32], activation: Activation
) -> NDArray[np.float64]:
    """Absolute differences of `values` and `reference`, both [texts, labels].

    `activation` is the checkpoint's. For a regression ("none") the differences are divided by each
    label's range over the texts. Rounding errors of fp32 count as 0. NaN stays NaN, so that it
    fails every comparison with a tolerance.
    """
    expected = reference.astype(np.float64)
    excess = np.maximum(np.abs(values.astype(np.float64) - expected) - _resolution(expected), 0)
    scale = value_range(reference) if activation == "none" and len(expected) else np.ones(1)
    relative: NDArray[np.float64] = excess / scale
    return relative


def value_range(reference: NDArray[np.float32]) -> NDArray[np.float64]:
    """The range over the texts of a regression's values [texts, labels], as [labels].

    For a label with the same value everywhere it is that value's magnitude.
    """
    values = reference.astype(np.float64)
    spread = np.ptp(values, axis=0)
    magnitude = np.maximum(np.abs(values).max(axis=0), np.finfo(np.float32).tiny)
    return np.asarray(np.where(spread > _resolution(values), spread, magnitude))


def _resolution(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounding error of fp32 in values [texts, labels], as [labels]."""
    return np.asarray(RESOLUTION * np.abs(values).max(axis=0, initial=0))
