"""Find out which of TorchServe's routes a request used.

TorchServe does not show the path to its handler, but its frontend adds headers: `url_path` and
`explain` on /predictions, `explain` alone on the KServe routes, and neither on /invocations and
/{model}/predict. A client cannot forge them on the first two. On the others it can, but only gets
its own answer in another dialect. A gRPC call has no headers.
"""

from collections.abc import Mapping
from enum import Enum, auto

FRONTEND_HEADERS = ("url_path", "explain")


class Route(Enum):
    """A family of URLs that the handler can tell from the others."""

    PREDICTIONS = auto()  # /predictions/{model}
    KSERVE = auto()  # /v1/models/{model}:predict and /v2/models/{model}/infer
    INVOCATIONS = auto()  # /invocations and /{model}/predict
    GRPC = auto()  # Predictions


def route_of(headers: Mapping[str, str]) -> Route:
    """The route of the request with these headers, whose names are lower-case."""
    if not headers:
        return Route.GRPC
    if "url_path" in headers:
        return Route.PREDICTIONS
    return Route.KSERVE if "explain" in headers else Route.INVOCATIONS
