"""The errors that a call can raise, and how often each is retried.

    SentimentError
    ├── ConnectionFailed          refused or reset; 502: a proxy could not reach the server
    │   ├── TimedOut              no answer in time; 408, 504
    │   │   └── DeadlineExceeded  504  the request's own deadline passed before it was scored
    │   ├── BadAddress            unknown host, or an unusable address
    │   └── CertificateFailed     TLS failed, usually over the server's certificate
    ├── Redirected                3xx  the server has another address; redirects are not followed
    ├── Malformed                 400  the body could not be read
    ├── Unauthorized              400, 401, 403  the token is missing, wrong or expired
    ├── NotFound                  404  no such model or version
    ├── NotAllowed                405  the server is configured to refuse this
    ├── Conflict                  409  the model is already registered
    ├── TooLarge                  413  too many texts or characters, or too many bytes
    ├── Unsupported               415  unsupported content type or encoding
    ├── Validation                422  the wrong shape or type, or a blank text
    ├── Overloaded                503, 425  the queue was full, or the batch ran out of time
    │   └── RateLimited           429  too many requests from this client
    ├── Unhealthy                 503  no worker is ready, or the server is draining
    ├── BackendFailed             any other status, and a defect of the service
    │   └── WorkerDied            500, 507  the worker that had the request died
    └── UnexpectedAnswer          2xx with an unexpected body

The service's own errors (`error_type`) have the names of Text Embeddings Inference.
"""

from collections.abc import Mapping
from dataclasses import dataclass


class SentimentError(Exception):
    """Base class. `status` is the HTTP status, or None if there was no answer.

    `retry_after` is the seconds to wait before a retry, from the header Retry-After, or None.
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
        """Whether this failure is retried, since the same request may succeed later."""
        return retry_rule(type(self)).retries != NEVER


class ConnectionFailed(SentimentError):
    """No answer. `sent` is True if the server may have received the request."""

    def __init__(self, message: str, status: int | None = None, *, sent: bool = True) -> None:
        super().__init__(message, status)
        self.sent = sent


class TimedOut(ConnectionFailed):
    """No answer within the timeout."""


class DeadlineExceeded(TimedOut):
    """The deadline that a proxy or the caller set for the request passed before it was scored."""


class BadAddress(ConnectionFailed):
    """The host is unknown, or its address or that of the proxy is unusable."""


class CertificateFailed(ConnectionFailed):
    """TLS failed: the certificate is not trusted, or the server does not use TLS."""


class Redirected(SentimentError):
    """The server redirects to another address, which is in the message."""


class Malformed(SentimentError):
    """The body could not be read."""


class Unauthorized(SentimentError):
    """The token is missing, wrong or expired."""


class NotFound(SentimentError):
    """No such model or version."""


class NotAllowed(SentimentError):
    """The server is configured to refuse this call."""


class Conflict(SentimentError):
    """The model is already registered, or the server's state does not allow this call."""


class TooLarge(SentimentError):
    """Too many texts, characters or bytes for one request, or too long an answer."""


class Unsupported(SentimentError):
    """A content type or encoding that the service does not support."""


class Validation(SentimentError):
    """The wrong shape or type, or a blank text."""


class Overloaded(SentimentError):
    """The queue was full, or the batch ran out of time. Send the request again later."""


class RateLimited(Overloaded):
    """Too many requests from this client. Wait for `retry_after` seconds, if given."""


class Unhealthy(SentimentError):
    """No worker is ready, or the server is draining."""


class BackendFailed(SentimentError):
    """The service failed, and would fail again on the same request."""


class WorkerDied(BackendFailed):
    """The worker died, because of this request or of another one in its batch."""


class UnexpectedAnswer(SentimentError):
    """A successful answer with an unexpected body: the address may be another service's."""


@dataclass(frozen=True)
class RetryRule:
    """The number of retries after a failure, and the seconds before the first one.

    `retries` None means the client's `max_retries`, which is always the upper limit. Each further
    pause is twice as long; `_retries.py` adds jitter.
    """

    retries: int | None
    pause: float = 0.2


NEVER = 0
# The rules of all clients, by class; a subclass without a rule inherits its parent's. All other
# errors are not retried. `docs/clients.md` has the same table.
RETRY_RULES: Mapping[type[SentimentError], RetryRule] = {
    ConnectionFailed: RetryRule(None),
    # The request may still be queued or being scored: more retries would add to the load.
    TimedOut: RetryRule(1),
    DeadlineExceeded: RetryRule(NEVER),
    BadAddress: RetryRule(NEVER),
    CertificateFailed: RetryRule(NEVER),
    Overloaded: RetryRule(None),
    Unhealthy: RetryRule(None),
    # The request itself may kill workers. TorchServe starts a new one after a second, and loading
    # the model takes two or three more.
    WorkerDied: RetryRule(2, 3.5),
    # Except once, if the token file has another token by then.
    Unauthorized: RetryRule(NEVER),
    SentimentError: RetryRule(NEVER),
}


def retry_rule(kind: type[SentimentError]) -> RetryRule:
    """The rule of a class of errors."""
    return next(RETRY_RULES[parent] for parent in kind.__mro__ if parent in RETRY_RULES)
