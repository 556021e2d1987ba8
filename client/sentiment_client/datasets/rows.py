"""A group of rows of a data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from sentiment_client.datasets.columns import column
from sentiment_client.errors import SentimentError


@dataclass(frozen=True)
class Rows:
    """`table`: [rows, columns], as in the data set. `texts` has one entry per row.

    An entry of `texts` is what the text column holds, a str or not, or the error of a row that
    cannot be read. In the table, such a row has nulls for what is missing.
    """

    table: Any
    texts: Sequence[object]

    @classmethod
    def from_dicts(
        cls, rows: Sequence[tuple[Mapping[str, object], SentimentError | None]], text_column: str
    ) -> Self:
        """Rows of dicts, each with an error or None."""
        keys = dict.fromkeys(key for fields, _ in rows for key in fields) or [text_column]
        return cls(
            pa.table({key: column([fields.get(key) for fields, _ in rows]) for key in keys}),
            [error or fields.get(text_column) for fields, error in rows],
        )

    def __len__(self) -> int:
        return len(self.texts)

    def part(self, start: int, end: int | None = None) -> Self:
        """The rows from `start` to before `end`."""
        texts = self.texts[start:end]
        return type(self)(self.table.slice(start, len(texts)), texts)
