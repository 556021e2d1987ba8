"""Every way a call can fail, and which failures are worth a retry.

    SentimentError
    ├── ConnectionFailed          refused or reset; 502, a proxy could not reach the server
    │   ├── TimedOut              no answer in time; 408, 504
    │   ├── BadAddress            no such host, or an address that cannot be requested
    │   └── CertificateFailed     TLS: the server's certificate is not accepted
    ├── Redirected                3xx  the server is somewhere else; no redirect is followed
    ├── Malformed                 400  the body could not be read
    ├── Unauthorized              400, 401, 403  the token is missing, wrong or expired
    ├── NotFound                  404  no such model or version
    ├── NotAllowed                405  the server is configured to refuse this
    ├── Conflict                  409  the model is registered already
    ├── TooLarge                  413  too many texts or characters, or too many bytes
    ├── Unsupported               415  content type or encoding
    ├── Validation                422  the wrong shape or type, or a blank text
    ├── Overloaded                503, 425  no room in the queue, or no time for the batch
    │   └── RateLimited           429  too many requests from this client
    ├── Unhealthy                 503  no worker is ready
    ├── BackendFailed             every other status, and a defect of the service
    │   └── WorkerDied            500, 507  a worker ended while it had the request
    └── UnexpectedAnswer          a success whose body is not what the contract says

The kinds of the service (`error_type`) have the names that Text Embeddings Inference gives them.
"""

from collections.abc import Mapping
from dataclasses import dataclass


class SentimentError(Exception):
    """The root. `status` is the HTTP status, or None where there was no answer.

    `retry_after` is the number of seconds that the server wants a client to wait, if it says so.
    """

    def __init__(
        self, message: str, status: int | None = None, *, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.message if self.status is None else f"{self.message} (HTTP {self.status})"

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed when it is sent again."""
        return retry_rule(type(self)).retries != NEVER


class ConnectionFailed(SentimentError):
    """Nothing answered at the address. `sent` is True if the server may have got the request."""

    def __init__(self, message: str, status: int | None = None, *, sent: bool = True) -> None:
        super().__init__(message, status)
        self.sent = sent


class TimedOut(ConnectionFailed):
    """No answer within the time-out."""


class BadAddress(ConnectionFailed):
    """No host has this name, or the address or that of a proxy cannot be requested."""


class CertificateFailed(ConnectionFailed):
    """TLS failed: the certificate is not accepted, or the server does not use TLS."""


class Redirected(SentimentError):
    """The server sends its clients to another address, which the message names."""


class Malformed(SentimentError):
    """The body could not be read."""


class Unauthorized(SentimentError):
    """The token is missing, wrong or expired."""


class NotFound(SentimentError):
    """No such model or version."""


class NotAllowed(SentimentError):
    """The server is configured to refuse this call."""


class Conflict(SentimentError):
    """The model is registered already, or the server is in a state that rules this call out."""


class TooLarge(SentimentError):
    """More than one request may hold."""


class Unsupported(SentimentError):
    """A content type or encoding that the service does not support."""


class Validation(SentimentError):
    """The wrong shape or type, or a blank text."""


class Overloaded(SentimentError):
    """No room in the queue, or no time for the batch. Send it again later."""


class RateLimited(Overloaded):
    """Too many requests from this client. Send it again after `retry_after` seconds."""


class Unhealthy(SentimentError):
    """No worker is ready."""


class BackendFailed(SentimentError):
    """The service failed, and would fail again."""


class WorkerDied(BackendFailed):
    """A worker ended while it had the request, because of this request or of a neighbour."""


class UnexpectedAnswer(SentimentError):
    """A success whose body this client cannot read: another service may be at the address."""


@dataclass(frozen=True)
class RetryRule:
    """How often a failure is retried, and after how many seconds for the first time.

    `retries` of None is the client's `max_retries`, which is never exceeded. Each further pause
    is twice as long; `_retries.py` adds jitter.
    """

    retries: int | None
    pause: float = 0.2


NEVER = 0
# The rules of every client, by class; a subclass without a rule has that of its parent. What is
# not here is not retried. `docs/clients.md` shows the same table.
RETRY_RULES: Mapping[type[SentimentError], RetryRule] = {
    ConnectionFailed: RetryRule(None),
    # The request may still be in the queue or being scored: more retries would pile up there.
    TimedOut: RetryRule(1),
    BadAddress: RetryRule(NEVER),
    CertificateFailed: RetryRule(NEVER),
    Overloaded: RetryRule(None),
    Unhealthy: RetryRule(None),
    # The request itself may be what ends workers. TorchServe starts a new one after a second, which
    # loads the model for two or three.
    WorkerDied: RetryRule(2, 3.5),
    # Only if the token file has another token by then.
    Unauthorized: RetryRule(NEVER),
    SentimentError: RetryRule(NEVER),
}


def retry_rule(kind: type[SentimentError]) -> RetryRule:
    """The rule of a class of errors."""
    return next(RETRY_RULES[parent] for parent in kind.__mro__ if parent in RETRY_RULES)
