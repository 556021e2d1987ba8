"""The dialects that are spoken: a new one is a module, and a place in the table.

A row is a route; the dialects on it are tried from left to right, and the last one is given what
no other recognises, so that a mistake is explained in the words of that route.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from sentiment.inference.prediction import Results
from sentiment.protocol.body import Body
from sentiment.protocol.dialects import (
    hugging_face,
    kserve_v1,
    kserve_v2,
    native,
    native_many,
    sagemaker,
    tei,
)
from sentiment.protocol.dialects.operation import Operation
from sentiment.protocol.request import Request
from sentiment.protocol.route import Route
from sentiment.served_model import ServedModel


class Dialect(Protocol):
    """What each module in the table is."""

    OPERATION: Operation

    def recognise(self, body: Body) -> bool:
        """Whether this body has the marks of the dialect."""

    def decode(self, body: Body, service: ServedModel) -> Request:
        """Find its texts; raises RequestError for what makes the whole request unanswerable."""

    def encode(self, request: Request, results: Results, service: ServedModel) -> object:
        """The answer to `request`, as a type that `msgspec` knows.

        Raises RequestError where the answer has no place for the error of one text.
        """


DIALECTS: Mapping[Route, Sequence[Dialect]] = {
    Route.PREDICTIONS: (hugging_face, native_many, native),
    Route.KSERVE: (kserve_v1, kserve_v2),
    Route.INVOCATIONS: (sagemaker, tei),
    Route.GRPC: (kserve_v1, kserve_v2, tei, hugging_face, native_many, native),
}


def dialect_of(route: Route, body: Body) -> Dialect:
    """The first dialect of the route that recognises the body, or its last one."""
    *_, last = spoken = DIALECTS[route]
    return next((dialect for dialect in spoken if dialect.recognise(body)), last)
