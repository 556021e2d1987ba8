"""The lines of a file or a pipe, as they arrive."""

from collections.abc import Iterator
from io import BufferedIOBase

# The most bytes per read. A pipe holds 64 KiB.
BLOCK = 1 << 20


def arriving_lines(stream: BufferedIOBase) -> Iterator[list[str]]:
    """The lines in the groups in which they arrive.

    A line does not wait for later ones, and only a part of a file is held in memory. Raises
    ValueError for a line that is not UTF-8, after the lines before it.
    """
    rest, count = b"", 0
    while block := stream.read1(BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        yield from _decoded(lines, count)
        count += len(lines)
    if rest:
        yield from _decoded([rest], count)


def _decoded(lines: list[bytes], before: int) -> Iterator[list[str]]:
    texts: list[str] = []
    try:
        for line in lines:
            mark = "" if before or texts else "\ufeff"  # some editors begin a file with it
            texts.append(line.decode("utf-8").removeprefix(mark).rstrip("\r"))
    except UnicodeDecodeError:
        yield texts
        raise ValueError(
            f"line {before + len(texts) + 1} of the input is not UTF-8: convert it, as with "
            "iconv -f latin1 -t utf-8."
        ) from None
    yield texts
