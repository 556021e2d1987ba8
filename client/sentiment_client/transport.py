"""One pooled session to one server: time-outs, retries, tokens, and errors in one place."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ReadTimeoutError
from urllib3.util import Retry

from sentiment_client.address import is_loopback
from sentiment_client.errors import ConnectionFailed, TimedOut, UnexpectedAnswer, from_answer
from sentiment_client.retries import RETRIED_STATUSES, TIMEOUT_RETRIES, pause_after
from sentiment_client.tasks import pause
from sentiment_client.tokens import token_from

Timeout = float | tuple[float, float]


class BoundedRetry(Retry):
    """`urllib3`'s retry, pausing before the first one too, and repeating few time-outs."""

    def get_backoff_time(self) -> float:
        """Seconds to wait, given the tries so far."""
        return pause_after(len(self.history)) if self.history else 0.0

    def sleep(self, response: object = None) -> None:
        """Wait before the next try; raises Cancelled in a task that is cancelled."""
        pause(self.get_backoff_time())

    def increment(self, *args: Any, **kwargs: Any) -> Self:
        """Count a failure; raises MaxRetryError, or the error itself, when it was the last."""
        retry = super().increment(*args, **kwargs)
        timeouts = sum(isinstance(past.error, ReadTimeoutError) for past in retry.history)
        if timeouts > TIMEOUT_RETRIES and (error := retry.history[-1].error) is not None:
            raise error
        return retry


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
        self._session.trust_env = not is_loopback(address)
        self._session.auth = token_from(token, token_file, kind)
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


def _innermost(error: BaseException) -> str:
    """The name of what went wrong at the bottom; the whole text names objects in memory."""
    inner = getattr(error, "reason", None) or next(iter(error.args), None)
    return _innermost(inner) if isinstance(inner, BaseException) else type(error).__name__
