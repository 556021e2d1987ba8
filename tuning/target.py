"""What to tune for, and which of two measurements comes nearer to it."""

import argparse
import math
import re
from dataclasses import dataclass

from tuning.measurement import Figures

# What differs by less is noise: two runs of the same settings do.
NOISE = 0.03
# The same for all candidates, or those with more would look better. Two batches of the largest size
# that is tried, for each of two workers; below what a shell lets a process have open, and what
# shipped servers queue.
CONNECTIONS = 512


@dataclass(frozen=True)
class Target:
    """`p99`: the latency in ms that 99 % of requests stay within; None: throughput alone."""

    p99: float | None = None

    def connections(self, queue: int) -> list[int]:
        """How many to try, rising, the same for all candidates; `queue` requests may wait."""
        most = min(CONNECTIONS, queue)
        if self.p99 is None:
            return [most]
        return [2**i for i in range(most.bit_length())]

    def held(self, figures: Figures) -> bool:
        """Whether all was answered, and soon enough."""
        if figures.errors or figures.p99 is None:
            return False
        return self.p99 is None or figures.p99 <= self.p99

    def merit(self, figures: Figures) -> tuple[bool, float]:
        """To order by: what holds the target by its throughput, the rest by how late it is."""
        if self.held(figures):
            return True, figures.texts_per_second
        return False, -math.inf if figures.errors or figures.p99 is None else -figures.p99

    def better(self, one: Figures, other: Figures) -> bool:
        """Whether `one` is better than `other` by more than noise."""
        if self.held(one) and self.held(other):
            return one.texts_per_second > other.texts_per_second * (1 + NOISE)
        if self.held(one) or self.held(other):
            return self.held(one)
        return -self.merit(one)[1] * (1 + NOISE) < -self.merit(other)[1]

    def __str__(self) -> str:
        return "throughput" if self.p99 is None else f"a p99 of {self.p99:g} ms"


def milliseconds(text: str) -> float:
    """Read a duration such as 50ms or 0.2s, for argparse."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+) ?(ms|s)", text.strip())
    value = float(found[1]) * (1e3 if found[2] == "s" else 1) if found else 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"a duration is like 50ms or 0.2s, not {text!r}")
    return value
