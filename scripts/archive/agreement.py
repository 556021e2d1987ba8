"""How well an engine agrees with the reference on a set of texts, and how well it has to.

Probabilities are compared as they are. Values of a regression are compared on the scale of the
checkpoint: a difference is a share of how far apart the values of different texts lie.
"""

from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sentiment.inference.activation import Activation, apply_activation

# Smallest share of unchanged labels; largest mean difference of a score.
LABELS, SCORE = 0.985, 0.03
# What fp32 cannot tell apart, as a share of the largest value: about eight units in the last place.
RESOLUTION = 1e-6


@dataclass(frozen=True)
class Agreement:
    """`labels`: share of unchanged labels; `score`: mean difference of the best label's score.

    A text has one label, its best one; in a multi-label model it has or lacks each of them.
    """

    labels: float
    score: float

    @classmethod
    def of(
        cls, logits: NDArray[np.float32], reference: NDArray[np.float32], function: Activation
    ) -> Self:
        """Compare two logits [texts, labels] of the same texts, as scores."""
        texts, best = np.arange(len(reference)), reference.argmax(axis=1)
        scores = apply_activation(reference, function)
        moved = differences(apply_activation(logits, function), scores, function)[texts, best]
        same = float((logits.argmax(axis=1) == best).mean())
        if function == "sigmoid":
            same = min(same, float(((logits > 0) == (reference > 0)).mean()))
        return cls(
            labels=round(same, 4),
            score=round(float(moved.mean()), 4),
        )

    @property
    def good(self) -> bool:
        """At most 1.5 % of labels change, and a score by at most 0.03 on average; never NaN."""
        return self.labels >= LABELS and self.score <= SCORE

    def __str__(self) -> str:
        return f"{self.labels:.1%} of labels as in fp32, scores within {self.score:.4f} on average"

    def record(self) -> dict[str, float]:
        """As the archive holds it."""
        return asdict(self)


def differences(
    values: NDArray[np.float32], reference: NDArray[np.float32], function: Activation
) -> NDArray[np.float64]:
    """How far `values` are from `reference`, both [texts, labels], on the scale of what they are.

    `function` is the checkpoint's activation. Scores and logits of a classifier have the scale 1.
    The values of a regression have that of their label: its range over the texts. What fp32 cannot
    tell apart is no difference. NaN stays NaN, and so fails each comparison with a tolerance.
    """
    wanted = reference.astype(np.float64)
    excess = np.maximum(np.abs(values.astype(np.float64) - wanted) - _resolution(wanted), 0)
    scale = value_range(reference) if function == "none" and len(wanted) else np.ones(1)
    shares: NDArray[np.float64] = excess / scale
    return shares


def value_range(reference: NDArray[np.float32]) -> NDArray[np.float64]:
    """The range of a regression's values [texts, labels] over the texts, [labels].

    That of a constant label is its own size.
    """
    wanted = reference.astype(np.float64)
    spread = np.ptp(wanted, axis=0)
    constant = np.maximum(np.abs(wanted).max(axis=0), np.finfo(np.float32).tiny)
    return np.asarray(np.where(spread > _resolution(wanted), spread, constant))


def _resolution(wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """What fp32 cannot tell apart, of values [texts, labels], per label."""
    return np.asarray(RESOLUTION * np.abs(wanted).max(axis=0, initial=0))
