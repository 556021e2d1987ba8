"""What every engine does: rows of token ids in, logits out.

Those that run the exported model load their runtime when they are made, so that a worker imports
the one that it uses and no other.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# Those that the settings may name; `model-config.yaml` says what each is.
NAMES = ("auto", "bf16", "int8", "fp32", "torch")

# Each text's token ids are int32 [tokens].
Rows = Sequence[Sequence[NDArray[np.int32]]]


class Engine(Protocol):
    """A model, loaded. Its rows are padded to one width, a multiple of `step` tokens.

    It is fastest with microbatches of up to so many `tokens`, padding included.
    One that `packs` takes several texts in a row, so that hardly a token is padding: each sees
    itself alone. Others take one text a row.
    """

    step: int
    tokens: int
    packs: bool

    def logits(self, rows: Rows) -> NDArray[np.float32]:
        """Logits, float32 [texts, labels], in the order of the rows and of the texts in them."""
        ...


def arrays(rows: Rows, pad: int, step: int) -> dict[str, NDArray[np.int64]]:
    """What a model reads of `rows`, by the name of its input.

    Of [rows, width]: `input_ids`, filled up with `pad`; `attention_mask`, a token's text by its
    number in the row, from 1, and 0 for padding; `position_ids`, a token's place in its text.
    Of [texts]: `first`, where each begins in the flattened rows.
    """
    shape = len(rows), width(max(sum(map(len, row)) for row in rows), step)
    input_ids = np.full(shape, pad, np.int64)
    attention_mask, position_ids = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    first = []
    for index, row in enumerate(rows):
        start = 0
        for number, text in enumerate(row, 1):
            place = index, slice(start, start + len(text))
            input_ids[place] = text
            attention_mask[place] = number
            position_ids[place] = np.arange(len(text))
            first.append(index * shape[1] + start)
            start += len(text)
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "position_ids": position_ids,
        "first": np.array(first, np.int64),
    }


def width(tokens: int, step: int) -> int:
    """The multiple of `step` that holds so many tokens."""
    return -(-tokens // step) * step
