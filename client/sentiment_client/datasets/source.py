"""A data set that is read in groups of rows, at constant memory."""

import csv
import gzip
import io
import json
import os
import stat
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from sentiment_client.datasets.formats import Format, format_of
from sentiment_client.datasets.rows import Rows
from sentiment_client.errors import Malformed

STDIN = "-"
# Rows per group, unless the data set ends. Results are written per group, so few are in memory.
GROUP = 256
NOT_UTF8 = Malformed("The row is not UTF-8: convert it.")
# Most bytes of one CSV field: an unpaired quote would read the rest of the file as one field.
_LONGEST_FIELD = 1 << 24

# The fields of a row, and the reason if it cannot be scored.
Row = tuple[Mapping[str, object], Malformed | None]


class Source:
    """The rows of a file, or of stdin if `path` is "-".

    Text formats may be compressed with gzip, as .gz. In CSV, all values are text, as in the file.
    A row that cannot be read is in its place, with the reason. Raises ValueError if `path` has no
    known format, or the data set has no text column of that name.
    """

    def __init__(self, path: str, text_column: str, format: Format | None = None) -> None:  # noqa: A002
        if path == STDIN and format is None:
            raise ValueError("Name the format of stdin with --format.")
        self.path, self.text_column = path, text_column
        self.format = format or format_of(path)
        self.rows_read = 0
        if path == STDIN and self.format == "parquet":
            raise ValueError("Parquet cannot be read from stdin: name the file.")
        if path == STDIN and sys.stdin is None:
            raise ValueError("Standard input is closed: redirect a file to it.")
        self._file = sys.stdin.buffer if path == STDIN else Path(path).open("rb")  # noqa: SIM115

    @property
    def identity(self) -> dict[str, int]:
        """What changes when the file changes: its size in bytes and its time in nanoseconds.

        Empty for a pipe.
        """
        with suppress(OSError):  # a stdin that is no file of the system
            status = os.fstat(self._file.fileno())
            if stat.S_ISREG(status.st_mode):
                return {"size": status.st_size, "modified": status.st_mtime_ns}
        return {}

    @property
    def total(self) -> int | None:
        """The number of rows: exact for Parquet, otherwise estimated from the bytes read so far.

        None for a pipe.
        """
        if self.format == "parquet":
            return int(self._parquet_file.metadata.num_rows)
        size = self.identity.get("size")
        read = self._file.tell() if size else 0
        return round(self.rows_read * size / read) if size and read else None

    def groups(self) -> Generator[Rows, None, None]:
        """All rows, in order, in groups of at most `GROUP`; a source is read once."""
        groups = self._parquet() if self.format == "parquet" else self._grouped(self._text_rows())
        for group in groups:
            if not self.rows_read:
                self._check_column(group)
            self.rows_read += len(group)
            yield group

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.path != STDIN:
            self._file.close()

    def _check_column(self, first: Rows) -> None:
        names = first.table.column_names
        if self.text_column not in names:
            raise ValueError(
                f"The input has no column named {self.text_column!r}: choose one with --column, "
                f"from {', '.join(names)}."
            )

    @cached_property
    def _parquet_file(self) -> Any:
        try:
            return pq.ParquetFile(self._file)
        except pa.ArrowInvalid:
            raise ValueError(f"{self.path} is not a Parquet file: set --format.") from None

    def _parquet(self) -> Iterator[Rows]:
        for batch in self._parquet_file.iter_batches(GROUP):
            table = pa.Table.from_batches([batch]).replace_schema_metadata(None)
            named = self.text_column in table.column_names
            yield Rows(table, table[self.text_column].to_pylist() if named else [None] * len(batch))

    def _text_rows(self) -> Iterator[Row]:
        binary: Any = self._file
        if self.path.lower().endswith(".gz"):
            binary = gzip.GzipFile(fileobj=binary)
        try:
            match self.format:
                case "csv":
                    yield from _csv(binary, ",")
                case "tsv":
                    yield from _csv(binary, "\t")
                case "jsonl":
                    yield from map(_json, filter(bytes.strip, _lines(binary)))
                case _:
                    yield from (_line(line, self.text_column) for line in _lines(binary))
        except (gzip.BadGzipFile, EOFError):
            raise ValueError(
                f"{self.path} is not a complete gzip file: compress it again."
            ) from None

    def _grouped(self, rows: Iterator[Row]) -> Iterator[Rows]:
        while group := list(islice(rows, GROUP)):
            yield Rows.from_dicts(group, self.text_column)


def skipped(groups: Iterable[Rows], count: int) -> Iterator[Rows]:
    """The groups without their first `count` rows; raises ValueError if there are fewer rows."""
    for group in groups:
        if count < len(group):
            yield group.part(count) if count else group
        count = max(count - len(group), 0)
    if count:
        raise ValueError(
            "The input has fewer rows than when this run began: give it from its beginning."
        )


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines without their ends and without a byte order mark."""
    mark = b"\xef\xbb\xbf"
    for line in stream:
        yield line.removeprefix(mark).rstrip(b"\r\n")
        mark = b""


def _line(line: bytes, text_column: str) -> Row:
    try:
        return {text_column: line.decode()}, None
    except UnicodeDecodeError:
        return {text_column: line.decode(errors="replace")}, NOT_UTF8


def _json(line: bytes) -> Row:
    try:
        row = json.loads(line)
        if b"\\ud" in line.lower():  # possibly half of a surrogate pair, which Arrow cannot hold
            json.dumps(row, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        return {}, NOT_UTF8
    except UnicodeEncodeError:
        return {}, Malformed("The row has half of a surrogate pair: repair its \\u escapes.")
    except (ValueError, RecursionError):
        row = None
    if isinstance(row, dict):
        return row, None
    return {}, Malformed("The row is not a JSON object: repair it.")


def _csv(binary: BinaryIO, delimiter: str) -> Iterator[Row]:
    # Bytes that are not UTF-8 become surrogates, so that they fail only their own row.
    text = io.TextIOWrapper(binary, "utf-8-sig", errors="surrogateescape", newline="")
    previous = csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(text, delimiter=delimiter)
    try:
        names = _names(next(reader, []))
        for fields in filter(None, reader):
            # Pads and cuts, so that every row has the same columns.
            row = dict(zip(names, chain(fields, repeat(None)), strict=False))
            error = None
            if len(fields) != len(names):
                error = Malformed(
                    f"The row has {len(fields)} fields and the header {len(names)}: "
                    "repair its quotes or delimiters."
                )
            if not _is_utf8(fields):
                error = NOT_UTF8
                row = {name: _replaced(field) for name, field in row.items()}
            yield row, error
    except csv.Error:
        raise ValueError(
            f"Line {reader.line_num} ends a field of more than {_LONGEST_FIELD >> 20} MiB: "
            "repair the quotes before it."
        ) from None
    finally:
        csv.field_size_limit(previous)
        with suppress(ValueError):  # the file is closed already
            text.detach()  # or it would close stdin


def _names(header: Sequence[str]) -> Sequence[str]:
    if not _is_utf8(header):
        raise ValueError("The header is not UTF-8: convert the file.")
    if len(set(header)) < len(header):
        raise ValueError("The header has a name twice: rename one of the columns.")
    return header


def _is_utf8(fields: Sequence[str]) -> bool:
    try:
        "".join(fields).encode()
    except UnicodeEncodeError:
        return False
    return True


def _replaced(field: str | None) -> str | None:
    return field and field.encode("utf-8", "replace").decode()
