"""What is said at the end: the table of what was tried, and what came of it."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.failure import Failure
from tuning.measurement import Figures
from tuning.search import Found
from tuning.settings import Candidate
from tuning.target import NOISE, Target

HEAD = (
    *("workers", "threads", "batch", "delay/ms", "tokens"),
    *("connections", "texts/s", "p50/ms", "p99/ms"),
)
# From here on, what the same settings did differs too much to tell others apart.
UNSTEADY = 1.2

Tried = Sequence[tuple[Candidate, Figures]]


def table(tried: Tried, start: Candidate, winner: Candidate | None) -> str:
    """A line for each trial, in order; `winner` is None where the target was missed."""
    rows: list[tuple[tuple[str, ...], str]] = [(HEAD, "")]
    for candidate, figures in tried:
        notes = [
            *(["as it was"] if candidate == start else []),
            *(["best"] if candidate == winner else []),
            *(["not all answered"] if figures.errors else []),
        ]
        settings = (str(value) for value in asdict(candidate).values())
        measured = (
            str(figures.connections),
            f"{figures.texts_per_second:.0f}",
            _ms(figures.p50),
            _ms(figures.p99),
        )
        rows.append(((*settings, *measured), ", ".join(notes)))
    widths = [max(len(cells[column]) for cells, _ in rows) for column in range(len(HEAD))]
    lines = (
        "  ".join([*(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)), notes])
        for cells, notes in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def missed(tried: Tried, target: Target) -> Failure:
    """That no settings hold the target."""
    if any(target.held(figures) for _, figures in tried):
        return Failure(
            f"What held {target} once did not hold it again: nothing was written. Give it some "
            "room, or tune on a machine that does nothing else."
        )
    answered = [each for each in tried if not each[1].errors and each[1].p99 is not None]
    if not answered:
        return Failure("With no settings was every request answered: nothing was written.")
    candidate, best = max(answered, key=lambda each: target.merit(each[1]))
    return Failure(
        f"No settings hold {target} here, not even for one connection: the best seen is "
        f"{_ms(best.p99)} ms, with {candidate}. Nothing was written."
    )


def kept(found: Found) -> str:
    """That the settings stay."""
    return (
        f"The settings as they are serve best: {found.figures}. No others are better by more than "
        f"noise ({NOISE:.0%}, and in every round), so nothing was written."
    )


def won(found: Found, start: Candidate, written: Sequence[Path], root: Path) -> str:
    """What changed, what it brings, where it was written and how it is applied."""
    before, after = asdict(start), asdict(found.winner)
    changes = [
        f"  {name}: {before[name]} -> {after[name]}"
        for name in after
        if after[name] != before[name]
    ]
    files = " and ".join(str(path.relative_to(root)) for path in written)
    return "\n".join(
        [
            f"Measured again, in turn: {found.figures}, with the settings as they were "
            f"{found.before}.",
            *changes,
            f"Written to {files}. 'make stop serve' applies it, and builds the archive again where "
            "it has to.",
        ]
    )


def unsteady(tried: Tried) -> str | None:
    """A warning where settings that were measured more than once differed from themselves."""
    speeds: dict[tuple[Candidate, int], list[float]] = {}
    for candidate, figures in tried:
        if figures.texts_per_second:
            same = candidate, figures.connections
            speeds.setdefault(same, []).append(figures.texts_per_second)
    ratio = max((max(each) / min(each) for each in speeds.values()), default=1.0)
    if ratio < UNSTEADY:
        return None
    return (
        f"The same settings differed by a factor of {ratio:.1f} between trials: something else "
        "was at work here. Tune again when nothing is."
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.1f}"
