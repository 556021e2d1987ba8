"""One pooled session to one server: time-outs, retries, tokens, and errors in one place."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.util import Retry

from sentiment_client.errors import (
    ConnectionFailed,
    TimedOut,
    Unauthorized,
    UnexpectedAnswer,
    from_answer,
)

Timeout = float | tuple[float, float]
# A worker that died is back within three seconds. 0.2 s doubling four times waits 6.2 s in all
# before the sixth try, and half a second of jitter keeps clients from coming back together.
RETRIES = 5
BACKOFF = 0.2
JITTER = 0.5
# TorchServe: 500 a worker died, 503 none was ready or the queue was full, 507 one was killed.
RETRIED_STATUSES = (500, 503, 507)


class TokenFile(AuthBase):
    """The token of one kind, "inference" or "management", in TorchServe's key_file.json.

    TorchServe rewrites the file when a token is rotated, so it is read anew after a refusal.
    """

    def __init__(self, path: Path | str, kind: str) -> None:
        self.path, self.kind = Path(path), kind
        self.token: str | None = None

    def read(self) -> str:
        """Read the file; raises Unauthorized when it holds no such token."""
        try:
            token = json.loads(self.path.read_text(encoding="utf-8"))[self.kind]["key"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unauthorized(f"{self.path} holds no {self.kind} token: {error!r}") from None
        return str(token)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header, as `requests` asks of its authenticators."""
        self.token = self.token or self.read()
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class Token(AuthBase):
    """A token that the caller has."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header, as `requests` asks of its authenticators."""
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class Transport:
    """Sends requests to one base address, as both clients do.

    Retries resets, refused connections, time-outs and TorchServe's 500, 503 and 507, on the
    methods in `retried`, which must be safe to repeat.
    """

    def __init__(
        self,
        address: str,
        *,
        kind: str,
        timeout: Timeout,
        retries: int,
        retried: Collection[str],
        token: str | None,
        token_file: Path | str | None,
    ) -> None:
        self.address = address
        self.timeout = timeout
        self._session = requests.Session()
        if token is not None:
            self._session.auth = Token(token)
        elif token_file is not None:
            self._session.auth = TokenFile(token_file, kind)
        adapter = HTTPAdapter(
            pool_maxsize=64,
            max_retries=Retry(
                total=retries,
                # A call that never reached the server can always be made again.
                connect=retries,
                allowed_methods=frozenset(retried),
                status_forcelist=RETRIED_STATUSES,
                backoff_factor=BACKOFF,
                backoff_jitter=JITTER,
                raise_on_status=False,
                # An error's Retry-After is a proxy's, and may be hours.
                respect_retry_after_header=False,
            ),
        )
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: bytes | None = None,
    ) -> Any:
        """Send one request and return the JSON of its answer, or raise a SentimentError."""
        try:
            return self._send(method, path, params, body)
        except Unauthorized:
            auth = self._session.auth
            if not isinstance(auth, TokenFile) or auth.read() == auth.token:
                raise
            auth.token = None
            return self._send(method, path, params, body)

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        body: bytes | None,
    ) -> Any:
        try:
            response = self._session.request(
                method,
                self.address + path,
                params=params,
                data=body,
                headers={"Content-Type": "application/json"} if body is not None else None,
                timeout=self.timeout,
            )
        except requests.Timeout as error:
            raise TimedOut(f"{self.address} did not answer in time.") from error
        except requests.RequestException as error:
            cause = _innermost(error)
            if "Timeout" in cause:  # one that was retried arrives as a connection error
                raise TimedOut(f"{self.address} did not answer in time.") from error
            raise ConnectionFailed(
                f"{self.address} cannot be reached: is the server up? ({cause})"
            ) from error
        if response.status_code >= 400:
            raise from_answer(response.status_code, response.content)
        try:
            return response.json()
        except ValueError:
            raise UnexpectedAnswer(
                f"{self.address} did not answer with JSON: is it the right address?",
                response.status_code,
            ) from None

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _innermost(error: BaseException) -> str:
    """The name of what went wrong at the bottom; the whole text names objects in memory."""
    inner = getattr(error, "reason", None) or next(iter(error.args), None)
    return _innermost(inner) if isinstance(inner, BaseException) else type(error).__name__
