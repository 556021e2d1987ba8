"""The tuned settings, and the values to try."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

# Memory per worker, with a reserve; caps the number of workers.
WORKER_BYTES = 1_200_000_000
BATCH_SIZES = (8, 16, 32, 64, 128)
# In ms; never 0, which TorchServe reads as 100.
DELAYS = (1, 2, 5, 10)
TOKENS = ("auto", 1024, 2048, 4096, 8192)

# Settings that differ from a candidate's, by name.
Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Candidate:
    """Settings to serve with; `max_batch_delay` in ms."""

    workers: int
    threads: int
    batch_size: int
    max_batch_delay: int
    tokens_per_microbatch: int | Literal["auto"]

    def changed(self, changes: Changes) -> Self:
        """Return a copy with some settings changed."""
        return replace(self, **changes)

    def has(self, changes: Changes) -> bool:
        """Return whether it already has these settings."""
        return asdict(self) | dict(changes) == asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.workers} x {self.threads}, batch {self.batch_size}, "
            f"{self.max_batch_delay} ms, {self.tokens_per_microbatch} tokens"
        )


def sweeps(cores: int, memory: int) -> list[list[Changes]]:
    """Return the values to try, setting by setting, the most important one first.

    `cores` is the number of usable cores, `memory` the free memory in bytes.
    """
    return [
        splits(cores, max(memory // WORKER_BYTES, 1)),
        [{"batch_size": size} for size in BATCH_SIZES],
        [{"max_batch_delay": delay} for delay in DELAYS],
        [{"tokens_per_microbatch": tokens} for tokens in TOKENS],
    ]


def splits(cores: int, max_workers: int) -> list[Changes]:
    """Divide the cores among 1, 2, 4, ... workers: all of them, and all but one for TorchServe."""
    result: list[Changes] = []
    workers = 1
    while workers <= min(cores, max_workers):
        for threads in (cores // workers, (cores - 1) // workers):
            split = {"workers": workers, "threads": threads}
            if threads and split not in result:
                result.append(split)
        workers *= 2
    return result


def trials(start: Candidate, plan: Sequence[Sequence[Changes]]) -> int:
    """Return the number of candidates that a search measures before the last rounds."""
    return 1 + sum(not start.has(changes) for sweep in plan for changes in sweep)
