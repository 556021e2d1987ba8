"""Counters of a worker, flushed to TorchServe off the request path.

An update is a log line that TorchServe parses on the same cores, and a request would wait for it.
"""

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger(__name__)


class Counts:
    """Sums up counts; updates TorchServe's `metrics` `seconds` after the first unflushed batch."""

    def __init__(self, seconds: float = 0.1) -> None:
        self._seconds = seconds
        self._sums: Counter[str] = Counter()
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def add(self, counts: Mapping[str, int], metrics: Any) -> None:
        """Count one batch; raises RuntimeError if no thread can be started."""
        with self._lock:
            self._sums.update(counts)
            if self._timer is None:
                timer = threading.Timer(self._seconds, self._update, [metrics])
                timer.daemon = True  # a worker that ends does not wait for it
                timer.start()
                self._timer = timer

    def _update(self, metrics: Any) -> None:
        with self._lock:
            sums, self._sums, self._timer = self._sums, Counter(), None
        try:
            for name, value in sums.items():
                # Without an index each line would hold the ids of the whole last batch.
                metrics.add_counter(name, value, idx=0)
        except Exception as error:  # nothing else would report it from a thread
            logger.error("updating the metrics failed: %s", type(error).__name__)
