"""The performance of a candidate under load."""

from dataclasses import dataclass
from typing import Self

from benchmarks.load.closed_loop import Report


@dataclass(frozen=True)
class Measurement:
    """A closed loop with one text per request; latencies in ms, None if nothing was answered."""

    connections: int
    texts_per_second: float
    p50: float | None
    p99: float | None
    errors: int = 0

    @classmethod
    def of(cls, report: Report, connections: int) -> Self:
        """Convert a report of wrk for this number of connections."""
        return cls(connections, report.requests_per_second, report.p50, report.p99, report.errors)

    def __str__(self) -> str:
        if self.p99 is None:
            return "no answers"
        return f"{self.texts_per_second:.0f} texts/s, p99 {self.p99:.1f} ms"


# For a candidate that failed to serve.
FAILED = Measurement(0, 0.0, None, None, errors=1)
