"""Group texts into microbatches: the rows that one call of the engine scores.

All rows of a microbatch have the same width, so texts of similar length share a microbatch. In
packed rows several texts share a row.
"""

from collections.abc import Sequence

from sentiment.inference.engines.engine import Layout, padded_width

# Width of packed rows, unless a text is longer or there are fewer tokens: narrower rows waste
# padding, wider ones waste attention, whose cost is quadratic. Any text may start such a row.
_PACKED = 64
# A text starts a wider row only if it fills this fraction of it, or leaves at most _SPARE tokens. A
# shorter text goes into a row with room for it, or waits for a microbatch with narrower rows.
_FILLED = 0.7
_SPARE = 16


def microbatches(
    lengths: Sequence[int], *, tokens: int, layout: Layout, pad_to_multiple_of: int
) -> list[list[list[int]]]:
    """Microbatches of rows of texts, the longest texts last.

    `lengths` are the texts' numbers of tokens, above 0; rows hold indices of them. A microbatch has
    at most `tokens` tokens, padding included, or one row. `layout` and `pad_to_multiple_of` are
    the engine's. Longest first, each text goes into the first row that has room for it ("first fit
    decreasing", https://en.wikipedia.org/wiki/First-fit-decreasing_bin_packing).
    """
    packs = layout == "packed"
    waiting = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    result = []
    while waiting:
        width = padded_width(lengths[waiting[0]], pad_to_multiple_of)
        least = width if layout == "equal" else min(_FILLED * width, width - _SPARE)
        if packs and width <= _PACKED:
            total = sum(lengths[index] for index in waiting)
            width, least = padded_width(min(_PACKED, total), pad_to_multiple_of), 0
        most_rows = 1 if layout == "single" else tokens // width
        rows: list[list[int]] = []
        room: list[int] = []
        others = []
        for index in waiting:
            length = lengths[index]
            row = next((row for row, free in enumerate(room) if free >= length), None)
            if row is not None:
                rows[row].append(index)
                room[row] -= length
            elif not rows or (length >= least and len(rows) < most_rows):
                rows.append([index])
                if packs:
                    room.append(width - length)
            else:
                others.append(index)
        result.append(rows)
        waiting = others
    return result[::-1]
