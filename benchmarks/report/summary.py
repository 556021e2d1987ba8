"""What is made of measurements: percentiles, medians over rounds, ratios."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load.loads import Load
from benchmarks.results import Results
from benchmarks.servers import LIMIT

# Answers that each connection has to have had, or texts per second are those of a moment.
ANSWERS = 2
# Answers that a percentile is taken of: with fewer it is the slowest one.
FOR_P95, FOR_P99 = 20, 100


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed (nearest rank)."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


@dataclass(frozen=True)
class Figures:
    """Medians over the rounds; `lowest` and `highest` are of the rounds' texts per second.

    None where there were too few answers to say.
    """

    texts_per_second: float | None
    lowest: float | None
    highest: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    errors: int
    saturated: bool


def figures(results: Results, server: str, load: Load) -> Figures | None:
    """Of a server under a load; None where it was not measured.

    Saturated in most rounds is saturated.
    """
    rounds = results.of(server, load)
    if not rounds:
        return None
    answers = statistics.median(each.requests for each in rounds)
    # The engine in a loop has no connections.
    enough = server == LIMIT or answers >= ANSWERS * load.connections
    speeds = [each.texts_per_second for each in rounds] if enough else []
    return Figures(
        _median(speeds),
        min(speeds, default=None),
        max(speeds, default=None),
        _median([each.p50 for each in rounds]) if enough else None,
        _median([each.p95 for each in rounds]) if enough and answers >= FOR_P95 else None,
        _median([each.p99 for each in rounds]) if enough and answers >= FOR_P99 else None,
        sum(each.errors for each in rounds),
        2 * sum(each.saturated for each in rounds) > len(rounds),
    )


def ratio(value: float | None, base: float | None) -> float | None:
    """None where one of them is not there, or there is nothing to divide by."""
    return value / base if value is not None and base else None


def _median(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return statistics.median(there) if there else None
