"""HTTP to one server, with timeouts, tokens, retries and errors; and its blocking version."""

import errno
import os
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, MaxRetryError

from sentiment_client._answers import from_answer, from_entry, parsed, redirected
from sentiment_client._environment import Verify, certificates, proxy
from sentiment_client._retries import Pause, Retries
from sentiment_client._tasks import pause
from sentiment_client._tokens import Token, token_source
from sentiment_client._version import __version__
from sentiment_client.errors import (
    BadAddress,
    CertificateFailed,
    ConnectionFailed,
    SentimentError,
    TimedOut,
    UnexpectedAnswer,
)

Timeout = float | tuple[float, float]

USER_AGENT = f"sentiment-client/{__version__}"


@dataclass(frozen=True)
class Request:
    """One request; `body` is JSON. `timeout`, if given, replaces the client's.

    `accept` is the content type of the answer; any is accepted if it is None.
    """

    method: str
    path: str
    params: Mapping[str, str | int] | None = None
    body: bytes | None = None
    timeout: Timeout | None = None
    accept: str | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """The content types of the body, if there is one, and of the answer."""
        content = {} if self.body is None else {"Content-Type": "application/json"}
        return content if self.accept is None else content | {"Accept": self.accept}


@dataclass(frozen=True)
class Answer:
    """A server's answer; the names in `headers` are case-insensitive."""

    status: int
    content: bytes
    headers: Mapping[str, str]


class Transport(ABC):
    """Sends requests to one base address, with retries. Raises ValueError for bad options.

    The methods in `repeated` are safe to repeat. `pause` sleeps, blocking or asynchronously.
    """

    pause: Pause

    def __init__(
        self,
        address: str,
        *,
        kind: str,
        timeout: Timeout,
        max_retries: int,
        repeated: Collection[str],
        verify: Verify = True,
        token: str | None = None,
        token_file: Path | str | None = None,
        worker_ready: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self.address = address
        self.timeout = _checked(timeout)
        self.trusted = certificates(verify) if self._is_secure() else True
        self.retries = Retries(
            address, max_retries, token_source(token, token_file, kind), self.pause, worker_ready
        )
        self._repeated = repeated

    async def send(self, request: Request) -> Any:
        """Send one request and return the JSON of its answer, or raise a SentimentError."""
        safe = request.method in self._repeated
        return await self.retries.of(partial(self._attempt, request), safe=safe)

    async def send_once(self, request: Request) -> Any:
        """The same without retries."""
        return await self._attempt(request, await self.retries.read_token())

    def timeout_of(self, request: Request) -> tuple[float, float]:
        """Seconds to connect, and to wait for the answer."""
        return self.timeout if request.timeout is None else _checked(request.timeout)

    async def _attempt(self, request: Request, token: Token | None) -> Any:
        # The library's error is not chained to ours: it holds the request, and with it the token.
        answer = await self._exchange(request, token)
        if isinstance(answer, SentimentError):
            raise answer
        if 300 <= answer.status < 400:
            location = answer.headers.get("Location")
            raise redirected(answer.status, self.address, request.path, location)
        if answer.status >= 400:
            raise from_answer(answer.status, answer.content, answer.headers)
        fields = parsed(answer.content)
        if fields is None:
            raise UnexpectedAnswer(
                f"{self.address} did not answer with JSON: check the address.",
                answer.status,
            )
        if isinstance(fields, dict) and "error_type" in fields:  # over gRPC, errors have no status
            raise from_entry(fields)
        return fields

    def _is_secure(self) -> bool:
        return self.address.startswith("https://")

    def _timed_out(self, *, sent: bool) -> TimedOut:
        return TimedOut(f"{self.address} did not answer in time.", sent=sent)

    def _failed(self, reason: str, *, sent: bool) -> ConnectionFailed:
        return ConnectionFailed(
            f"{self.address} cannot be reached: is the server up? ({reason})", sent=sent
        )

    def _bad_address(self) -> BadAddress:
        return BadAddress(
            f"{self.address} cannot be reached: the name of its host, or of the proxy from the "
            "environment, is not known: check both.",
            sent=False,
        )

    def _bad_certificate(self, reason: str) -> CertificateFailed:
        return CertificateFailed(
            f"{self.address} is not trusted ({reason}): check the address, or pass its authority's "
            "certificate with verify=PATH or $SSL_CERT_FILE.",
            sent=False,
        )

    def _translated(self, error: BaseException, *, sent: bool) -> ConnectionFailed:
        """The SentimentError for an error of the library, by its root cause."""
        reason = type(error).__name__
        for cause in _causes(error):
            if isinstance(cause, ssl.SSLError) and not isinstance(cause, _BROKEN_OFF):
                return self._bad_certificate(
                    getattr(cause, "verify_message", "") or cause.reason or "TLS failed"
                )
            if isinstance(cause, socket.gaierror | UnicodeError):
                return self._bad_address()
            if isinstance(cause, OSError) and cause.errno in errno.errorcode:
                reason = os.strerror(cause.errno or 0)
        if isinstance(error, ValueError):  # requests and httpx raise these for an invalid URL
            return self._bad_address()
        return self._failed(reason, sent=sent)

    @abstractmethod
    async def _exchange(self, request: Request, token: Token | None) -> Answer | SentimentError:
        """Send the request once; returns the answer, or the error if there is none."""

    @abstractmethod
    async def close(self) -> None:
        """Close the pooled connections."""


# TLS errors that mean a closed connection, not a bad certificate.
_BROKEN_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class _Session(requests.Session):
    """A session that ignores redirects."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return no target, so that redirects are neither followed nor parsed."""


class BlockingTransport(Transport):
    """A transport on requests. It blocks, so `finished` can run its coroutines."""

    pause = staticmethod(pause)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._session = _Session()
        # Do not read passwords from .netrc.
        self._session.trust_env = False
        self._session.verify = self.trusted
        if (url := proxy(self.address)) is not None:
            self._session.proxies = {"http": url, "https": url}
        self._session.headers["User-Agent"] = USER_AGENT
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=64))

    async def _exchange(self, request: Request, token: Token | None) -> Answer | SentimentError:
        try:
            response = self._session.request(
                request.method,
                self.address + request.path,
                params=request.params,
                data=request.body,
                headers=request.headers,
                auth=token,
                timeout=self.timeout_of(request),
            )
        except requests.Timeout as error:
            return self._timed_out(sent=_was_sent(error))
        except (requests.RequestException, HTTPError, UnicodeError, OSError) as error:
            return self._translated(error, sent=_was_sent(error))
        return Answer(response.status_code, response.content, response.headers)

    async def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()


def _was_sent(error: BaseException) -> bool:
    """Whether the server may have received it: urllib3 wraps connect errors in MaxRetryError."""
    return not (error.args and isinstance(error.args[0], MaxRetryError))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all errors that it wraps."""
    left, seen = [error], set[int]()
    while left:
        cause = left.pop()
        if id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            linked = (*cause.args, getattr(cause, "reason", None), cause.__cause__)
            left += [item for item in linked if isinstance(item, BaseException)]


def _checked(timeout: Timeout) -> tuple[float, float]:
    pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    if not all(isinstance(seconds, int | float) and seconds > 0 for seconds in pair):
        raise ValueError("A timeout must be a positive number of seconds, or a pair of them.")
    return pair
