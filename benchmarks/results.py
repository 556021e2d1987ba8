"""The measurements so far, in a file that is written after every measurement."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load.loads import Load
from scripts.failure import Failure


@dataclass(frozen=True)
class Measurement:
    """One server under one load in one round. Latencies in ms, None if nothing was answered.

    `errors` counts requests without a 2xx answer. `saturated` means that requests of an open loop
    arrived faster than the server answered them, so that latencies are meaningless.
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
    """`about` describes the run, `broken` says why a server could not be measured.

    `busiest` is the largest CPU usage of other programs in the run, in per cent, measured before
    each server is started.
    """

    about: dict[str, Any]
    loads: list[Load]
    servers: list[str]
    rounds: int
    broken: dict[str, str] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)
    busiest: float = 0.0

    def has(self, server: str, load: Load, number: int) -> bool:
        """Return whether this server was measured under this load in round `number`."""
        key = (server, load.key, number)
        return any((m.server, m.load, m.round) == key for m in self.measurements)

    def speed(self, server: str, corpus: str) -> float | None:
        """Return the server's texts per second in its latest closed loop with this corpus."""
        loads = {load.key for load in self.loads if load.corpus == corpus and load.connections}
        latest = (m for m in reversed(self.measurements) if m.server == server and m.load in loads)
        return next((m.texts_per_second for m in latest if m.texts_per_second), None)

    def of(self, server: str, load: Load) -> list[Measurement]:
        """Return a server's rounds under a load."""
        return [m for m in self.measurements if (m.server, m.load) == (server, load.key)]

    def add(self, measurements: Iterable[Measurement], path: Path) -> None:
        """Add measurements and write the file, so that an interrupted run keeps them."""
        self.measurements += measurements
        self.write(path)

    def write(self, path: Path) -> None:
        """Write to a temporary file, then rename it: `path` is complete at every moment."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Read a file of `write`; raises Failure if it cannot be read."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            content["loads"] = [Load(**load) for load in content["loads"]]
            content["measurements"] = [Measurement(**m) for m in content["measurements"]]
            return cls(**content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Failure(f"There are no results at {path} ({error}): run 'make bench'.") from None
