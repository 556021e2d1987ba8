"""One server over REST: time-outs, tokens, retries and errors in one place."""

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError

from sentiment_client._address import is_loopback
from sentiment_client._retries import Pause, Retries
from sentiment_client._tasks import pause
from sentiment_client._tokens import Token, token_source
from sentiment_client.errors import (
    ConnectionFailed,
    TimedOut,
    UnexpectedAnswer,
    from_answer,
    from_entry,
)

Timeout = float | tuple[float, float]


@dataclass(frozen=True)
class Request:
    """What is sent in each try; `body` is JSON."""

    method: str
    path: str
    params: Mapping[str, str | int] | None = None
    body: bytes | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Those that say what the body is."""
        return {} if self.body is None else {"Content-Type": "application/json"}


class Transport(ABC):
    """Sends requests to one base address, and again as `Retries` says.

    The methods in `repeated` are safe to repeat. `pause` is how this kind of transport waits.
    """

    pause: Pause

    def __init__(
        self,
        address: str,
        *,
        kind: str,
        timeout: Timeout,
        retries: int,
        repeated: Collection[str],
        token: str | None = None,
        token_file: Path | str | None = None,
    ) -> None:
        self.address = address
        # In seconds, to connect and to be answered.
        self.timeout = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        # A proxy that the environment names is not meant for this machine's own servers.
        self.trust_env = not is_loopback(address)
        self._repeated = repeated
        self._retries = Retries(retries, token_source(token, token_file, kind), self.pause)

    async def send(self, request: Request) -> Any:
        """Send one request and return the JSON of its answer, or raise a SentimentError."""
        safe = request.method in self._repeated
        return await self._retries.of(partial(self._answer, request), safe=safe)

    async def _answer(self, request: Request, token: Token | None) -> Any:
        status, content = await self._try(request, token)
        if status >= 400:
            raise from_answer(status, content)
        try:
            answer = json.loads(content)
        except ValueError:
            raise UnexpectedAnswer(
                f"{self.address} did not answer with JSON: is it the right address?", status
            ) from None
        if isinstance(answer, dict) and "error_type" in answer:  # gRPC has no place for a status
            raise from_entry(str(answer["error_type"]), str(answer.get("error")))
        return answer

    def _timed_out(self, *, sent: bool) -> TimedOut:
        return TimedOut(f"{self.address} did not answer in time.", sent=sent)

    def _failed(self, cause: str, *, sent: bool) -> ConnectionFailed:
        return ConnectionFailed(
            f"{self.address} cannot be reached: is the server up? ({cause})", sent=sent
        )

    @abstractmethod
    async def _try(self, request: Request, token: Token | None) -> tuple[int, bytes]:
        """Send it once; returns the status and the body, raises ConnectionFailed."""

    @abstractmethod
    async def close(self) -> None:
        """Close the pooled connections."""


class BlockingTransport(Transport):
    """A transport on requests. It waits in place, so that its coroutines can be `finished`."""

    pause = staticmethod(pause)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._session = requests.Session()
        self._session.trust_env = self.trust_env
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=64))

    async def _try(self, request: Request, token: Token | None) -> tuple[int, bytes]:
        try:
            response = self._session.request(
                request.method,
                self.address + request.path,
                params=request.params,
                data=request.body,
                headers=request.headers,
                auth=token,
                timeout=self.timeout,
            )
        except requests.Timeout as error:
            raise self._timed_out(sent=_was_sent(error)) from error
        except requests.RequestException as error:
            raise self._failed(_innermost(error), sent=_was_sent(error)) from error
        return response.status_code, response.content

    async def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()


def _was_sent(error: requests.RequestException) -> bool:
    """Whether the server may have got it: what fails before is wrapped as a used-up retry."""
    return not (error.args and isinstance(error.args[0], MaxRetryError))


def _innermost(error: BaseException) -> str:
    """The name of what went wrong at the bottom; the whole text names objects in memory."""
    inner = getattr(error, "reason", None) or next(iter(error.args), None)
    return _innermost(inner) if isinstance(inner, BaseException) else type(error).__name__
