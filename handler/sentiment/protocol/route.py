"""By which of TorchServe's routes a request came.

TorchServe does not show its handler the path. But its front end adds headers: `explain` and
`url_path` on /predictions, over whatever a client sends under these names, `explain` on the KServe
routes, neither on /invocations and /{model}/predict. A client that sends there what the front end
does not is answered as if it had asked elsewhere, and nobody else is. A gRPC call has no headers.
"""

from collections.abc import Mapping
from enum import Enum, auto


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
