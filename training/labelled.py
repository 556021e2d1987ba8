"""Read anyone's labelled texts: a folder of CSV files and JSON lines, each file a set.

Both have the columns `text` and `label`, a name or a number of the model's labels, and may be
gzipped: `*.csv`, `*.jsonl`, `*.csv.gz`, `*.jsonl.gz`.
"""

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts.failure import Failure
from training.data import EvaluationSet

# A column of long documents; the module's own limit is 131,072 characters.
_LONGEST_FIELD = 1 << 27


def labelled_sets(folder: Path, labels: Sequence[str]) -> list[EvaluationSet]:
    """Return a set per file, by name; its labels are indices of `labels`, the model's.

    Upper and lower case are the same. Raises OSError, and Failure for a file that is none of the
    kinds above or a row without a text or with another label.
    """
    numbers = {name.lower(): number for number, name in enumerate(labels)}
    numbers = {str(number): number for number in range(len(labels))} | numbers
    sets = []
    for path in sorted(folder.iterdir()):
        if path.name.removesuffix(".gz").endswith((".csv", ".jsonl")):
            rows = [_labelled(path, line, row, numbers) for line, row in _rows(path)]
            texts = [text for text, _ in rows]
            sets.append(EvaluationSet(path.name.split(".")[0], texts, [label for _, label in rows]))
    return [rows for rows in sets if rows.texts]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, row)."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as lines:
        if path.name.removesuffix(".gz").endswith(".csv"):
            csv.field_size_limit(_LONGEST_FIELD)
            reader = csv.DictReader(lines)
            yield from ((reader.line_num, row) for row in reader)
            return
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise Failure(f"{path}, line {number}: write one JSON object per line.")
            yield number, row


def _labelled(
    path: Path, line: int, row: dict[str, Any], numbers: dict[str, int]
) -> tuple[str, int]:
    text, label = row.get("text"), numbers.get(str(row.get("label")).lower())
    if not isinstance(text, str) or not text.strip():
        raise Failure(f"{path}, line {line}: write a text into the column text.")
    if label is None:
        raise Failure(
            f"{path}, line {line}: write one of the model's labels into the column label: "
            f"{', '.join(name for name in numbers if not name.isdigit())}."
        )
    return text, label
