"""Retry policy: number of attempts, backoff, and a freshly read token per attempt."""

import itertools
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sentiment_client._tokens import Token, TokenSource
from sentiment_client.errors import (
    NEVER,
    ConnectionFailed,
    SentimentError,
    Unauthorized,
    WorkerDied,
    retry_rule,
)

R = TypeVar("R")
Pause = Callable[[float], Awaitable[None]]

logger = logging.getLogger("sentiment_client")

# The default of `max_retries`. Pauses after refused connections are 0.2, 0.4 ... 3.2 s, 6.2 s in
# total. Each is extended by up to half at random, so that clients do not all return at once.
MAX_RETRIES = 5
# Longer values of Retry-After are cut to this, so that a call does not hang.
LONGEST_RETRY_AFTER = 10.0
# After a worker died: seconds that a request waits for its turn and, with a management address,
# for a new worker.
LONGEST_RESTART = 30.0
_POLL = 0.05
# TorchServe rewrites its key file in place, so an unreadable file is read this many times.
_TOKEN_READS, _TOKEN_PAUSE = 5, 0.05


def pause_before(kind: type[SentimentError], retry: int, retry_after: float | None = None) -> float:
    """Seconds to wait before retry number `retry` after a failure of this kind."""
    jitter = 1 + random.random() / 2  # noqa: S311 (jitter is no secret)
    pause = retry_rule(kind).pause * 2.0 ** (retry - 1) * jitter
    return max(pause, min(retry_after or 0.0, LONGEST_RETRY_AFTER))


def log_retry(server: str, error: SentimentError, retry: int, retries: int, pause: float) -> None:
    """Log why and when a request is sent again; never its content or the server's message."""
    status = "" if error.status is None else f" (HTTP {error.status})"
    reason = f"{type(error).__name__}{status}"
    logger.warning("%s: %s; retry %d of %d in %.1f s", server, reason, retry, retries, pause)


class Retries:
    """The retry policy of one client for one server.

    When a worker dies, every request that it had is a suspect. Suspects are repeated one at a
    time, the oldest first: the one that kills workers kills one per attempt, and shares no batch
    with the others. `worker_ready` tells whether a new worker is ready; it is None if no
    management address is known.
    """

    def __init__(
        self,
        server: str,
        max_retries: int,
        token: TokenSource,
        pause: Pause,
        worker_ready: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        if max_retries < 0:
            raise ValueError("max_retries must be at least 0.")
        self.server, self.max_retries = server, max_retries
        self._token, self._pause, self._worker_ready = token, pause, worker_ready
        self._numbers = itertools.count()
        self._suspects: list[int] = []
        self._given_up = 0

    async def of(self, call: Callable[[Token | None], Awaitable[R]], *, safe: bool = True) -> R:
        """Call until success, or until a failure that is not retried, which is raised.

        A call that is not `safe` to repeat is repeated only if it has not reached the server.
        """
        number = next(self._numbers)
        failures: list[SentimentError] = []
        try:
            while True:
                token = await self.read_token()
                try:
                    return await call(token)
                except SentimentError as error:
                    failures.append(error)
                    if not await self._is_repeated(failures, token, safe):
                        raise
                await self._wait(number, failures)
        except WorkerDied:
            self._given_up += 1
            raise
        finally:
            if number in self._suspects:
                self._suspects.remove(number)

    def limit(self, kind: type[SentimentError]) -> int:
        """Maximum number of retries after a failure of this kind."""
        retries = retry_rule(kind).retries
        return self.max_retries if retries is None else min(retries, self.max_retries)

    async def _is_repeated(
        self, failures: Sequence[SentimentError], token: Token | None, safe: bool
    ) -> bool:
        last = failures[-1]
        if isinstance(last, Unauthorized):
            return _count(failures) == 1 and bool(token) and token != await self.read_token()
        if len(failures) > self.max_retries or _count(failures) > self.limit(type(last)):
            return False
        return safe or (isinstance(last, ConnectionFailed) and not last.sent)

    async def _wait(self, number: int, failures: Sequence[SentimentError]) -> None:
        last, retry = failures[-1], _count(failures)
        if retry_rule(type(last)).retries == NEVER:
            return  # a new token: no pause needed
        pause = pause_before(type(last), retry, last.retry_after)
        log_retry(self.server, last, retry, self.limit(type(last)), pause)
        if not isinstance(last, WorkerDied):
            await self._pause(pause)
            return
        if number not in self._suspects:
            self._suspects.append(number)
        given_up = self._given_up
        await self._pause(pause)
        deadline = time.monotonic() + LONGEST_RESTART
        while number != min(self._suspects[:]) and time.monotonic() < deadline:
            await self._pause(_POLL)
        if given_up != self._given_up:  # another request gave up: its list is being cancelled
            await self._pause(1.0)
        while self._worker_ready and not await self._worker_ready():
            if time.monotonic() > deadline:
                break
            logger.warning("%s: no worker is ready yet", self.server)
            await self._pause(1.0)

    async def read_token(self) -> Token | None:
        """The token of the next attempt; raises Unauthorized."""
        for _ in range(_TOKEN_READS):
            try:
                return self._token()
            except Unauthorized:
                await self._pause(_TOKEN_PAUSE)
        return self._token()


def _count(failures: Sequence[SentimentError]) -> int:
    """How many failures have the type of the last one."""
    return sum(type(failure) is type(failures[-1]) for failure in failures)
