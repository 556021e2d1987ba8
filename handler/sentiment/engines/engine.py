"""What every engine does: token ids in, logits out.

Those that run the exported model load their runtime when
they are made, so that a worker imports the one that it uses and no other.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# Those that the settings may name; `model-config.yaml` says what each is.
NAMES = ("auto", "bf16", "int8", "fp32", "torch")

Ids = Sequence[NDArray[np.int32]]


class Engine(Protocol):
    """A model, loaded. Texts are padded to a multiple of `step` tokens."""

    step: int

    def logits(self, ids: Ids) -> NDArray[np.float32]:
        """Texts' token ids, each int32 [tokens] -> logits, float32 [texts, labels]."""
        ...


def padded(ids: Ids, pad: int, step: int) -> dict[str, NDArray[np.int64]]:
    """Ids on the left, `pad` on the right: `input_ids` and `attention_mask`, [texts, width]."""
    shape = len(ids), width(max(map(len, ids)), step)
    input_ids, attention_mask = np.full(shape, pad, np.int64), np.zeros(shape, np.int64)
    for row, text in enumerate(ids):
        input_ids[row, : len(text)] = text
        attention_mask[row, : len(text)] = 1
    return {"input_ids": input_ids, "attention_mask": attention_mask}


def width(tokens: int, step: int) -> int:
    """The multiple of `step` that holds so many tokens."""
    return -(-tokens // step) * step
