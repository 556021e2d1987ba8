"""Counters and histograms, added up in the worker and sent to TorchServe together.

An update is a log line that TorchServe parses on the same cores, and a request would wait for it.
TorchServe's own histograms have fixed buckets and take a line per observation, so ours are
counters, one per bucket.
"""

import logging
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

logger = logging.getLogger(__name__)

# A counter's name, and its labels' values in the order of `metrics.yaml`.
_Series = tuple[str, tuple[str, ...]]


class Counts:
    """The changes of counters and histograms since the last `flush`, which may be in a thread.

    `buckets` has the upper bounds of each histogram, ascending. `common` has the values of the
    labels that every metric ends with.
    """

    def __init__(self, buckets: Mapping[str, Sequence[float]], common: Sequence[str]) -> None:
        self._buckets = buckets
        self._common = common
        self._lock = threading.Lock()
        self._clear()
        self._created: set[_Series] = set()
        self._failed: set[str] = set()

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Add `by` to a counter; 0 creates it, without which its first increase goes unseen."""
        with self._lock:
            self._counters[name, labels] += by

    def observe(self, name: str, value: float, times: int = 1) -> None:
        """Add `value` to the histogram `name`, `times` times."""
        bucket = bisect_left(self._buckets[name], value)
        with self._lock:
            self._observed[name][bucket] += times
            self._counters[f"{name}_sum", ()] += value * times

    def flush(self, metrics: Any) -> None:
        """Send changes and new series to `metrics`, which are TorchServe's; never raises."""
        with self._lock:
            counters, observed = self._counters, self._observed
            self._clear()
        for series, change in (*counters.items(), *self._of_histograms(observed)):
            if change or series not in self._created:
                self._send(metrics, series, change)
                self._created.add(series)

    def _clear(self) -> None:
        sums: dict[_Series, float] = {(f"{name}_sum", ()): 0 for name in self._buckets}
        self._counters = defaultdict(float, sums)
        self._observed = {name: [0] * (len(bounds) + 1) for name, bounds in self._buckets.items()}

    def _of_histograms(self, observed: Mapping[str, list[int]]) -> Iterator[tuple[_Series, float]]:
        for name, bounds in self._buckets.items():
            totals = list(accumulate(observed[name]))
            # From the widest bucket to the narrowest: at no moment has one more than a wider one.
            les = [*(f"{bound:g}" for bound in bounds), "+Inf"]
            for le, total in reversed(list(zip(les, totals, strict=True))):
                yield (f"{name}_bucket", (le,)), total
            yield (f"{name}_count", ()), totals[-1]

    def _send(self, metrics: Any, series: _Series, change: float) -> None:
        name, labels = series
        if name in self._failed:
            return
        try:
            values = list(map(_printable, (*labels, *self._common)))
            metrics.get_metric(name).add_or_update(change, values)
        except Exception as error:  # nothing else would report it from a thread
            self._failed.add(name)
            logger.error(
                "%s is not counted (%s): use the metrics.yaml of this version",
                *(name, type(error).__name__),
            )


def _printable(value: str) -> str:
    """A label's value without what TorchServe takes for the end of a value, an update or a line."""
    return "".join(c if c.isprintable() and c not in ",:|" else "_" for c in value) or "_"
