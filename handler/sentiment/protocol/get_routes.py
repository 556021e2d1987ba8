"""The GET routes: a page for people, and documents for programs.

GET /predictions/sentiment, from a browser        the page
GET /predictions/sentiment/1.0/openapi.json       the OpenAPI document
GET /predictions/sentiment/1.0/info               the model, its limits, engine and calibration
GET /predictions/sentiment/1.0/ready              200 if a worker answers, 503 while draining
GET /predictions/sentiment/1.0/health             200 if a worker answers, and which

A client that does not know the version gets `ready` at /predictions/sentiment with the header
"Accept: application/health+json", and over gRPC with an input named "ready".

All are rendered when the worker starts, and served like predictions, in the same batches.
"""

import os
from collections.abc import Callable, Mapping

from sentiment.errors import Unhealthy
from sentiment.protocol import openapi, page
from sentiment.protocol.info import info
from sentiment.protocol.response import Response, error_response, ok
from sentiment.protocol.route import Route
from sentiment.served_model import ServedModel

HEALTH_TYPE = "application/health+json"
# The page loads no other file, and may send requests only to this server.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class GetRoutes:
    """The responses of one served model to GET requests."""

    def __init__(
        self,
        model: ServedModel,
        facts: Mapping[str, object],
        is_draining: Callable[[], bool] = lambda: False,
    ) -> None:
        """`facts` are those of the classifier; only `ready` calls `is_draining`."""
        about = info(model, facts)
        worker = {"model": model.name, "version": model.version, "worker": os.getpid()}
        state = {**worker, "engine": about.get("engine")}
        draining = Unhealthy("The server is draining, and stops soon: use another one, or wait.")
        self._is_draining = is_draining
        # A worker gets requests only after its warm-up has scored texts.
        self._ready = ok({"ready": True, "draining": False, **state})
        self._draining = error_response(draining, {"ready": False, "draining": True, **state})
        self._documents = {
            "health": ok({"healthy": True, **worker}),
            "info": ok(about),
            "openapi.json": Response(200, openapi.render(model).encode("ascii")),
        }
        self._page = Response(
            200,
            page.render(
                {
                    "name": model.name,
                    "version": model.version,
                    "labels": list(model.labels),
                    "max_texts_per_request": model.settings.max_texts_per_request,
                }
            ),
            content_type="text/html; charset=utf-8",
            headers={"content-security-policy": _POLICY, "x-content-type-options": "nosniff"},
        )

    def match(
        self, route: Route, headers: Mapping[str, str], row: Mapping[str, bytes]
    ) -> Response | None:
        """The response to a GET request, or None for any other request."""
        path = headers.get("url_path", "")
        if path in self._documents:
            return self._documents[path]
        # TorchServe does not pass on the method; a prediction has a body.
        accept = "" if any(row.values()) else headers.get("accept", "")
        if path == "ready" or HEALTH_TYPE in accept or (route is Route.GRPC and "ready" in row):
            return self._draining if self._is_draining() else self._ready
        if route is Route.PREDICTIONS and "text/html" in accept:
            return self._page
        return None
