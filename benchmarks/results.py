"""What was measured so far: a file that is written again after each measurement."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load.loads import Load
from scripts.failure import Failure


@dataclass(frozen=True)
class Measurement:
    """One server under one load in one round. Latencies in ms; None where nothing was answered.

    `errors` counts requests that were not answered with a 2xx. `saturated` says that an open
    loop's requests came faster than they were answered, so that its latencies mean nothing.
    """

    server: str
    load: str
    round: int
    texts_per_second: float
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    requests: int = 0
    errors: int = 0
    saturated: bool = False


@dataclass
class Results:
    """`about` describes the run, `broken` says why a server was not measured.

    `busiest` is the largest share of the cores, in per cent, that was in use before a server was
    started, when nothing of ours ran.
    """

    about: dict[str, Any]
    loads: list[Load]
    servers: list[str]
    rounds: int
    broken: dict[str, str] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)
    busiest: float = 0.0

    def has(self, server: str, load: Load, number: int) -> bool:
        """Whether this was measured already."""
        wanted = (server, load.key, number)
        return any((m.server, m.load, m.round) == wanted for m in self.measurements)

    def speed(self, server: str, corpus: str) -> float | None:
        """Texts a second that it answered last, of that corpus and in any load."""
        loads = {load.key for load in self.loads if load.corpus == corpus and load.connections}
        found = (m for m in reversed(self.measurements) if m.server == server and m.load in loads)
        return next((m.texts_per_second for m in found if m.texts_per_second), None)

    def of(self, server: str, load: Load) -> list[Measurement]:
        """A server's rounds under a load."""
        return [m for m in self.measurements if (m.server, m.load) == (server, load.key)]

    def add(self, measurements: Iterable[Measurement], path: Path) -> None:
        """Keep them, also for a run that is interrupted."""
        self.measurements += measurements
        self.write(path)

    def write(self, path: Path) -> None:
        """Written beside and moved over, so that there is always a whole file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Raises Failure."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            found["loads"] = [Load(**load) for load in found["loads"]]
            found["measurements"] = [Measurement(**each) for each in found["measurements"]]
            return cls(**found)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Failure(f"There are no results at {path} ({error}): run 'make bench'.") from None
