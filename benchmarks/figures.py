"""What is made of measurements: percentiles, medians over rounds, ratios."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.results import Measurement


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed (nearest rank)."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


@dataclass(frozen=True)
class Figures:
    """Medians over the rounds; `lowest` and `highest` are of the rounds' texts per second."""

    texts_per_second: float
    lowest: float
    highest: float
    p50: float | None
    p95: float | None
    p99: float | None
    errors: int
    saturated: bool


def figures(rounds: Sequence[Measurement]) -> Figures | None:
    """None where there are no rounds. Saturated in one round is saturated."""
    if not rounds:
        return None
    speeds = [each.texts_per_second for each in rounds]
    return Figures(
        statistics.median(speeds),
        min(speeds),
        max(speeds),
        _median([each.p50 for each in rounds]),
        _median([each.p95 for each in rounds]),
        _median([each.p99 for each in rounds]),
        sum(each.errors for each in rounds),
        any(each.saturated for each in rounds),
    )


def ratio(value: float | None, base: float | None) -> float | None:
    """None where one of them is not there, or there is nothing to divide by."""
    return value / base if value is not None and base else None


def _median(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return statistics.median(there) if there else None
