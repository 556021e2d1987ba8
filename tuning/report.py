"""The final report: a table of the trials, and the outcome."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.failure import Failure
from tuning.measurement import Measurement
from tuning.search import SearchResult
from tuning.settings import Candidate
from tuning.target import NOISE, Target

HEAD = (
    *("workers", "threads", "batch", "delay/ms", "tokens"),
    *("connections", "texts/s", "p50/ms", "p99/ms"),
)
# If trials with the same settings differ by this factor, no trials can be compared.
UNSTEADY = 1.2

Trials = Sequence[tuple[Candidate, Measurement]]


def table(trials: Trials, start: Candidate, winner: Candidate | None) -> str:
    """Return a line per trial, in order; `winner` is None if the target was missed."""
    rows: list[tuple[tuple[str, ...], str]] = [(HEAD, "")]
    for candidate, measurement in trials:
        notes = [
            *(["current"] if candidate == start else []),
            *(["best"] if candidate == winner else []),
            *(["errors"] if measurement.errors else []),
        ]
        settings = (str(value) for value in asdict(candidate).values())
        measured = (
            str(measurement.connections),
            f"{measurement.texts_per_second:.0f}",
            _ms(measurement.p50),
            _ms(measurement.p99),
        )
        rows.append(((*settings, *measured), ", ".join(notes)))
    widths = [max(len(cells[column]) for cells, _ in rows) for column in range(len(HEAD))]
    lines = (
        "  ".join([*(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)), notes])
        for cells, notes in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def missed(trials: Trials, target: Target) -> Failure:
    """Return a failure that says why no settings meet the target."""
    if any(target.holds(measurement) for _, measurement in trials):
        return Failure(
            f"The settings that met {target} once did not meet it again, and nothing was written. "
            "Relax the target, or tune on an idle machine."
        )
    answered = [(c, m) for c, m in trials if not m.errors and m.p99 is not None]
    if not answered:
        return Failure("All settings gave errors under load, and nothing was written.")
    candidate, best = max(answered, key=lambda trial: target.merit(trial[1]))
    return Failure(
        f"No settings meet {target} here, not even with one connection. The best was "
        f"{_ms(best.p99)} ms, with {candidate}. Nothing was written."
    )


def kept(result: SearchResult) -> str:
    """Return a sentence that says that the current settings are best."""
    return (
        f"The current settings are best: {result.measurement}. No others are better in every round "
        f"and by more than noise ({NOISE:.0%}), so nothing was written."
    )


def won(result: SearchResult, start: Candidate, written: Sequence[Path], root: Path) -> str:
    """Return the changes, their gain, the written files and how to apply the changes."""
    before, after = asdict(start), asdict(result.winner)
    changes = [
        f"  {name}: {before[name]} -> {after[name]}"
        for name in after
        if after[name] != before[name]
    ]
    files = " and ".join(str(path.relative_to(root)) for path in written)
    return "\n".join(
        [
            f"Measured again, in alternation: {result.measurement}; with the old settings "
            f"{result.before}.",
            *changes,
            f"Written to {files}. 'make stop serve' applies them, and rebuilds the archive if "
            "needed.",
        ]
    )


def unsteady(trials: Trials) -> str | None:
    """Return a warning if trials with the same settings differed too much, else None."""
    speeds: dict[tuple[Candidate, int], list[float]] = {}
    for candidate, measurement in trials:
        if measurement.texts_per_second:
            same = candidate, measurement.connections
            speeds.setdefault(same, []).append(measurement.texts_per_second)
    ratio = max((max(values) / min(values) for values in speeds.values()), default=1.0)
    if ratio < UNSTEADY:
        return None
    return (
        f"The same settings differed by a factor of {ratio:.1f} between trials: other programs "
        "were running. Tune again on an idle machine."
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.1f}"
