"""The dialects by route. A new dialect is a module of this package and an entry in the table.

The dialects of a route are tried from left to right. The last one gets any body that no other
recognises, so that an error is explained in the terms of that route.
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
    """The interface of each module in the table."""

    OPERATION: Operation

    def recognise(self, body: Body) -> bool:
        """Whether the body looks like this dialect."""

    def decode(self, body: Body, model: ServedModel) -> Request:
        """Read the texts; raises RequestError if the whole request cannot be answered."""

    def encode(self, request: Request, results: Results, model: ServedModel) -> object:
        """The answer to `request`, as a type that `msgspec` supports.

        Raises the error of the first bad text if the answer has no place for it.
        """


DIALECTS: Mapping[Route, Sequence[Dialect]] = {
    Route.PREDICTIONS: (hugging_face, native_many, native),
    Route.KSERVE: (kserve_v1, kserve_v2),
    Route.INVOCATIONS: (sagemaker, tei),
    Route.GRPC: (kserve_v1, kserve_v2, tei, hugging_face, native_many, native),
}

# The dialects with the weights of words, on the route /explanations/{model}.
EXPLAINING: Sequence[Dialect] = (native_many, native)


def dialect_of(route: Route, body: Body) -> Dialect:
    """The first dialect of the route that recognises the body, or its last one."""
    *_, last = dialects = DIALECTS[route]
    return next((dialect for dialect in dialects if dialect.recognise(body)), last)
