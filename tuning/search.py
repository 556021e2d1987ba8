"""The search: one setting after another, then the best candidate against the current settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuning.measurement import Measurement
from tuning.settings import Candidate, Changes
from tuning.target import Target

Measure = Callable[[Candidate], Measurement]
# Number of times that the finalist and the current settings are measured again. The rounds are
# interleaved, so that a slow minute affects both.
ROUNDS = 3


@dataclass(frozen=True)
class SearchResult:
    """The settings to keep, their measurement, and that of the current settings."""

    winner: Candidate
    measurement: Measurement
    before: Measurement


def search(
    start: Candidate, sweeps: Sequence[Sequence[Changes]], target: Target, measure: Measure
) -> SearchResult:
    """Return the best settings for the target, or `start` if none are better by more than noise."""
    before = measure(start)
    best, best_measurement = start, before
    for sweep in sweeps:
        base = best
        for candidate in [base.changed(changes) for changes in sweep if not base.has(changes)]:
            measurement = measure(candidate)
            if target.better(measurement, best_measurement):
                best, best_measurement = candidate, measurement
    if best == start:
        return SearchResult(start, before, before)
    return confirm(start, best, target, measure)


def confirm(
    start: Candidate, finalist: Candidate, target: Target, measure: Measure
) -> SearchResult:
    """Measure both again, since the best of many candidates may only be lucky (winner's curse).

    The finalist must have the better median and, if both meet the target, win every round.
    """
    rounds = [(measure(start), measure(finalist)) for _ in range(ROUNDS)]
    before, after = (
        sorted(measurements, key=target.merit)[ROUNDS // 2]
        for measurements in zip(*rounds, strict=True)
    )
    # On a busy machine, the median alone may be luck.
    always = all(target.merit(new) > target.merit(old) for old, new in rounds)
    if target.better(after, before) and (always or not target.holds(before)):
        return SearchResult(finalist, after, before)
    return SearchResult(start, before, before)
