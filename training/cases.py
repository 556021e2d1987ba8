"""The kinds of cases that behaviours consist of, after CheckList (Ribeiro et al. 2020).

Each has `texts`, and `fails` on their probabilities: float64 [texts, 3], in the order of
`training.data.LABELS`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data import NEGATIVE, POSITIVE

# How far a score, from -1 to 1, may move the wrong way: it hardly moves where it is near its end.
TOLERANCE = 0.05


@dataclass(frozen=True)
class Labelled:
    """A text whose label must be one of `allowed` (a minimum functionality test)."""

    text: str
    allowed: frozenset[int]

    @property
    def texts(self) -> tuple[str, ...]:
        """The text."""
        return (self.text,)

    def fails(self, probabilities: NDArray[np.float64]) -> bool:
        """Whether the label is a wrong one."""
        return int(probabilities[0].argmax()) not in self.allowed


@dataclass(frozen=True)
class Unchanged:
    """Two texts that must get the same label (an invariance test)."""

    original: str
    variant: str

    @property
    def texts(self) -> tuple[str, ...]:
        """The original and the variant."""
        return (self.original, self.variant)

    def fails(self, probabilities: NDArray[np.float64]) -> bool:
        """Whether the labels differ."""
        original, variant = probabilities.argmax(axis=1)
        return bool(original != variant)


@dataclass(frozen=True)
class Moved:
    """Two texts of which the second must score higher, or lower (a directional test).

    The score is P(POSITIVE) - P(NEGATIVE), from -1 to 1.
    """

    before: str
    after: str
    up: bool

    @property
    def texts(self) -> tuple[str, ...]:
        """The text before and after the change."""
        return (self.before, self.after)

    def fails(self, probabilities: NDArray[np.float64]) -> bool:
        """Whether the score moves the wrong way by more than `TOLERANCE`."""
        before, after = probabilities[:, POSITIVE] - probabilities[:, NEGATIVE]
        return bool((before - after if self.up else after - before) > TOLERANCE)


Case = Labelled | Unchanged | Moved
