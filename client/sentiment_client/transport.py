"""One pooled session to one server: time-outs, retries, tokens, and errors in one place."""

import json
import random
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import ReadTimeoutError
from urllib3.util import Retry

from sentiment_client.errors import (
    ConnectionFailed,
    TimedOut,
    Unauthorized,
    UnexpectedAnswer,
    from_answer,
)

Timeout = float | tuple[float, float]
# A worker that died is back within three seconds. The pauses are 0.2, 0.4 ... 3.2 s, 6.2 s in all,
# each with up to as much again at random, so that clients do not come back together.
RETRIES = 5
BACKOFF = 0.2
# A time-out may mean a request that is still being scored: repeating it often would pile them up.
TIMEOUT_RETRIES = 1
# TorchServe: 500 a worker died, 503 none was ready or the queue was full, 507 one was killed.
RETRIED_STATUSES = (500, 503, 507)


class BoundedRetry(Retry):
    """`urllib3`'s retry, pausing before the first one too, and repeating few time-outs."""

    def get_backoff_time(self) -> float:
        """Seconds to wait, given the tries so far."""
        pause: float = BACKOFF * 2 ** (len(self.history) - 1) if self.history else 0.0
        return pause * (1 + random.random())  # noqa: S311 (jitter is no secret)

    def increment(self, *args: Any, **kwargs: Any) -> Self:
        """Count a failure; raises MaxRetryError, or the error itself, when it was the last."""
        retry = super().increment(*args, **kwargs)
        timeouts = sum(isinstance(past.error, ReadTimeoutError) for past in retry.history)
        if timeouts > TIMEOUT_RETRIES and (error := retry.history[-1].error) is not None:
            raise error
        return retry


class TokenFile(AuthBase):
    """The token of one kind, "inference" or "management", in TorchServe's key_file.json.

    TorchServe rewrites the file when a token is rotated, so it is read for every request.
    """

    def __init__(self, path: Path | str, kind: str) -> None:
        self.path, self.kind = Path(path), kind

    def read(self) -> str:
        """Read the file; raises Unauthorized when it holds no such token."""
        try:
            token = json.loads(self.path.read_text(encoding="utf-8"))[self.kind]["key"]
        except (OSError, ValueError, KeyError, TypeError):
            raise Unauthorized(f"{self.path} holds no {self.kind} token.") from None
        return str(token)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header, as `requests` asks of its authenticators."""
        request.headers["Authorization"] = f"Bearer {self.read()}"
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
        # A proxy that the environment names is not meant for this machine's own servers.
        self._session.trust_env = not _is_loopback(address)
        if token is not None:
            self._session.auth = Token(token)
        elif token_file is not None:
            self._session.auth = TokenFile(token_file, kind)
        adapter = HTTPAdapter(
            pool_maxsize=64,
            max_retries=BoundedRetry(
                total=retries,
                # A call that never reached the server can always be made again.
                connect=retries,
                allowed_methods=frozenset(retried),
                status_forcelist=RETRIED_STATUSES,
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


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _innermost(error: BaseException) -> str:
    """The name of what went wrong at the bottom; the whole text names objects in memory."""
    inner = getattr(error, "reason", None) or next(iter(error.args), None)
    return _innermost(inner) if isinstance(inner, BaseException) else type(error).__name__
