"""The response to one client: always bytes, always ASCII.

TorchServe encodes responses outside its `try` around the handler, so a lone surrogate or a
non-ASCII reason phrase would kill the worker. A response built here holds neither.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from msgspec import Struct

from sentiment.errors import RequestError

_JSON = json.JSONEncoder(ensure_ascii=True, allow_nan=False)


class Response(Struct, frozen=True):
    """`body` is complete; `status` is an HTTP status."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}

    @property
    def reason(self) -> str:
        """The status line's phrase, such as "Bad Request"."""
        return HTTPStatus(self.status).phrase


def ok(value: object) -> Response:
    """A 200 with `value`, a dialect's answer, as JSON; it may not hold NaN."""
    return Response(200, _encode(value))


def error_response(error: RequestError, facts: Mapping[str, object] | None = None) -> Response:
    """The response to a request that failed with `error`; its body may have more `facts`."""
    body = {**(facts or {}), **msgspec.structs.asdict(error.answer())}
    return Response(error.status, _encode(body), headers=_retry_after(error))


def hosted_error(error: RequestError, body: object) -> Response:
    """The same with the `body` and the status of a hosted service."""
    return Response(error.hosted_status, _encode(body), headers=_retry_after(error))


def _retry_after(error: RequestError) -> dict[str, str]:
    return {} if error.retry_after is None else {"retry-after": str(error.retry_after)}


def _encode(value: object) -> bytes:
    # `msgspec` would write UTF-8, and fail on a surrogate that an error message quotes.
    plain = msgspec.to_builtins(value)
    return _JSON.encode(plain).encode("ascii")
