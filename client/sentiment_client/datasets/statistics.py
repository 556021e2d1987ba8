"""What a report shows of a scored data set, collected in constant memory."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import chain
from typing import Any

from sentiment_client.datasets.rows import Rows

# Most values of a group column that are kept; more would fill the memory.
MOST_GROUPS = 10_000
EXAMPLES = 8
CONFIDENCE_BINS = 20


@dataclass(frozen=True)
class Example:
    """One row; `score` is that of its `label`."""

    text: str
    label: str
    score: float


@dataclass
class Statistics:
    """Counts of rows and examples.

    `confidence` counts by bin of the score, of `CONFIDENCE_BINS`, and label; `lengths` by the
    power of two that the number of tokens does not exceed; `days` by day and label; `groups` by
    column, value and label. `telling` are the rows of highest score per label, `uncertain` those
    of lowest score.
    """

    prefix: str = ""
    time: str | None = None
    by: Sequence[str] = ()
    rows: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    truncated: int = 0
    tokens: int = 0
    confidence: Counter[tuple[int, str]] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    days: Counter[tuple[date, str]] = field(default_factory=Counter)
    undated: int = 0
    groups: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    telling: dict[str, list[Example]] = field(default_factory=dict)
    uncertain: list[Example] = field(default_factory=list)

    def add(self, rows: Rows) -> None:
        """Add rows of a file that `score` wrote; raises ValueError if a column is missing."""
        table = rows.table
        labels = [str(label) for label in self._values(table, self.prefix + "label")]
        scores = self._numbers(table, self.prefix + "score")
        tokens = list(map(int, self._numbers(table, self.prefix + "tokens")))
        truncated = self._values(table, self.prefix + "truncated")
        self.rows += len(rows)
        self.labels.update(labels)
        self.tokens += sum(tokens)
        self.truncated += sum(value in (True, "true") for value in truncated)
        self.lengths.update(1 << max(count - 1, 0).bit_length() for count in tokens)
        self.confidence.update(
            (min(int(score * CONFIDENCE_BINS), CONFIDENCE_BINS - 1), label)
            for label, score in zip(labels, scores, strict=True)
        )
        self._add_examples(map(_text, rows.texts), labels, scores)
        if self.time:
            days = list(map(_day, self._values(table, self.time)))
            self.undated += days.count(None)
            dated = zip(days, labels, strict=True)
            self.days.update((day, label) for day, label in dated if day is not None)
        for name in self.by:
            self._add_groups(name, map(_text, self._values(table, name)), labels)

    def _add_examples(
        self, texts: Iterable[str], labels: Sequence[str], scores: Sequence[float]
    ) -> None:
        examples = list(map(Example, texts, labels, scores))
        by_label = defaultdict(list)
        for example in examples:
            by_label[example.label].append(example)
        for label, new in by_label.items():
            best = chain(self.telling.get(label, ()), new)
            self.telling[label] = heapq.nlargest(EXAMPLES, best, key=lambda e: e.score)
        self.uncertain = heapq.nsmallest(
            EXAMPLES, chain(self.uncertain, examples), key=lambda e: e.score
        )

    def _add_groups(self, name: str, values: Iterable[str], labels: Sequence[str]) -> None:
        groups = self.groups.setdefault(name, {})
        for value, label in zip(values, labels, strict=True):
            groups.setdefault(value, Counter())[label] += 1
        if len(groups) > MOST_GROUPS:
            raise ValueError(
                f"The column {name!r} has more than {MOST_GROUPS:,} values: choose another with "
                "--by."
            )

    def _numbers(self, table: Any, name: str) -> list[float]:
        values = self._values(table, name)
        try:
            return list(map(float, values))
        except (TypeError, ValueError):
            raise ValueError(
                f"The column {name!r} holds more than numbers: give a file that `sentiment score` "
                "wrote."
            ) from None

    @staticmethod
    def _values(table: Any, name: str) -> list[Any]:
        if name not in table.column_names:
            raise ValueError(
                f"The input has no column named {name!r}: give a file that `sentiment score` "
                f"wrote, and choose from {', '.join(table.column_names)}."
            )
        values: list[Any] = table[name].to_pylist()
        return values


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _day(value: object) -> date | None:
    """The day of a date, a time, or text in ISO 8601; None for anything else."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return datetime.fromisoformat(str(value).strip()).date()
    except ValueError:
        return None
