"""The logits of the passages that were scored last, by their token ids."""

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray


class Cache:
    """Keeps up to `entries` logits, float32 [labels]; `hits` counts those that were found.

    The least recently used ones are dropped first. Each takes 4 bytes per token and per label, and
    some 300 bytes more.
    """

    def __init__(self, entries: int) -> None:
        self.entries = entries
        self._logits: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self.hits = 0

    def get(self, ids: bytes) -> NDArray[np.float32] | None:
        """The logits of a passage with these token ids, int32, if they are kept."""
        logits = self._logits.get(ids)
        if logits is not None:
            self._logits.move_to_end(ids)
            self.hits += 1
        return logits

    def put(self, ids: bytes, logits: NDArray[np.float32]) -> None:
        """Keep the logits of a passage, which may be a row of a larger array."""
        self._logits[ids] = logits.copy()
        if len(self._logits) > self.entries:
            self._logits.popitem(last=False)
