"""Compare the results of two models for the same rows."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, tee
from typing import Any

from sentiment_client.datasets.rows import Rows
from sentiment_client.datasets.stream import Predict, with_results
from sentiment_client.models import Prediction, Result

# Most values of a column that are slices; more would fill the memory.
MOST_SLICES = 1_000
# Upper ends of the slices by length, in tokens.
_LENGTHS = (16, 64, 256)
_BINS = 1_000


@dataclass(frozen=True)
class Pair:
    """The results of one text; `label_a` and `label_b` are labels, or the error of a failure.

    `shift` is the change of A's best score, -1 to 1: B's score of the same label, less A's. It is
    0 if either has failed.
    """

    text: str
    label_a: str
    label_b: str
    shift: float

    @property
    def is_flip(self) -> bool:
        """Whether the labels differ; a failure of one of them counts as another label."""
        return self.label_a != self.label_b

    @property
    def weight(self) -> tuple[bool, float]:
        """How bad it is: flips first, then by shift."""
        return self.is_flip, abs(self.shift)


@dataclass
class Slice:
    """Sums over some of the rows."""

    rows: int = 0
    flips: int = 0
    shift: float = 0.0

    def add(self, pair: Pair) -> None:
        """Add one row."""
        self.rows += 1
        self.flips += pair.is_flip
        self.shift += abs(pair.shift)

    def as_dict(self) -> dict[str, float]:
        """rows, flips, flip_rate and mean_shift."""
        return {
            "rows": self.rows,
            "flips": self.flips,
            "flip_rate": self.flips / self.rows,
            "mean_shift": self.shift / self.rows,
        }


@dataclass
class Comparison:
    """What changes from A to B, in constant memory.

    `transitions` counts rows by both labels, `worst` has the pairs of most weight, and `slices`
    the sums per value of a column, by its name.
    """

    most_worst: int
    total: Slice = field(default_factory=Slice)
    transitions: Counter[tuple[str, str]] = field(default_factory=Counter)
    worst: list[Pair] = field(default_factory=list)
    slices: dict[str, dict[str, Slice]] = field(default_factory=dict)
    _shifts: Counter[int] = field(default_factory=Counter)
    _largest: float = 0.0

    def add(self, pair: Pair, values: Mapping[str, str]) -> None:
        """Add one row; `values` are its slices, by column. Raises ValueError for too many."""
        self.total.add(pair)
        self.transitions[pair.label_a, pair.label_b] += 1
        self._shifts[min(int(abs(pair.shift) * _BINS), _BINS - 1)] += 1
        self._largest = max(self._largest, abs(pair.shift))
        for name, value in values.items():
            slices = self.slices.setdefault(name, {})
            if value not in slices and len(slices) == MOST_SLICES:
                raise ValueError(
                    f"The column {name!r} has more than {MOST_SLICES:,} values: choose another "
                    "with --by."
                )
            slices.setdefault(value, Slice()).add(pair)

    def keep_worst(self, pairs: Iterable[Pair]) -> None:
        """Keep those of most weight, among these and those before."""
        changed = (pair for pair in pairs if pair.is_flip or pair.shift)
        self.worst = heapq.nlargest(
            self.most_worst, chain(self.worst, changed), key=lambda pair: pair.weight
        )

    def quantile(self, fraction: float) -> float:
        """The absolute shift that this fraction of the rows does not exceed, within 0.001."""
        left = fraction * self.total.rows
        for number in sorted(self._shifts):
            left -= self._shifts[number]
            if left <= 0:
                return min((number + 1) / _BINS, self._largest)
        return self._largest

    def as_dict(self) -> dict[str, object]:
        """All of it, for JSON."""
        return {
            **self.total.as_dict(),
            "shift": {
                "p50": self.quantile(0.5),
                "p95": self.quantile(0.95),
                "p99": self.quantile(0.99),
                "max": self._largest,
            },
            "transitions": [
                {"a": a, "b": b, "rows": rows} for (a, b), rows in self.transitions.most_common()
            ],
            "slices": {
                name: {value: part.as_dict() for value, part in slices.items()}
                for name, slices in self.slices.items()
            },
            "worst": [
                {"text": p.text, "a": p.label_a, "b": p.label_b, "shift": p.shift}
                for p in self.worst
            ],
        }


def compare(
    groups: Iterable[Rows], a: Predict, b: Predict, *, by: Iterable[str] = (), worst: int = 10
) -> Comparison:
    """Score all rows with A and B at the same time.

    There is a slice per label of A, per range of lengths, and per value of each column in `by`.
    Raises ValueError if a column is missing or has too many values, and SentimentError.
    """
    comparison = Comparison(worst)
    columns = list(by)
    for rows, results in _both(groups, a, b):
        for name in columns:
            if name not in rows.table.column_names:
                raise ValueError(f"The input has no column named {name!r}: change --by.")
        values = {name: rows.table[name].to_pylist() for name in columns}
        pairs = []
        for i, (text, (result_a, result_b)) in enumerate(zip(rows.texts, results, strict=True)):
            pair = _pair(text, result_a, result_b)
            slices = {"label of A": pair.label_a, "tokens": _length(result_a, result_b)}
            comparison.add(pair, slices | {name: str(values[name][i]) for name in columns})
            pairs.append(pair)
        comparison.keep_worst(pairs)
    return comparison


def _both(
    groups: Iterable[Rows], a: Predict, b: Predict
) -> Iterator[tuple[Rows, list[tuple[Result, Result]]]]:
    # Neither is ahead of the other by more than its requests in flight, so little is buffered.
    for_a, for_b = tee(groups)
    streams = zip(with_results(for_a, a), with_results(for_b, b), strict=True)
    for (rows, results_a), (_, results_b) in streams:
        yield rows, list(zip(results_a, results_b, strict=True))


def _pair(text: Any, a: Result, b: Result) -> Pair:
    shown = text if isinstance(text, str) else ""
    shift = 0.0
    if isinstance(a, Prediction) and isinstance(b, Prediction):
        shift = b.scores.get(a.label, 0.0) - a.score
    return Pair(shown, _label(a), _label(b), shift)


def _label(result: Result) -> str:
    return result.label if isinstance(result, Prediction) else type(result).__name__


def _length(*results: Result) -> str:
    for result in results:
        if isinstance(result, Prediction):
            end = next((end for end in _LENGTHS if result.tokens <= end), None)
            return f"up to {end}" if end else f"over {_LENGTHS[-1]}"
    return "unknown"
