"""The search: one setting after another, then the best of them against those that are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuning.measurement import Figures
from tuning.settings import Candidate, Changes
from tuning.target import Target

Measure = Callable[[Candidate], Figures]
# So often both are measured, in turn: a slow minute hits both.
ROUNDS = 3


@dataclass(frozen=True)
class Found:
    """The settings to keep, what they did, and what those that are did."""

    winner: Candidate
    figures: Figures
    before: Figures


def search(
    start: Candidate, sweeps: Sequence[Sequence[Changes]], target: Target, measure: Measure
) -> Found:
    """The best settings for the target; `start`, unless others are better by more than noise."""
    before = measure(start)
    best, figures = start, before
    for sweep in sweeps:
        base = best
        for candidate in [base.changed(changes) for changes in sweep if not base.has(changes)]:
            found = measure(candidate)
            if target.better(found, figures):
                best, figures = candidate, found
    if best == start:
        return Found(start, before, before)
    return confirm(start, best, target, measure)


def confirm(start: Candidate, finalist: Candidate, target: Target, measure: Measure) -> Found:
    """Measure both again: of many candidates the best one was lucky, too.

    Where both hold the target, the finalist has to win every round.
    """
    rounds = [(measure(start), measure(finalist)) for _ in range(ROUNDS)]
    before, after = (
        sorted(figures, key=target.merit)[ROUNDS // 2] for figures in zip(*rounds, strict=True)
    )
    # On a busy machine a median alone may be luck.
    always = all(target.merit(new) > target.merit(old) for old, new in rounds)
    if target.better(after, before) and (always or not target.held(before)):
        return Found(finalist, after, before)
    return Found(start, before, before)
