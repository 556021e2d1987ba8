"""The time until which the client of a request waits for its answer."""

import re
import time
from collections.abc import Mapping

from sentiment.errors import DeadlineExceeded, Malformed

# An absolute time, and a time from the request's arrival on.
HEADER, TIMEOUT_HEADER = "x-request-deadline", "grpc-timeout"
# When the request arrived, from a proxy: TorchServe does not say how long it has waited.
ARRIVAL_HEADER = "x-request-start"
# Ten digits last until 2286, and refuse milliseconds.
_UNIX_SECONDS = re.compile(r"[0-9]{1,10}(\.[0-9]*)?")
_ARRIVAL = re.compile(r"t=([0-9]{1,10}(?:\.[0-9]*)?)")
# https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNITS = {"H": 3600, "M": 60, "S": 1, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def read_deadline(headers: Mapping[str, str]) -> float:
    """The earlier deadline in seconds of `time.monotonic`; infinite if the request has none.

    Raises Malformed (400) if one cannot be read.
    """
    now = time.time()
    deadline = float("inf")
    if (value := headers.get(HEADER)) is not None:
        if not _UNIX_SECONDS.fullmatch(value):
            raise Malformed(f"The header {HEADER} must be in Unix seconds, such as 1790000000.25.")
        deadline = float(value)
    if (value := headers.get(TIMEOUT_HEADER)) is not None:
        if not (timeout := _TIMEOUT.fullmatch(value)):
            raise Malformed(
                f"The header {TIMEOUT_HEADER} must be up to eight digits and one of H, M, S, m, u "
                "and n, such as 500m for half a second."
            )
        arrival = _ARRIVAL.fullmatch(headers.get(ARRIVAL_HEADER, ""))
        start = float(arrival[1]) if arrival else now
        deadline = min(deadline, start + int(timeout[1]) * _UNITS[timeout[2]])
    return time.monotonic() + deadline - now


def exceeded(deadline: float) -> DeadlineExceeded | None:
    """The error of a request whose deadline has passed, in seconds of `time.monotonic`."""
    if time.monotonic() < deadline:
        return None
    return DeadlineExceeded(
        f"The time in the header {HEADER} or {TIMEOUT_HEADER} passed before the text was scored: "
        "set a later one, or compare the clocks of both machines."
    )
