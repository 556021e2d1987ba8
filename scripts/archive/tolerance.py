"""How far the logits of each engine may differ and still count as equal."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentiment.inference.agreement import RESOLUTION


@dataclass(frozen=True)
class Tolerance:
    """Largest relative differences of logits, see `difference`.

    `batch_effect` is between a text scored alone and the same text in a batch. `reference` is
    between the engine and the torch engine; None where `Agreement` decides instead, by labels and
    mean scores.
    """

    batch_effect: float
    reference: float | None


# Sums in fp32 depend on their order, which depends on the shape of the batch. In int8 and bf16 such
# a difference can move a value to the next quantization step: 1/254 of a token's largest value in
# int8, 1/256 of the value itself in bf16.
TOLERANCES: Mapping[str, Tolerance] = {
    "torch": Tolerance(batch_effect=1e-4, reference=1e-3),
    "fp32": Tolerance(batch_effect=1e-4, reference=1e-3),
    "int8": Tolerance(batch_effect=0.05, reference=None),
    "bf16": Tolerance(batch_effect=0.1, reference=None),
}


def difference(
    logits: NDArray[np.float32],
    reference: NDArray[np.float32],
    value_range: NDArray[np.float64] | None = None,
) -> float:
    """Largest difference of two logits [texts, labels], relative to a text's largest logit.

    Differences of logits between -1 and 1 are absolute. Those of a regression are relative to its
    `value_range` [labels], and rounding errors of fp32 count as 0. The result is infinite where
    only one of the two is finite.
    """
    size = np.maximum(np.abs(reference).max(axis=-1, keepdims=True), 1)
    with np.errstate(invalid="ignore"):
        moved = np.where(logits == reference, 0, np.abs(logits - reference))
        if value_range is None:
            moved = moved / size
        else:
            moved = np.maximum(moved - RESOLUTION * np.abs(reference), 0) / value_range
    return float(np.nan_to_num(moved, nan=np.inf).max(initial=0))
