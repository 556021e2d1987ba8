"""The time until which the client of a request waits for its answer."""

import re
import time
from collections.abc import Mapping

from sentiment.errors import DeadlineExceeded, Malformed

HEADER = "x-request-deadline"
# Ten digits last until 2286, and refuse milliseconds.
_UNIX_SECONDS = re.compile(r"[0-9]{1,10}(\.[0-9]*)?")


def read_deadline(headers: Mapping[str, str]) -> float:
    """The deadline in seconds of `time.monotonic`; infinite if the request has none.

    Only an absolute time can be honoured: TorchServe does not tell its handler how long a request
    has waited. Raises Malformed (400) if it cannot be read.
    """
    value = headers.get(HEADER)
    if value is None:
        return float("inf")
    if not _UNIX_SECONDS.fullmatch(value):
        raise Malformed(f"The header {HEADER} must be in Unix seconds, such as 1790000000.25.")
    return time.monotonic() + float(value) - time.time()


def exceeded(deadline: float) -> DeadlineExceeded | None:
    """The error of a request whose deadline has passed, in seconds of `time.monotonic`."""
    if time.monotonic() < deadline:
        return None
    return DeadlineExceeded(
        f"The time in the header {HEADER} passed before the text was scored: set a later one, or "
        "compare the clocks of both machines."
    )
