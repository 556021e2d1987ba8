"""The columns that scoring adds to a data set."""

from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sentiment_client.errors import SentimentError
from sentiment_client.models import Prediction, Result

# Until the output is written, the names of result columns start with this, as no column of a data
# set does. The score of each label has a column of its own.
_MARK = "\0"
_SCORE_OF = "score_"
# The columns that only a failed row has.
_FAILURE = ("row", "error", "error_type")


def with_results(table: Any, results: Sequence[Result], first_row: int, prefix: str) -> Any:
    """Add the result of each row to a table [rows, columns], whose first row has this number.

    The columns become those of `scored` and `failed`. Raises ValueError if a name that starts with
    `prefix` there would be that of a column of the table.
    """
    predictions = [result if isinstance(result, Prediction) else None for result in results]
    errors = [result if isinstance(result, SentimentError) else None for result in results]
    labels = dict.fromkeys(label for p in predictions if p for label in p.scores)
    columns = {
        "label": pa.array([p and p.label for p in predictions], pa.string()),
        "score": pa.array([p and p.score for p in predictions], pa.float64()),
        **{
            f"{_SCORE_OF}{label}": pa.array(
                [p and p.scores.get(label) for p in predictions], pa.float64()
            )
            for label in labels
        },
        "tokens": pa.array([p and p.tokens for p in predictions], pa.int64()),
        "windows": pa.array([p and p.windows for p in predictions], pa.int64()),
        "truncated": pa.array([p and p.truncated for p in predictions], pa.bool_()),
        "row": pa.array(range(first_row, first_row + len(results)), pa.int64()),
        "error": pa.array([e and e.message for e in errors], pa.string()),
        "error_type": pa.array([e and type(e).__name__ for e in errors], pa.string()),
    }
    _check_names(columns, table.column_names, prefix)
    for name, values in columns.items():
        table = table.append_column(_MARK + name, values)
    return table


def scored(table: Any, prefix: str) -> Any:
    """The rows with a prediction, and these columns after those of the data set.

    label (string), score and score_LABEL (double, 0 to 1), tokens and windows (int64), and
    truncated (bool).
    """
    rows = table.filter(pc.is_null(table[f"{_MARK}error"]))
    return _renamed(rows, prefix, [name for name in _added(table) if name not in _FAILURE])


def failed(table: Any, prefix: str) -> Any:
    """The rows without a prediction, and these columns after those of the data set.

    row (int64, the number of the row in the data set, from 1), error and error_type (string).
    """
    rows = table.filter(pc.is_valid(table[f"{_MARK}error"]))
    return _renamed(rows, prefix, _FAILURE)


def _added(table: Any) -> list[str]:
    return [name[len(_MARK) :] for name in table.column_names if name.startswith(_MARK)]


def _renamed(table: Any, prefix: str, added: Sequence[str]) -> Any:
    """The table with the columns of the data set and the `added` ones, under their final names."""
    kept = [name for name in table.column_names if not name.startswith(_MARK)]
    chosen = table.select([*kept, *(_MARK + name for name in added)])
    return chosen.rename_columns([*kept, *(prefix + name for name in added)])


def _check_names(added: Collection[str], names: Collection[str], prefix: str) -> None:
    for name in added:
        if prefix + name in names:
            raise ValueError(
                f"The input has a column named {prefix + name!r}, as the results do: let the names "
                "of the results start with something else, as with --prefix predicted_."
            )
