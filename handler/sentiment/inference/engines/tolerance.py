"""How exact each engine is: what its answers may differ by, and still count as the same."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tolerance:
    """Largest differences of logits, relative to their size: see `difference`.

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


def difference(logits: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Largest difference of two logits [texts, labels], relative to a text's largest logit.

    Logits between -1 and 1 are compared as they are. Infinite where only one of them is finite.
    """
    size = np.maximum(np.abs(reference).max(axis=-1, keepdims=True), 1)
    with np.errstate(invalid="ignore"):
        moved = np.where(logits == reference, 0, np.abs(logits - reference) / size)
    return float(np.nan_to_num(moved, nan=np.inf).max(initial=0))
