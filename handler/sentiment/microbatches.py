"""Texts' lengths -> microbatches: the rows that one call of the engine scores.

The rows of a microbatch have one width, so a text is put with those of like length, and
where the engine packs, several short ones into a row.
"""

from collections.abc import Sequence

from sentiment.engines.engine import width

# Rows that are packed are no narrower than this: less leaves more padding, and more makes
# attention, which compares each token of a row with each, do more for nothing.
_PACKED = 64
# A text begins a row only where it fills this much of it; a shorter one waits for narrower rows.
_FILLED = 0.7


def microbatches(
    lengths: Sequence[int], *, tokens: int, step: int, packs: bool
) -> list[list[list[int]]]:
    """Indices of `lengths`, in tokens: microbatches of rows of texts, the longest texts last.

    A microbatch has at most so many `tokens`, padding included, or one row. `step` and `packs` are
    the engine's. Longest first, each text goes into the first row that has room for it ("first fit
    decreasing", https://en.wikipedia.org/wiki/First-fit-decreasing_bin_packing).
    """
    left = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    found = []
    while left:
        row_width = width(lengths[left[0]], step)
        least = _FILLED * row_width
        if packs and row_width <= _PACKED:
            row_width, least = width(min(_PACKED, sum(lengths[i] for i in left)), step), 0
        rows: list[list[int]] = []
        room: list[int] = []
        others = []
        for index in left:
            length = lengths[index]
            row = next((row for row, free in enumerate(room) if free >= length), None)
            if row is not None:
                rows[row].append(index)
                room[row] -= length
            elif not rows or (length >= least and (len(rows) + 1) * row_width <= tokens):
                rows.append([index])
                room.append(row_width - length if packs else 0)
            else:
                others.append(index)
        found.append(rows)
        left = others
    return found[::-1]
