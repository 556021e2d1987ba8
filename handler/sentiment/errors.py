"""The errors of a request, with their HTTP statuses.

    bytes --read--> body --decode--> texts --tokenize, score--> results --encode--> response
     Malformed       Validation, TooLarge      Overloaded, Backend
     Unsupported

    RequestError
    ├── Malformed         400   the body or the deadline cannot be read
    ├── Validation        422   the body can be read, but cannot be answered
    ├── TooLarge          413   more than one request may hold
    ├── Unsupported       415   a content type, charset or encoding that is not supported
    ├── Overloaded        503   the batch ran out of time
    ├── Unhealthy         503   the server is about to stop
    ├── DeadlineExceeded  504   the request's own deadline has passed
    └── Backend           500   a defect in the service

TooManyTexts is a TooLarge, and UnsupportedLanguage a Validation: hosted services name them.

An error belongs to one request, or to one text of it, never to the whole batch. Names are those of
`ErrorType` in Text Embeddings Inference, if it has them.
"""

from collections.abc import Iterable
from typing import ClassVar, Self, TypeVar

from msgspec import Struct

Item = TypeVar("Item")


class ErrorAnswer(Struct):
    """`error` is one plain sentence that says what to change; `error_type` is for programs."""

    error: str
    error_type: str


class RequestError(Exception):
    """`message` is one plain sentence that tells the client what to change.

    `retry_after` is the seconds after which the same request may succeed, or None.
    """

    status: ClassVar[int]
    retry_after: ClassVar[int | None] = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def error_type(self) -> str:
        """The name by which clients tell errors apart: that of a class in the tree above."""
        return next(kind.__name__ for kind in type(self).__mro__ if RequestError in kind.__bases__)

    @property
    def hosted_status(self) -> int:
        """The status in the formats of hosted services, where a client's mistake is always 400."""
        return self.status if self.status >= 500 else 400

    def answer(self) -> ErrorAnswer:
        """The body of an error response, or the entry of one text in a list of answers."""
        return ErrorAnswer(self.message, self.error_type)

    def at(self, index: int) -> Self:
        """The same error, for the text at `index` in a list."""
        return type(self)(f"At index {index}: {self.message}")


class Malformed(RequestError):
    """The bytes do not match their content type, or there are none; or an unreadable deadline."""

    status = 400


class Validation(RequestError):
    """A readable body of the wrong shape, type or range."""

    status = 422


class TooLarge(RequestError):
    """More texts or characters than one request may hold."""

    status = 413


class TooManyTexts(TooLarge):
    """More texts than one request may hold."""


class UnsupportedLanguage(Validation):
    """A language that the model does not read."""


class Unsupported(RequestError):
    """A content type, charset or encoding that is not supported."""

    status = 415


class Overloaded(RequestError):
    """The batch ran out of time before this text was scored; send it again later."""

    status = 503
    retry_after = 1


class Unhealthy(RequestError):
    """The server is draining: it still answers, but is about to stop."""

    status = 503
    retry_after = 10  # stopping takes three seconds, and starting about six


class DeadlineExceeded(RequestError):
    """The deadline that the request came with passed before it was scored."""

    status = 504


class Backend(RequestError):
    """A defect in the service."""

    status = 500


def all_good(items: Iterable[Item | RequestError], *, indexed: bool) -> list[Item]:
    """The items if none is an error; else raises the first error, with its index if `indexed`."""
    good = []
    for index, item in enumerate(items):
        if isinstance(item, RequestError):
            raise item.at(index) if indexed else item
        good.append(item)
    return good
