"""Whether an engine scores a text in any batch as it scores it alone.

Some architectures mix the rows of a batch, or let padding change a score; so may an exported graph.
One client's text would then change another client's answer.
"""

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scripts.archive.tolerance import difference
from sentiment.inference.engines.engine import Engine, Layout, Rows

Texts = Sequence[NDArray[np.int32]]
Logits = NDArray[np.float32]

_BATCHES = 24
_LARGEST_BATCH = 20
# Most tokens of a batch, padding included; two texts may have more.
_TOKENS = 2048
# Packed rows are at least this wide, so that short texts share rows too.
_WIDTH = 64


def score_alone(engine: Engine, texts: Texts) -> Logits:
    """Logits [texts, labels], with one call per text."""
    return np.concatenate([engine.logits([[text]]) for text in texts])


def batch_effect(
    engine: Engine,
    texts: Texts,
    logits_alone: Logits,
    value_range: NDArray[np.float64] | None = None,
) -> float:
    """Largest change of a text's logits by other texts, over random batches in the engine's layout.

    `texts` are token ids, int32 [tokens]. `logits_alone` [texts, labels] are those of
    `score_alone`. `value_range` [labels] is that of a regression, see `tolerance.difference`.
    """
    draw = random.Random(0)  # noqa: S311
    largest = 0.0
    for _ in range(_BATCHES):
        rows = random_rows([len(text) for text in texts], engine.layout, draw)
        logits = engine.logits(pick(texts, rows))
        indices = [index for row in rows for index in row]
        largest = max(largest, difference(logits, logits_alone[indices], value_range))
    return largest


def random_rows(lengths: Sequence[int], layout: Layout, draw: random.Random) -> list[list[int]]:
    """A random batch that the layout allows: rows of indices of texts, in any order."""
    first = draw.randrange(len(lengths))
    others = [
        index
        for index, length in enumerate(lengths)
        if index != first and layout != "single" and (layout != "equal" or length == lengths[first])
    ]
    size = draw.randint(1, _LARGEST_BATCH)
    batch = [first, *draw.sample(others, min(size, len(others)))]
    width = max(lengths[index] for index in batch)
    while len(batch) > 2 and len(batch) * width > _TOKENS:
        batch.pop()
        width = max(lengths[index] for index in batch)
    draw.shuffle(batch)
    if layout != "packed":
        return [[index] for index in batch]
    rows: list[list[int]] = []
    for index in batch:
        room = max(width, _WIDTH) - sum(lengths[other] for other in rows[-1]) if rows else 0
        if lengths[index] <= room and draw.random() < 0.9:
            rows[-1].append(index)
        else:
            rows.append([index])
    return rows


def pick(texts: Texts, rows: Sequence[Sequence[int]]) -> Rows:
    """The texts at these indices, in the same rows."""
    return [[texts[index] for index in row] for row in rows]
