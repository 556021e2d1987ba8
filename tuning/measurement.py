"""What a candidate did under load."""

from dataclasses import dataclass
from typing import Self

from benchmarks.load.closed_loop import Report


@dataclass(frozen=True)
class Figures:
    """In a closed loop of so many connections, one text a request; latencies in ms."""

    connections: int
    texts_per_second: float
    p50: float | None
    p99: float | None
    errors: int = 0

    @classmethod
    def of(cls, report: Report, connections: int) -> Self:
        """What wrk reported."""
        return cls(connections, report.requests_per_second, report.p50, report.p99, report.errors)

    def __str__(self) -> str:
        if self.p99 is None:
            return "no answers"
        return f"{self.texts_per_second:.0f} texts/s, p99 {self.p99:.1f} ms"


# Of a candidate that could not be served with.
NONE = Figures(0, 0.0, None, None, errors=1)
