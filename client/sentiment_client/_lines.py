"""Read lines from a file or a pipe as they arrive."""

from collections.abc import Iterator
from io import BufferedIOBase

# Maximum bytes per read. A pipe holds 64 KiB.
BLOCK = 1 << 20


def arriving_lines(stream: BufferedIOBase) -> Iterator[list[str]]:
    """Yield the lines in the groups in which they arrive.

    A line does not wait for later ones, and at most `BLOCK` bytes and one line are in memory. After
    the lines before it, a line that is not UTF-8 raises ValueError.
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
            mark = "" if before or texts else "\ufeff"  # a byte order mark
            texts.append(line.decode("utf-8").removeprefix(mark).rstrip("\r"))
    except UnicodeDecodeError:
        yield texts
        raise ValueError(
            f"line {before + len(texts) + 1} of the input is not UTF-8: convert it, for example "
            "with iconv -f latin1 -t utf-8."
        ) from None
    yield texts
