"""The dialects that are spoken, first match first. A new one is a module and a row."""

from collections.abc import Sequence
from typing import Protocol

from sentiment.body import Body
from sentiment.dialects import native, native_many
from sentiment.errors import RequestError
from sentiment.prediction import Prediction
from sentiment.request import Request
from sentiment.settings import Settings


class Dialect(Protocol):
    """What each module in this folder is."""

    def recognise(self, body: Body) -> bool:
        """Whether this body is in the dialect."""

    def decode(self, body: Body, settings: Settings) -> Request:
        """Find its texts; raises RequestError for what makes the whole request unanswerable."""

    def encode(self, results: list[Prediction | RequestError]) -> object:
        """The answer as JSON; raises RequestError where it has no place for a text's error."""


DIALECTS: Sequence[Dialect] = (native_many, native)


def dialect_of(body: Body) -> Dialect:
    """The first dialect that recognises the body; the last row recognises every one."""
    return next(dialect for dialect in DIALECTS if dialect.recognise(body))
