"""Lines are yielded as soon as they are read."""

import io

import pytest

from sentiment_client._lines import arriving_lines


class Pipe(io.BytesIO):
    """A stream that is read in the same pieces in which it was written."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__()
        self.pieces = list(pieces)

    def read1(self, size: int | None = -1, /) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


@pytest.mark.parametrize(
    ("pieces", "lists"),
    [
        ([], []),
        ([b"one\n"], [["one"]]),
        ([b"one\ntwo"], [["one"], ["two"]]),
        ([b"one\r\n\ntwo\n", b"three\n"], [["one", "", "two"], ["three"]]),
        ([b"caf\xc3", b"\xa9\nend"], [[], ["café"], ["end"]]),
        ([b"\xef\xbb\xbfone\n"], [["one"]]),
        ([b"\n"], [[""]]),
    ],
)
def test_each_read_yields_the_lines_that_it_completes(
    pieces: list[bytes], lists: list[list[str]]
) -> None:
    assert list(arriving_lines(Pipe(*pieces))) == lists


def test_lines_before_one_that_is_not_utf8_are_yielded() -> None:
    lines = arriving_lines(Pipe(b"one\n", b"two\ncaf\xe9\nfour\n"))
    assert next(lines) == ["one"]
    assert next(lines) == ["two"]
    with pytest.raises(ValueError, match="line 3 of the input is not UTF-8"):
        next(lines)
