"""Everything that can be wrong with a request, each with its HTTP status.

    RequestError
    ├── Malformed     400   the body cannot be read
    ├── Validation    422   it can, but it does not ask for anything that can be answered
    ├── TooLarge      413   it asks for more than one request may
    ├── Unsupported   415   it is of a kind that is not spoken here
    ├── Overloaded    503   the batch ran out of time
    └── Backend       500   a defect of ours

An error belongs to one request, or to one text of a request, and never to its batch.
"""

from collections.abc import Iterable
from typing import ClassVar, Self, TypeVar

from msgspec import Struct

Item = TypeVar("Item")


class ErrorAnswer(Struct):
    """One plain sentence that says what to change, and the kind that programs go by."""

    error: str
    error_type: str


class RequestError(Exception):
    """`message` is one plain sentence for the client that says what to change."""

    status: ClassVar[int]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def error_type(self) -> str:
        """The name that clients tell errors apart by."""
        return type(self).__name__

    def answer(self) -> ErrorAnswer:
        """The body of the answer, or the entry of one text in a list of answers."""
        return ErrorAnswer(self.message, self.error_type)

    def at(self, index: int) -> Self:
        """The same error, of one text among many."""
        return type(self)(f"At index {index}: {self.message}")


class Malformed(RequestError):
    """The bytes are not what they say they are, or there are none."""

    status = 400


class Validation(RequestError):
    """Readable, but of the wrong shape, type or range."""

    status = 422


class TooLarge(RequestError):
    """More texts or characters than one request may hold."""

    status = 413


class Unsupported(RequestError):
    """A content type, character set or encoding that is not spoken here."""

    status = 415


class Overloaded(RequestError):
    """The batch ran out of time before this text was scored; worth sending again."""

    status = 503


class Backend(RequestError):
    """A defect in the service."""

    status = 500


def all_good(items: Iterable[Item | RequestError], *, indexed: bool) -> list[Item]:
    """The items if no error is among them; else raises the first one, naming its index or not."""
    good = []
    for index, item in enumerate(items):
        if isinstance(item, RequestError):
            raise item.at(index) if indexed else item
        good.append(item)
    return good
