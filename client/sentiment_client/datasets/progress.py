"""A progress bar on stderr, only at a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from sentiment_client.datasets.source import Source


@contextmanager
def progress(source: Source, done: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the number of further rows done; `done` were done before."""
    if sys.stderr is None:
        yield lambda rows: None
        return
    # None: no bar unless stderr is a terminal.
    with tqdm(initial=done, unit=" rows", disable=None, smoothing=0.05) as bar:

        def advance(rows: int) -> None:
            bar.total = source.total
            bar.update(rows)

        yield advance
