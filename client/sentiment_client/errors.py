"""Every way a call can fail.

    SentimentError
    ├── ConnectionFailed          no server there, or it went away, after all retries
    │   └── TimedOut              it was there, but did not answer in time
    ├── Malformed                 400  the body could not be read
    ├── Unauthorized              400  the token is missing, wrong or expired
    ├── NotFound                  404  no such model or version
    ├── NotAllowed                405  the server is configured to refuse this
    ├── Conflict                  409  the model is registered already
    ├── TooLarge                  413  too many texts or characters, or too many bytes
    ├── Unsupported               415  content type or encoding
    ├── Validation                422  the wrong shape or type, or a blank text
    ├── Overloaded                503  no room in the queue, or no time for the batch
    ├── Unhealthy                 503  no worker is ready
    ├── BackendFailed             500, 507 and every other status
    └── UnexpectedAnswer          a success whose body is not what the contract says

The handler answers `{"error", "error_type"}`, TorchServe's front end `{"code", "type", "message"}`
or nothing at all; `from_answer` turns all of them into these.
"""

import json
from collections.abc import Mapping


class SentimentError(Exception):
    """The root. `status` is the HTTP status, or None where there was no answer.

    `passes` says that the same request may well be answered when it is sent again.
    """

    passes = False

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status

    def __str__(self) -> str:
        return self.message if self.status is None else f"{self.message} (HTTP {self.status})"


class ConnectionFailed(SentimentError):
    """Nothing answered at the address. `sent` says that the server may have got the request."""

    passes = True

    def __init__(self, message: str, status: int | None = None, *, sent: bool = True) -> None:
        super().__init__(message, status)
        self.sent = sent


class TimedOut(ConnectionFailed):
    """No answer within the time-out."""


class Malformed(SentimentError):
    """The body could not be read."""


class Unauthorized(SentimentError):
    """The token is missing, wrong or expired."""


class NotFound(SentimentError):
    """No such model or version."""


class NotAllowed(SentimentError):
    """The server is configured to refuse this call."""


class Conflict(SentimentError):
    """The model is there already, or something else is in the way."""


class TooLarge(SentimentError):
    """More than one request may hold."""


class Unsupported(SentimentError):
    """A content type or encoding that the service does not speak."""


class Validation(SentimentError):
    """The wrong shape or type, or a blank text."""


class Overloaded(SentimentError):
    """No room in the queue, or no time for the batch. Send it again later."""

    passes = True


class Unhealthy(SentimentError):
    """No worker is ready."""

    passes = True


class BackendFailed(SentimentError):
    """The service failed. It passes where a worker died, and not where a text makes it fail."""


class UnexpectedAnswer(SentimentError):
    """A success whose body this client cannot read: perhaps another service is there."""


_BY_STATUS: Mapping[int, type[SentimentError]] = {
    400: Malformed,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    405: NotAllowed,
    409: Conflict,
    413: TooLarge,
    415: Unsupported,
    422: Validation,
    503: Overloaded,
}
_BY_TYPE: Mapping[str, type[SentimentError]] = {
    "Malformed": Malformed,
    "Validation": Validation,
    "TooLarge": TooLarge,
    "Unsupported": Unsupported,
    "Overloaded": Overloaded,
    "Unhealthy": Unhealthy,
    "Backend": BackendFailed,
    "InvalidKeyException": Unauthorized,
}
# TorchServe: 500 a worker died, 507 one was killed. A defect of ours is a 500, too, with a type.
_WORKER_DIED = (500, 507)
TOO_MANY_BYTES = "The request has more bytes than the server's max_request_size: send it in parts."


def from_answer(status: int, body: bytes) -> SentimentError:
    """The error that an answer with `status` >= 400 stands for."""
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        fields = {}
    kind = str(fields.get("error_type", fields.get("type", "")))
    message = fields.get("error", fields.get("message"))
    if not isinstance(message, str) or not message:
        message = TOO_MANY_BYTES if status == 413 else "The server gave no reason."
    error = _BY_TYPE.get(kind, _BY_STATUS.get(status, BackendFailed))(message, status)
    if status in _WORKER_DIED and kind != "Backend":
        error.passes = True
    return error


def from_entry(error_type: str, message: str) -> SentimentError:
    """The error that stands in place of one text's answer in a list of answers."""
    kind = _BY_TYPE.get(error_type, BackendFailed)
    status = next((code for code, known in _BY_STATUS.items() if known is kind), 500)
    return kind(message, status)


def without_worker(refusal: Overloaded) -> Unhealthy:
    """What a refusal really means where no worker is ready: TorchServe says the same of both."""
    return Unhealthy("No worker is ready: start one, or try again later.", refusal.status)
