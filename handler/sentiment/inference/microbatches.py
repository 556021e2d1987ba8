"""Texts' lengths -> microbatches: the rows that one call of the engine scores.

The rows of a microbatch have one width, so a text is put with those of like length; where the
engine packs, several share a row.
"""

from collections.abc import Sequence

from sentiment.inference.engines.engine import width

# Rows of several texts are so wide, where no text is longer and there are tokens enough. In
# narrower ones more is padding, and in wider ones attention, which compares each token of a row
# with each, does more for nothing. Any text may begin one.
_PACKED = 64
# A text begins a row only where it fills this much of it, or all but so many tokens; a shorter one
# waits for narrower rows, unless one that has begun has room for it.
_FILLED = 0.7
_SPARE = 16


def microbatches(
    lengths: Sequence[int], *, tokens: int, step: int, packs: bool
) -> list[list[list[int]]]:
    """Microbatches of rows of texts, those with the longest texts last.

    `lengths` are the texts', in tokens and above 0; a text is named by its place among them. A
    microbatch has at most so many `tokens`, padding included, or one row. `step` and `packs` are
    the engine's. Longest first, each text goes into the first row that has room for it ("first fit
    decreasing", https://en.wikipedia.org/wiki/First-fit-decreasing_bin_packing).
    """
    left = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    found = []
    while left:
        row_width = width(lengths[left[0]], step)
        least = min(_FILLED * row_width, row_width - _SPARE)
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
                if packs:
                    room.append(row_width - length)
            else:
                others.append(index)
        found.append(rows)
        left = others
    return found[::-1]
