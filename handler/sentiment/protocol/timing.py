"""How long a batch took, for the headers that Text Embeddings Inference has, too.

TorchServe tells its handler when a batch is handed over, but not when a request came in: how long
it waited in the queue is known to TorchServe's own metrics alone.
"""

import time
from dataclasses import dataclass, field


@dataclass
class Timing:
    """One batch's, in seconds; all of its requests share it."""

    started: float = field(default_factory=time.monotonic)
    tokenization: float = 0.0
    inference: float = 0.0

    def headers(self, tokens: int) -> dict[str, str]:
        """Milliseconds up to now, and the tokens of one request."""
        return {
            "x-total-time": _milliseconds(time.monotonic() - self.started),
            "x-tokenization-time": _milliseconds(self.tokenization),
            "x-inference-time": _milliseconds(self.inference),
            "x-compute-tokens": str(tokens),
        }


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"
