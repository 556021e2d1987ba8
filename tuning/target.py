"""The goal of tuning, and which of two measurements is better by it."""

import math
from dataclasses import dataclass

from tuning.measurement import Measurement

# Two runs with the same settings differ by up to this much.
NOISE = 0.03
# All candidates get the same number of connections, since more connections mean more throughput.
# 512 are two batches of the largest size for each of two workers (2 x 2 x 128). That is below a
# shell's limit of open files (1,024) and the default queue size of this repository (1,000).
CONNECTIONS = 512


@dataclass(frozen=True)
class Target:
    """`p99` limits the 99th percentile of latency, in ms; None tunes for throughput alone."""

    p99: float | None = None

    def connections(self, queue: int) -> list[int]:
        """Return the rising numbers of connections to try; `queue` is TorchServe's queue size."""
        most = min(CONNECTIONS, queue)
        if self.p99 is None:
            return [most]
        return [2**i for i in range(most.bit_length())]

    def holds(self, measurement: Measurement) -> bool:
        """Return whether all requests were answered, and the p99 is within the limit."""
        if measurement.errors or measurement.p99 is None:
            return False
        return self.p99 is None or measurement.p99 <= self.p99

    def merit(self, measurement: Measurement) -> tuple[bool, float]:
        """Return a sort key: throughput if the target is met; if not, lower, and by latency."""
        if self.holds(measurement):
            return True, measurement.texts_per_second
        if measurement.errors or measurement.p99 is None:
            return False, -math.inf
        return False, -measurement.p99

    def better(self, one: Measurement, other: Measurement) -> bool:
        """Return whether `one` is better than `other` by more than noise."""
        if self.holds(one) and self.holds(other):
            return one.texts_per_second > other.texts_per_second * (1 + NOISE)
        if self.holds(one) or self.holds(other):
            return self.holds(one)
        return -self.merit(one)[1] * (1 + NOISE) < -self.merit(other)[1]

    def __str__(self) -> str:
        return "throughput" if self.p99 is None else f"a p99 of {self.p99:g} ms"
