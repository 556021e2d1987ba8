"""Times of a batch, for the response headers of Text Embeddings Inference.

TorchServe does not tell its handler when a request arrived, so only TorchServe's metrics have the
time in the queue.
"""

import time

from msgspec import Struct, field


class Timing(Struct):
    """Seconds of one batch, shared by all of its requests."""

    started: float = field(default_factory=time.monotonic)
    tokenization: float = 0.0
    inference: float = 0.0

    @property
    def total(self) -> float:
        """The time up to now."""
        return time.monotonic() - self.started

    def headers(self, tokens: int) -> dict[str, str]:
        """Response headers: milliseconds up to now, and the `tokens` of one request."""
        return {
            "x-total-time": _milliseconds(self.total),
            "x-tokenization-time": _milliseconds(self.tokenization),
            "x-inference-time": _milliseconds(self.inference),
            "x-compute-tokens": str(tokens),
        }


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"
