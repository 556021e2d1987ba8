"""What goes back to one client: always JSON, always bytes, always ASCII.

TorchServe encodes answers outside its handler's guard, where a lone surrogate or a non-ASCII
reason phrase kills the worker; nothing built here can hold either.
"""

import json
from dataclasses import dataclass
from http import HTTPStatus

from sentiment.errors import RequestError


@dataclass(frozen=True)
class Response:
    """`body` is complete; `status` is an HTTP status."""

    status: int
    body: bytes
    content_type: str = "application/json"

    @property
    def reason(self) -> str:
        """The status line's phrase, such as "Bad Request"."""
        return HTTPStatus(self.status).phrase


def answer(value: object) -> Response:
    """A 200; `value` is what `json` can encode, without NaN."""
    return Response(200, _encode(value))


def refusal(error: RequestError) -> Response:
    """The error, under its own status."""
    return Response(error.status, _encode(error.as_json()))


def _encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, allow_nan=False).encode("ascii")
