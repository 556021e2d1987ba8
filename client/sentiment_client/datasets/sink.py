"""Write tables to a file, which appears when it is complete."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sentiment_client.datasets.columns import as_text
from sentiment_client.datasets.formats import format_of

Write = Callable[[Any], object]


def write(path: Path, tables: Iterable[Any], schema: Any) -> None:
    """Write tables of one schema to `path`, in the format of its name.

    A file with the old content, or none, is there until the new one is complete. Raises ValueError
    for a format that cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    with _WRITERS[_output_format(path)](partial, schema) as write_table:
        for table in tables:
            write_table(table)
    replace(partial, path)


def check_output(path: Path) -> None:
    """Raise ValueError if `path` has no format that can be written."""
    _output_format(path)


def replace(partial: Path, path: Path) -> None:
    """Rename a complete file, which is on the disk by then."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def _output_format(path: Path) -> str:
    name = format_of(path.name)
    if name not in _WRITERS or path.name.lower().endswith(".gz"):
        raise ValueError(
            f"{path} cannot be written: let its name end in .parquet, .csv, .tsv or .jsonl."
        )
    return name


@contextmanager
def _parquet(path: Path, schema: Any) -> Iterator[Write]:
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield writer.write_table


@contextmanager
def _jsonl(path: Path, schema: Any) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        yield lambda table: file.writelines(
            json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in _rows(table)
        )


@contextmanager
def _csv(path: Path, schema: Any, delimiter: str = ",") -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(schema.names)
        yield lambda table: writer.writerows(map(as_text, row.values()) for row in _rows(table))


@contextmanager
def _tsv(path: Path, schema: Any) -> Iterator[Write]:
    with _csv(path, schema, "\t") as write_table:
        yield write_table


def _rows(table: Any) -> list[dict[str, object]]:
    """The rows as dicts, with None for NaN, which JSON lacks."""
    for i, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            values = table.column(i)
            numbers = pc.if_else(pc.is_nan(values), None, values)
            table = table.set_column(i, field, numbers)
    rows: list[dict[str, object]] = table.to_pylist()
    return rows


_WRITERS = {"parquet": _parquet, "csv": _csv, "tsv": _tsv, "jsonl": _jsonl}
