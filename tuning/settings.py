"""The settings that are tuned, and which values of them are tried."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

# A worker's memory in bytes, and some room: so many workers are not started that none gets on.
WORKER_BYTES = 1_200_000_000
BATCH_SIZES = (8, 16, 32, 64, 128)
# In ms, and never 0: that would mean 100 to TorchServe.
DELAYS = (1, 2, 5, 10)
TOKENS = ("auto", 1024, 2048, 4096, 8192)

# What to change in a candidate.
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
        """The same with some settings changed."""
        return replace(self, **changes)

    def has(self, changes: Changes) -> bool:
        """Whether these are its settings already."""
        return asdict(self) | dict(changes) == asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.workers} x {self.threads}, batch {self.batch_size}, "
            f"{self.max_batch_delay} ms, {self.tokens_per_microbatch} tokens"
        )


def sweeps(cores: int, memory: int) -> list[list[Changes]]:
    """What to try, one setting after another, those first that matter most.

    `cores` are those that may be used, `memory` the bytes that are free.
    """
    return [
        splits(cores, max(memory // WORKER_BYTES, 1)),
        [{"batch_size": size} for size in BATCH_SIZES],
        [{"max_batch_delay": delay} for delay in DELAYS],
        [{"tokens_per_microbatch": tokens} for tokens in TOKENS],
    ]


def splits(cores: int, most_workers: int) -> list[Changes]:
    """The cores among workers, in powers of two, and the same with a core left to TorchServe."""
    found: list[Changes] = []
    workers = 1
    while workers <= min(cores, most_workers):
        for threads in (cores // workers, (cores - 1) // workers):
            split = {"workers": workers, "threads": threads}
            if threads and split not in found:
                found.append(split)
        workers *= 2
    return found


def trials(start: Candidate, tried: Sequence[Sequence[Changes]]) -> int:
    """How many candidates a search measures that begins with `start`."""
    return 1 + sum(not start.has(changes) for sweep in tried for changes in sweep)
