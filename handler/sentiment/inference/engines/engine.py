"""The interface of engines: rows of token ids in, logits out.

An engine imports its runtime when it is created, so a worker imports only the one it uses.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sentiment.inference.tokens import SECOND

# Which texts one call may score together.
# packed: several texts per row, each of which attends only to itself (sequence packing).
# padded: one text per row; short rows are padded.
# equal: one text per row, all of the same length, for models whose scores padding changes.
# single: one text per call, for models whose rows influence each other.
Layout = Literal["packed", "padded", "equal", "single"]

# Rows of texts; a text is its `Ids`, int32 [tokens].
Rows = Sequence[Sequence[NDArray[np.int32]]]


class Engine(Protocol):
    """A loaded model.

    It pads all rows to the same width, a multiple of `pad_to_multiple_of` tokens. Its throughput is
    best with microbatches of up to `best_microbatch_tokens` tokens, padding included.
    """

    layout: Layout
    pad_to_multiple_of: int
    best_microbatch_tokens: int

    def logits(self, rows: Rows) -> NDArray[np.float32]:
        """Logits, float32 [texts, labels], in the order of the rows and of the texts in them."""
        ...


def arrays(rows: Rows, pad_token_id: int, pad_to_multiple_of: int) -> dict[str, NDArray[np.int64]]:
    """Model inputs for `rows`, by input name.

    Of shape [rows, width]: `input_ids`, padded with `pad_token_id`; `token_type_ids`, 1 for the
    tokens of the second text of a pair, if the ids say so, else 0; `segment_ids`, the number of a
    token's text within its row, from 1, and 0 for padding; `attention_mask`, 1 for tokens and 0 for
    padding; `position_ids`, a token's position in its text, from 0.
    Of shape [texts]: `first_token`, the index of each text's first token in the flattened rows.
    """
    width = padded_width(max(sum(map(len, row)) for row in rows), pad_to_multiple_of)
    input_ids = np.full((len(rows), width), pad_token_id, np.int64)
    segment_ids, position_ids = np.zeros_like(input_ids), np.zeros_like(input_ids)
    first_token = []
    for index, row in enumerate(rows):
        start = 0
        for number, text in enumerate(row, 1):
            place = index, slice(start, start + len(text))
            input_ids[place] = text
            segment_ids[place] = number
            position_ids[place] = np.arange(len(text))
            first_token.append(index * width + start)
            start += len(text)
    return {
        "input_ids": input_ids & (SECOND - 1),
        "token_type_ids": (input_ids >= SECOND).astype(np.int64),
        "segment_ids": segment_ids,
        "attention_mask": (segment_ids > 0).astype(np.int64),
        "position_ids": position_ids,
        "first_token": np.array(first_token, np.int64),
    }


def padded_width(tokens: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is at least `tokens`."""
    return -(-tokens // multiple) * multiple
