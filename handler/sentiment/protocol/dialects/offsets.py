"""Where a text's sentences are, in the unit that a client counts in."""

from collections.abc import Iterator
from typing import Literal

from sentiment.inference.prediction import Sentence

# Code points have four bytes in UTF-32, UTF-16 has units of two.
Unit = Literal["utf-8", "utf-16-le", "utf-32-le"]
_BYTES: dict[Unit, int] = {"utf-8": 1, "utf-16-le": 2, "utf-32-le": 4}


def located(
    text: str, sentences: tuple[Sentence, ...], unit: Unit
) -> Iterator[tuple[Sentence, str, int, int]]:
    """Each sentence with its text, and its offset and length in units."""

    def units(piece: str) -> int:
        return len(piece.encode(unit)) // _BYTES[unit]

    offset = end = 0
    for sentence in sentences:
        content = text[sentence.start : sentence.end]
        offset += units(text[end : sentence.start])
        yield sentence, content, offset, units(content)
        offset, end = offset + units(content), sentence.end
