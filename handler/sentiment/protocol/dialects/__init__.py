"""The dialects by route. A new dialect is a module of this package and an entry in a table.

The dialects of a route are tried from left to right. The last one gets any body that no other
recognises, so that an error is explained in the terms of that route. The clients of hosted services
name their dialect by the path that they add to the base address.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from sentiment.inference.prediction import Results
from sentiment.protocol.body import Body
from sentiment.protocol.dialects import (
    azure_language,
    classify,
    comprehend,
    google_language,
    hugging_face,
    kserve_v1,
    kserve_v2,
    native,
    native_many,
    openai_moderations,
    sagemaker,
    tei,
    zero_shot,
    zero_shot_pipeline,
)
from sentiment.protocol.dialects.operation import BASE, Operation
from sentiment.protocol.request import Request
from sentiment.protocol.route import Route
from sentiment.served_model import ServedModel


class Dialect(Protocol):
    """The interface of each module in the tables."""

    OPERATION: Operation

    def decode(self, body: Body, model: ServedModel) -> Request:
        """Read the texts; raises RequestError if the whole request cannot be answered."""

    def encode(self, request: Request, results: Results, model: ServedModel) -> object:
        """The answer to `request`, as a type that `msgspec` supports.

        Raises the error of the first bad text if the answer has no place for it.
        """


class RecognisedDialect(Dialect, Protocol):
    """One that shares its route with others."""

    def recognise(self, body: Body) -> bool:
        """Whether the body looks like this dialect."""


DIALECTS: Mapping[Route, Sequence[RecognisedDialect]] = {
    Route.PREDICTIONS: (zero_shot, hugging_face, native_many, native),
    Route.KSERVE: (kserve_v1, kserve_v2),
    Route.INVOCATIONS: (zero_shot_pipeline, sagemaker, tei),
    Route.GRPC: (zero_shot, kserve_v1, kserve_v2, tei, hugging_face, native_many, native),
}

# The dialects of hosted services' clients. AWS's add no path, but have a content type of their own.
HOSTED: Sequence[Dialect] = (
    comprehend,
    openai_moderations,
    azure_language,
    google_language,
    classify,
    tei,
)
_BY_PATH: Mapping[str, Dialect] = {
    path.removeprefix(f"{BASE}/"): dialect
    for dialect in HOSTED
    for path in dialect.OPERATION.paths
    if path.startswith(f"{BASE}/")
}

# Each dialect once, the native ones first.
ALL: Sequence[Dialect] = tuple(
    dict.fromkeys((*(d for row in DIALECTS.values() for d in reversed(row)), *HOSTED))
)

# The dialects with the weights of words, on the route /explanations/{model}.
EXPLAINING: Sequence[Dialect] = (native_many, native)


def hosted_dialect(headers: Mapping[str, str]) -> Dialect | None:
    """The dialect that a client of a hosted service names in its path or its content type."""
    path = headers.get("url_path")
    if path:
        return _BY_PATH.get(path)
    is_aws = headers.get("content-type", "").startswith(comprehend.OPERATION.media_type)
    return comprehend if path == "" and is_aws else None


def dialect_of(route: Route, body: Body) -> Dialect:
    """The first dialect of the route that recognises the body, or its last one."""
    *_, last = dialects = DIALECTS[route]
    return next((dialect for dialect in dialects if dialect.recognise(body)), last)
