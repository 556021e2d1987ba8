"""Rows that are done, kept in files, so that a run that was killed can be continued.

    OUTPUT.parts/
        run.json                 what the run depends on: the input and the options
        000000000000.parquet     the rows from number 0 on, with their results
        000000004096.parquet     the rows after them

A part appears by a rename, complete, and holds the rows after those of the part before it. So a row
is either done, or it is scored again; the state is nothing but the parts.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pyarrow.parquet as pq

from sentiment_client.datasets.columns import conformed, unified
from sentiment_client.datasets.sink import replace

_RUN = "run.json"


def has_run(folder: Path) -> bool:
    """Whether the folder holds a run that has not ended."""
    return (folder / _RUN).exists()


class Parts:
    """The parts of one run; `rows` is the number of rows done."""

    def __init__(self, folder: Path, paths: list[Path]) -> None:
        self.folder, self._paths = folder, paths
        self.rows = sum(pq.read_metadata(path).num_rows for path in paths)

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, run: Mapping[str, object], *, restart: bool) -> Iterator[Self]:
        """The parts of this run: none, or those of the run that was killed.

        `run` is what must be the same for that, as JSON. Raises ValueError if it differs, unless
        `restart`, which starts again, or if another process has the folder open.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            if restart or not has_run(folder):
                for path in folder.iterdir():
                    path.unlink()
                partial = folder / f"{_RUN}.partial"
                partial.write_text(json.dumps(run), encoding="utf-8")
                replace(partial, folder / _RUN)
            before = json.loads((folder / _RUN).read_text(encoding="utf-8"))
            for name in run:
                if before.get(name) != json.loads(json.dumps(run[name])):
                    raise ValueError(
                        f"{name} has changed since the run began that {folder} continues: restore "
                        "it, or start again with --overwrite."
                    )
            yield cls(folder, sorted(folder.glob("*.parquet")))

    def add(self, table: Any) -> None:
        """Keep the next rows: when this returns, they are done."""
        path = self.folder / f"{self.rows:012}.parquet"
        partial = path.with_suffix(".partial")
        pq.write_table(table, partial, compression="zstd")
        replace(partial, path)
        self._paths.append(path)
        self.rows += table.num_rows

    @property
    def schema(self) -> Any:
        """One schema with the columns of all parts."""
        return unified([pq.read_schema(path) for path in self._paths])

    def tables(self) -> Iterator[Any]:
        """The parts as tables of that schema, in order."""
        schema = self.schema
        for path in self._paths:
            yield conformed(pq.read_table(path, use_threads=False), schema)

    def remove(self) -> None:
        """Delete the folder; it counts as none from the first step on."""
        (self.folder / _RUN).unlink()
        shutil.rmtree(self.folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes out until this one ends, however it ends."""
    if os.name != "posix":  # other systems have no such locks
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ValueError(f"Another process is using {folder}: wait for it.") from None
    finally:
        os.close(descriptor)
