"""How well an engine agrees with the reference on the bundled corpus, and how well it has to."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sentiment.inference.activation import Activation, apply_activation

# Sentences and whole reviews, one a line, written for this.
CORPUS = Path(__file__).with_name("corpus.txt")
LABELS, SCORE = 0.985, 0.03


@dataclass(frozen=True)
class Agreement:
    """`labels`: share of those that stay; `score`: mean move of the score of a text's best one.

    A text has one label, its best; where each has a chance of its own, it has or lacks every one.
    """

    labels: float
    score: float

    @classmethod
    def of(
        cls, logits: NDArray[np.float32], reference: NDArray[np.float32], function: Activation
    ) -> Self:
        """Compare two logits [texts, labels] of the same texts, as scores."""
        texts, best = np.arange(len(reference)), reference.argmax(axis=1)
        difference = apply_activation(logits, function) - apply_activation(reference, function)
        moved = np.abs(difference)[texts, best]
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
