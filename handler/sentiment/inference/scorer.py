"""Token ids in, logits out: score passages in microbatches, and isolate those that fail."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sentiment.inference.cache import Cache
from sentiment.inference.engines.engine import Engine, Rows, padded_width
from sentiment.inference.memory import release
from sentiment.inference.microbatches import microbatches
from sentiment.inference.prediction import EngineFailure

# Trim the heap only after batches of more tokens than this: smaller ones leave little behind.
_TRIM_TOKENS = 2048
# Indices of passages that have the same tokens.
Group = list[int]
# float32 [labels]
Logits = NDArray[np.float32]

logger = logging.getLogger(__name__)


class Scorer:
    """An engine, called with microbatches of up to `tokens_per_microbatch` tokens.

    `cache` keeps the logits of the last passages for later calls, if it has room for any.
    `computed` is the number of tokens that the engine has computed so far, and `padding` how many
    of them were padding.
    """

    def __init__(self, engine: Engine, tokens_per_microbatch: int, cache_entries: int = 0) -> None:
        self.engine = engine
        self.cache = Cache(cache_entries)
        self.tokens_per_microbatch = tokens_per_microbatch
        self.computed = self.padding = 0

    def logits(
        self,
        passages: Sequence[NDArray[np.int32]],
        sizes: Sequence[int],
        deadlines: Sequence[float],
    ) -> list[Logits | EngineFailure | None]:
        """The logits of each passage, which is token ids [tokens].

        `sizes` is the number of passages in each passage's request: small requests are scored
        first, so that a large one never makes them late. None is a passage without tokens, or one
        that was not scored by its deadline, in seconds of `time.monotonic`.
        """
        results: list[Logits | EngineFailure | None] = [None] * len(passages)
        alike = self._alike(passages, sizes)
        if self.cache.entries:
            for ids in list(alike):
                if (known := self.cache.get(ids)) is not None:
                    for index in alike.pop(ids):
                        results[index] = known
        for rows in self._microbatches(alike, passages, sizes):
            for group, result in self._score(rows, passages, deadlines):
                for index in group:
                    results[index] = result
                if self.cache.entries and not isinstance(result, EngineFailure):
                    self.cache.put(passages[group[0]].tobytes(), result)
        if sum(map(len, passages)) > max(self.tokens_per_microbatch, _TRIM_TOKENS):
            release()
        return results

    @staticmethod
    def _alike(passages: Sequence[NDArray[np.int32]], sizes: Sequence[int]) -> dict[bytes, Group]:
        """The passages with tokens, by their tokens, those of small requests first.

        Passages with the same tokens have the same logits, so only the first of a group is scored.
        """
        alike: dict[bytes, Group] = {}
        with_tokens = [index for index, passage in enumerate(passages) if len(passage)]
        for index in sorted(with_tokens, key=sizes.__getitem__):
            alike.setdefault(passages[index].tobytes(), []).append(index)
        return alike

    def _microbatches(
        self,
        alike: Mapping[bytes, Group],
        passages: Sequence[NDArray[np.int32]],
        sizes: Sequence[int],
    ) -> Iterator[list[list[Group]]]:
        """Rows of groups, small requests first; request sizes are grouped by power of two."""
        by_size: dict[int, list[Group]] = {}
        for group in alike.values():
            by_size.setdefault(sizes[group[0]].bit_length(), []).append(group)
        for groups in by_size.values():
            for rows in microbatches(
                [len(passages[group[0]]) for group in groups],
                tokens=self.tokens_per_microbatch,
                pad_to_multiple_of=self.engine.pad_to_multiple_of,
                layout=self.engine.layout,
            ):
                yield [[groups[position] for position in row] for row in rows]

    def _score(
        self,
        rows: list[list[Group]],
        passages: Sequence[NDArray[np.int32]],
        deadlines: Sequence[float],
    ) -> Iterator[tuple[Group, Logits | EngineFailure]]:
        """Yield the logits of each group in time; bisect the rows to isolate one that fails."""
        now = time.monotonic()
        in_time = ([group for group in row if _latest(group, deadlines) > now] for row in rows)
        rows = [row for row in in_time if row]
        if not rows:
            return
        groups = [group for row in rows for group in row]
        logits = None
        try:
            logits = self._finite([[passages[group[0]] for group in row] for row in rows])
        except Exception as error:
            logger.warning("%d texts failed together: %s", len(groups), type(error).__name__)
            if len(groups) == 1:
                yield groups[0], EngineFailure(error)
                return
        if logits is None:  # outside `except`, so that the frames of the failed call are freed
            for half in _halves(rows):
                yield from self._score(half, passages, deadlines)
            return
        for group, values in zip(groups, logits, strict=True):
            yield group, values if np.isfinite(values).all() else EngineFailure()

    def _finite(self, rows: Rows) -> NDArray[np.float32]:
        """Logits [passages, labels]; a packed row that is not finite is rescored one by one."""
        logits = self.engine.logits(rows)
        tokens = [sum(map(len, row)) for row in rows]
        computed = len(rows) * padded_width(max(tokens), self.engine.pad_to_multiple_of)
        self.computed += computed
        self.padding += computed - sum(tokens)
        if np.isfinite(logits).all():
            return logits
        parts = np.split(logits, np.cumsum([len(row) for row in rows])[:-1])
        for row, part in zip(rows, parts, strict=True):
            if len(row) > 1 and not np.isfinite(part).all():
                part[:] = np.concatenate([self.engine.logits([[text]]) for text in row])
        return logits


def _latest(group: Group, deadlines: Sequence[float]) -> float:
    return max(deadlines[index] for index in group)


def _halves(rows: list[list[Group]]) -> tuple[list[list[Group]], list[list[Group]]]:
    """Split the rows in half, or the groups of a single row."""
    middle = len(rows) // 2
    if middle:
        return rows[:middle], rows[middle:]
    (row,) = rows
    return [row[: len(row) // 2]], [row[len(row) // 2 :]]
