"""The GET routes: a page for people, and two documents for programs.

GET /predictions/sentiment, from a browser        the page
GET /predictions/sentiment/1.0/openapi.json       the OpenAPI document
GET /predictions/sentiment/1.0/info               the model, its limits, engine and calibration

All are rendered when the worker starts, and served like predictions, in the same batches.
"""

from collections.abc import Mapping

from sentiment.protocol import openapi, page
from sentiment.protocol.info import info
from sentiment.protocol.response import Response, ok
from sentiment.protocol.route import Route
from sentiment.served_model import ServedModel

# The page loads no other file, and may send requests only to this server.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class GetRoutes:
    """The responses of one served model to GET requests."""

    def __init__(self, model: ServedModel, facts: Mapping[str, object]) -> None:
        """`facts` are those of the classifier."""
        self._info = ok(info(model, facts))
        self._openapi = Response(200, openapi.render(model).encode("ascii"))
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
        if headers.get("url_path") == "openapi.json":
            return self._openapi
        if headers.get("url_path") == "info":
            return self._info
        # TorchServe does not pass on the method; a prediction has a body.
        from_browser = "text/html" in headers.get("accept", "")
        if route is Route.PREDICTIONS and from_browser and not any(row.values()):
            return self._page
        return None
