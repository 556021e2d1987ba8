"""What the service says of itself: a page for people and an OpenAPI document for programs.

Both are made when the worker starts, and asked for like predictions, in the same batches:

GET /predictions/sentiment, by a browser          the page
GET /predictions/sentiment/1.0/openapi.json       the document
"""

from collections.abc import Mapping

from sentiment.protocol import openapi, page
from sentiment.protocol.response import Response
from sentiment.protocol.route import Route
from sentiment.served_model import ServedModel

# The page needs nothing but itself, and may do nothing but ask this server.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class GetRoutes:
    """The documents of one service, ready to be sent."""

    def __init__(self, service: ServedModel) -> None:
        self._openapi = Response(200, openapi.render(service).encode("ascii"))
        self._page = Response(
            200,
            page.render(
                {
                    "name": service.name,
                    "version": service.version,
                    "labels": list(service.labels),
                    "max_texts_per_request": service.settings.max_texts_per_request,
                    "openapi": openapi.document(service),
                }
            ),
            content_type="text/html; charset=utf-8",
            headers={"content-security-policy": _POLICY, "x-content-type-options": "nosniff"},
        )

    def match(
        self, route: Route, headers: Mapping[str, str], row: Mapping[str, bytes]
    ) -> Response | None:
        """The document that a request wants, or None if it wants something else."""
        if headers.get("url_path") == "openapi.json":
            return self._openapi
        # TorchServe does not say whether it is a GET; a prediction has a body.
        from_browser = "text/html" in headers.get("accept", "")
        if route is Route.PREDICTIONS and from_browser and not any(row.values()):
            return self._page
        return None
