"""Summarize measurements: percentiles, medians over rounds, ratios."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load.loads import Load
from benchmarks.results import Results
from benchmarks.servers import LIMIT

# Minimum answers per connection for a meaningful rate.
MIN_ANSWERS_PER_CONNECTION = 2
# Minimum answers for a percentile below the maximum.
MIN_FOR_P95, MIN_FOR_P99 = 20, 100


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of the values do not exceed (nearest rank)."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


@dataclass(frozen=True)
class Summary:
    """Medians over the rounds; `lowest` and `highest` are texts per second of a single round.

    Latencies in ms. None where there were too few answers.
    """

    texts_per_second: float | None
    lowest: float | None
    highest: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    errors: int
    saturated: bool


def summarize(results: Results, server: str, load: Load) -> Summary | None:
    """Summarize a server under a load; None if it was not measured.

    It counts as saturated if it was saturated in most rounds.
    """
    rounds = results.of(server, load)
    if not rounds:
        return None
    answers = statistics.median(m.requests for m in rounds)
    # The engine alone has no connections.
    enough = server == LIMIT or answers >= MIN_ANSWERS_PER_CONNECTION * load.connections
    speeds = [m.texts_per_second for m in rounds] if enough else []
    return Summary(
        _median(speeds),
        min(speeds, default=None),
        max(speeds, default=None),
        _median([m.p50 for m in rounds]) if enough else None,
        _median([m.p95 for m in rounds]) if enough and answers >= MIN_FOR_P95 else None,
        _median([m.p99 for m in rounds]) if enough and answers >= MIN_FOR_P99 else None,
        sum(m.errors for m in rounds),
        2 * sum(m.saturated for m in rounds) > len(rounds),
    )


def ratio(value: float | None, base: float | None) -> float | None:
    """Return the ratio, or None if one of the two is missing or the base is 0."""
    return value / base if value is not None and base else None


def _median(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return statistics.median(present) if present else None
