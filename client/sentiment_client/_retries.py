"""What is tried again, how often and after which pauses: one rule for every client."""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sentiment_client._tokens import Token, TokenSource
from sentiment_client.errors import ConnectionFailed, SentimentError, TimedOut, Unauthorized

R = TypeVar("R")
Pause = Callable[[float], Awaitable[None]]

# A worker that died is back within three seconds. The pauses are 0.2, 0.4 ... 3.2 s, 6.2 s in all,
# each with up to as much again at random, so that clients do not come back together.
RETRIES = 5
BACKOFF = 0.2
# A time-out may mean a request that is still being scored: repeating it often would pile them up.
TIMEOUT_RETRIES = 1


def pause_after(tries: int) -> float:
    """Seconds to wait when so many tries have failed."""
    return BACKOFF * 2.0 ** (tries - 1) * (1 + random.random())  # noqa: S311 (jitter is no secret)


class Retries:
    """How one client's calls are tried: so often, with the token of the moment, and pauses."""

    def __init__(self, retries: int, token: TokenSource, pause: Pause) -> None:
        self._retries, self._token, self._pause = retries, token, pause

    async def of(self, call: Callable[[Token | None], Awaitable[R]], *, safe: bool = True) -> R:
        """Call until it succeeds, or has failed in a way that another try would not mend.

        A call that is not safe to repeat is made again only if it has not reached the server.
        """
        failures: list[SentimentError] = []
        while True:
            token = self._token()
            try:
                return await call(token)
            except SentimentError as error:
                failures.append(error)
                if not self._again(failures, token, safe):
                    raise
            await self._pause(pause_after(len(failures)))

    def _again(self, failures: Sequence[SentimentError], token: Token | None, safe: bool) -> bool:
        last = failures[-1]
        same = [failure for failure in failures if isinstance(failure, type(last))]
        if len(failures) > self._retries:
            return False
        if isinstance(last, Unauthorized):  # perhaps the token was replaced meanwhile
            return len(same) == 1 and token != self._token()
        if isinstance(last, ConnectionFailed) and not last.sent:
            return True
        if isinstance(last, TimedOut) and len(same) > TIMEOUT_RETRIES:
            return False
        return safe and last.passes
