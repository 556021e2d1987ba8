"""Convert a server's answer to JSON or to a SentimentError.

The handler's errors are `{"error", "error_type"}`. Those of TorchServe's frontend are
`{"code", "type", "message"}` or empty. Those of a reverse proxy can be anything.
"""

import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from sentiment_client.errors import (
    BackendFailed,
    Conflict,
    ConnectionFailed,
    DeadlineExceeded,
    Malformed,
    NotAllowed,
    NotFound,
    Overloaded,
    RateLimited,
    Redirected,
    SentimentError,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unhealthy,
    Unsupported,
    Validation,
    WorkerDied,
)

BY_STATUS: Mapping[int, type[SentimentError]] = {
    400: Malformed,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    405: NotAllowed,
    408: TimedOut,
    409: Conflict,
    413: TooLarge,
    415: Unsupported,
    422: Validation,
    425: Overloaded,
    429: RateLimited,
    500: WorkerDied,
    502: ConnectionFailed,
    503: Overloaded,
    504: TimedOut,
    507: WorkerDied,
}
# The `error_type`s of the service and one `type` of TorchServe -> class, and the HTTP status of the
# answer to a single text.
_BY_TYPE: Mapping[str, tuple[type[SentimentError], int]] = {
    "Malformed": (Malformed, 400),
    "InvalidKeyException": (Unauthorized, 400),
    "TooLarge": (TooLarge, 413),
    "Unsupported": (Unsupported, 415),
    "Validation": (Validation, 422),
    "Backend": (BackendFailed, 500),
    "Overloaded": (Overloaded, 503),
    "Unhealthy": (Unhealthy, 503),
    "DeadlineExceeded": (DeadlineExceeded, 504),
}
NO_REASON = "The server gave no reason."
TOO_MANY_BYTES = "The request has more bytes than the server's max_request_size: send it in parts."


def parsed(content: bytes) -> Any:
    """The JSON of an answer, or None. Keeps no exception, since it would hold the answer."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def from_answer(
    status: int, content: bytes, headers: Mapping[str, str] | None = None
) -> SentimentError:
    """The error for an answer with `status` >= 400."""
    fields = parsed(content)
    if not isinstance(fields, dict):
        fields = {}
    kind, _ = _BY_TYPE.get(
        str(fields.get("error_type", fields.get("type"))),
        (BY_STATUS.get(status, BackendFailed), status),
    )
    message = fields.get("error", fields.get("message"))
    if not isinstance(message, str) or not message:
        message = TOO_MANY_BYTES if status == 413 else NO_REASON
    error = kind(message, status)
    error.retry_after = _seconds((headers or {}).get("Retry-After"))
    return error


def from_entry(entry: Mapping[str, Any]) -> SentimentError:
    """The error for one entry of a list of results, or for a gRPC answer, which has no status."""
    kind, status = _BY_TYPE.get(str(entry["error_type"]), (BackendFailed, 500))
    message = entry.get("error")
    return kind(message if isinstance(message, str) and message else NO_REASON, status)


def redirected(status: int, address: str, path: str, location: str | None) -> Redirected:
    """The error for a redirect. Its message has the target without credentials and query."""
    try:
        parts = urlsplit(urljoin(address + path, location or ""))
        target = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        location = None
    if not location:
        return Redirected(f"{address} redirects without saying where: check the address.", status)
    return Redirected(
        f"{address} redirects to {target.removesuffix(path)}: "
        "if that is the service, use it as the address.",
        status,
    )


def _seconds(retry_after: str | None) -> float | None:
    """Seconds from now in a Retry-After header, which holds a number or a date."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
