"""Score a whole data set into a file; a run that was killed is continued."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from sentiment_client.datasets.columns import concatenated
from sentiment_client.datasets.parts import Parts, has_run
from sentiment_client.datasets.progress import progress
from sentiment_client.datasets.results import failed, scored, with_results
from sentiment_client.datasets.rows import Rows
from sentiment_client.datasets.sink import check_output, write
from sentiment_client.datasets.source import Source, skipped
from sentiment_client.datasets.stream import Scorer

# A part is written after this many rows, bytes or seconds: what a kill can cost.
ROWS_PER_PART, BYTES_PER_PART, SECONDS_PER_PART = 8192, 1 << 22, 10.0

logger = logging.getLogger("sentiment_client")


@dataclass(frozen=True)
class Output:
    """Where results go: `path`, and `failed` for the rows without one.

    The names of the result columns start with `prefix`. `overwrite` replaces the file and a run
    that was killed.
    """

    path: Path
    failed: Path
    prefix: str = ""
    overwrite: bool = False

    @property
    def parts(self) -> Path:
        """The folder of rows done, until all are."""
        return self.path.with_name(f"{self.path.name}.parts")

    def check(self) -> None:
        """Raise ValueError for a format that cannot be written, or a file that exists."""
        for path in (self.path, self.failed):
            check_output(path)
        if self.path == self.failed:
            raise ValueError("The failed rows need a file of their own: change --failed.")
        if not self.overwrite and not has_run(self.parts):
            for path in filter(Path.exists, (self.path, self.failed)):
                raise ValueError(f"{path} exists: replace it with --overwrite.")


@dataclass(frozen=True)
class Summary:
    """Numbers of rows: all, and those without a result."""

    rows: int
    failed: int


def score(source: Source, scorer: Scorer, output: Output, options: Mapping[str, object]) -> Summary:
    """Score all rows of `source`, and write those with a result and those without.

    `options` is what must not change while a run is continued, by names for an error message.
    Raises ValueError for an input that cannot be read or has changed, and SentimentError when the
    engine fails; the rows done by then are kept.
    """
    with closing(source.groups()) as groups:
        first = next(groups, None)
        if first is None:
            raise ValueError("The input has no rows.")
        run = {"The input": source.identity or _digest(first), **options}
        with Parts.opened(output.parts, run, restart=output.overwrite) as parts:
            _score(source, skipped(chain([first], groups), parts.rows), scorer, output, parts)
            return _finish(parts, output)


def _score(
    source: Source, groups: Iterator[Rows], scorer: Scorer, output: Output, parts: Parts
) -> None:
    if parts.rows:
        logger.info("continuing after the %s rows that are done", f"{parts.rows:,}")
    done: list[Any] = []
    rows = parts.rows
    due = time.monotonic() + SECONDS_PER_PART
    with progress(source, parts.rows) as advance:
        try:
            for group, results in scorer(groups, parts.rows):
                done.append(with_results(group.table, results, rows + 1, output.prefix))
                rows += len(group)
                advance(len(group))
                size = sum(table.nbytes for table in done)
                full = rows - parts.rows >= ROWS_PER_PART or size >= BYTES_PER_PART
                if full or time.monotonic() >= due:
                    parts.add(concatenated(done))
                    done = []
                    due = time.monotonic() + SECONDS_PER_PART
        except BaseException:
            if done:
                parts.add(concatenated(done))
            if parts.rows:
                done_rows = f"{parts.rows:,}"
                logger.warning("%s rows are done: run the same command again", done_rows)
            else:
                parts.remove()
            raise
    if done:
        parts.add(concatenated(done))


def _finish(parts: Parts, output: Output) -> Summary:
    """Write the files from the parts. A kill on the way leaves the parts, and this is repeated."""
    failures = sum(failed(table, "").num_rows for table in parts.tables())
    if failures:
        _write(output.failed, parts, failed, output.prefix)
    else:
        output.failed.unlink(missing_ok=True)
    _write(output.path, parts, scored, output.prefix)
    parts.remove()
    return Summary(parts.rows, failures)


def _write(path: Path, parts: Parts, select: Callable[[Any, str], Any], prefix: str) -> None:
    schema = select(parts.schema.empty_table(), prefix).schema
    write(path, (select(table, prefix) for table in parts.tables()), schema)


def _digest(first: Rows) -> str:
    """What stands for the identity of stdin, which has no size: a hash of its first rows."""
    content = json.dumps(first.table.to_pylist(), default=str)
    return hashlib.sha256(content.encode()).hexdigest()
