"""What the batches of a worker count, told to TorchServe off the way of a request.

Each update is a line that TorchServe reads and parses on the cores that score, so a lone request
would wait for its own.
"""

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger(__name__)


class Counts:
    """Adds up, and updates TorchServe's `metrics` some `seconds` after the first of the batches."""

    def __init__(self, seconds: float = 0.1) -> None:
        self._seconds = seconds
        self._sums: Counter[str] = Counter()
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def add(self, counts: Mapping[str, int], metrics: Any) -> None:
        """Count one batch; raises RuntimeError where the system has no thread to give."""
        with self._lock:
            self._sums.update(counts)
            if self._timer is None:
                timer = threading.Timer(self._seconds, self._update, [metrics])
                timer.daemon = True  # the end of a worker shall not wait for it
                timer.start()
                self._timer = timer

    def _update(self, metrics: Any) -> None:
        with self._lock:
            sums, self._sums, self._timer = self._sums, Counter(), None
        try:
            for name, value in sums.items():
                # Without an index each line names every request of the last batch.
                metrics.add_counter(name, value, idx=0)
        except Exception as error:  # in a thread nobody else would see it
            logger.error("updating the metrics failed: %s", type(error).__name__)
