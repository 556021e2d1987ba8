"""How exact each engine is: what its answers may differ by, and still count as the same."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.archive.agreement import RESOLUTION


@dataclass(frozen=True)
class Tolerance:
    """Largest differences of logits, as shares of their size: see `difference`.

    `company` is between a text scored alone and the same text scored among others. `reference` is
    between the engine and the torch engine; None where `scripts/archive/agreement.py` decides
    instead, by labels and mean scores.
    """

    company: float
    reference: float | None


# Sums in fp32 depend on their order, and with it on the shape of a batch. In int8 and bf16 such a
# difference can move a value to the next step of its scale, which is 1/254 of a token's largest
# value in int8 and 1/256 of the value itself in bf16.
TOLERANCES: Mapping[str, Tolerance] = {
    "torch": Tolerance(company=1e-4, reference=1e-3),
    "fp32": Tolerance(company=1e-4, reference=1e-3),
    "int8": Tolerance(company=0.05, reference=None),
    "bf16": Tolerance(company=0.1, reference=None),
}


def difference(
    logits: NDArray[np.float32],
    reference: NDArray[np.float32],
    value_range: NDArray[np.float64] | None = None,
) -> float:
    """Largest difference of two logits [texts, labels], relative to a text's largest logit.

    Logits between -1 and 1 are compared as they are. The values of a regression are compared on the
    scale of their `value_range` [labels], and what fp32 cannot tell apart is no difference.
    Infinite where only one of the two is finite.
    """
    size = np.maximum(np.abs(reference).max(axis=-1, keepdims=True), 1)
    with np.errstate(invalid="ignore"):
        moved = np.where(logits == reference, 0, np.abs(logits - reference))
        if value_range is None:
            moved = moved / size
        else:
            moved = np.maximum(moved - RESOLUTION * np.abs(reference), 0) / value_range
    return float(np.nan_to_num(moved, nan=np.inf).max(initial=0))
