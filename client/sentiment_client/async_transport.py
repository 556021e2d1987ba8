"""What transport.py does, on httpx: time-outs, retries, tokens and errors in one place."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Self, cast

import httpx
from httpx_retries import Retry, aretry_request

from sentiment_client.address import is_loopback
from sentiment_client.errors import ConnectionFailed, TimedOut, UnexpectedAnswer, from_answer
from sentiment_client.retries import RETRIED_STATUSES, TIMEOUT_RETRIES, pause_after
from sentiment_client.tokens import token_from
from sentiment_client.transport import Timeout


class BoundedRetry(Retry):
    """`httpx_retries`' retry, with our pauses, and repeating few time-outs.

    It is copied for each try, and so the first one may be shared by all requests.
    """

    timeouts = 0

    def backoff_strategy(self) -> float:
        """Seconds to wait, given the tries so far."""
        return pause_after(self.attempts_made)

    def is_retryable_exception(self, exception: Exception) -> bool:
        """Whether to try again after this failure."""
        if isinstance(exception, httpx.ReadTimeout) and self.timeouts >= TIMEOUT_RETRIES:
            return False
        return super().is_retryable_exception(exception)

    def increment(self) -> Self:
        """Count a failure, in a copy."""
        retry = cast(Self, super().increment())
        retry.timeouts = self.timeouts
        return retry

    async def asleep(self, response: httpx.Response | Exception) -> None:
        """Wait before the next try, which `response` made necessary."""
        self.timeouts += isinstance(response, httpx.ReadTimeout)
        await super().asleep(response)


class AsyncTransport:
    """Sends requests to one base address; what is retried is as in `Transport`."""

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
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(read, connect=connect),
            # As many connections as requests, of which so many are kept.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            # A proxy that the environment names is not meant for this machine's own servers.
            trust_env=not is_loopback(address),
            auth=token_from(token, token_file, kind),
        )
        self._retry = BoundedRetry(
            total=retries,
            allowed_methods=retried,
            status_forcelist=RETRIED_STATUSES,
            # An error's Retry-After is a proxy's, and may be hours.
            respect_retry_after_header=False,
        )

    async def send(self, method: str, path: str, *, body: bytes | None = None) -> Any:
        """Send one request and return the JSON of its answer, or raise a SentimentError."""
        try:
            # Not the retrying transport: a client that is given one ignores the environment's
            # proxies, also those that it needs.
            response = await aretry_request(
                self._client,
                method,
                self.address + path,
                retry=self._retry,
                content=body,
                headers={"Content-Type": "application/json"} if body is not None else None,
            )
        except httpx.TimeoutException as error:
            raise TimedOut(f"{self.address} did not answer in time.") from error
        except httpx.HTTPError as error:
            raise ConnectionFailed(
                f"{self.address} cannot be reached: is the server up? ({type(error).__name__})"
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

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._client.aclose()
