"""The three clients behind one blocking interface, so that one suite tests them all."""

import asyncio
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import pytest

from sentiment_client import (
    AsyncSentimentClient,
    GrpcSentimentClient,
    Prediction,
    Ready,
    SentimentClient,
)
from sentiment_client._async_transport import AsyncTransport
from sentiment_client._base import BaseClient
from sentiment_client._tasks import pause
from sentiment_client._transport import BlockingTransport
from sentiment_client.grpc_client import GrpcTransport
from sentiment_client.models import Result

KINDS = ("rest", "async", "grpc")


class Blocking:
    """An AsyncSentimentClient with the methods of SentimentClient, on its own event loop."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.wrapped = AsyncSentimentClient(*args, **options)
        self._runner = asyncio.Runner()

    def predict(self, text: Any, **options: Any) -> Prediction:
        return self._runner.run(self.wrapped.predict(text, **options))

    def predict_many(self, texts: Any, **options: Any) -> list[Result]:
        return self._runner.run(self.wrapped.predict_many(texts, **options))

    def predict_stream(self, texts: Any, **options: Any) -> Generator[Result, None, None]:
        stream = self.wrapped.predict_stream(texts, **options)

        async def next_result() -> Result:
            return await anext(stream)

        def results() -> Generator[Result, None, None]:
            try:
                while True:
                    try:
                        result = self._runner.run(next_result())
                    except StopAsyncIteration:
                        return
                    yield result
            finally:
                self._runner.run(stream.aclose())

        return results()

    def ready(self, **options: Any) -> Ready:
        return self._runner.run(self.wrapped.ready(**options))

    def close(self) -> None:
        self._runner.run(self.wrapped.aclose())
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


Client = SentimentClient | Blocking

CLASSES: dict[str, Callable[..., Client]] = {
    "rest": SentimentClient,
    "async": Blocking,
    "grpc": GrpcSentimentClient,
}


def inner(client: Client) -> BaseClient:
    """The client that a `Blocking` wraps, or the client itself."""
    return client.wrapped if isinstance(client, Blocking) else client


@contextmanager
def fast_pauses(factor: float = 0.01) -> Generator[list[float], None, None]:
    """Scale the pauses of retries by `factor`; yields the unscaled pauses, in seconds."""
    pauses: list[float] = []

    async def blocking(seconds: float) -> None:
        pauses.append(seconds)
        await pause(seconds * factor)

    async def asynchronous(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(seconds * factor)

    with pytest.MonkeyPatch.context() as patch:
        for transport in (BlockingTransport, GrpcTransport):
            patch.setattr(transport, "pause", staticmethod(blocking))
        patch.setattr(AsyncTransport, "pause", staticmethod(asynchronous))
        yield pauses


def labels(results: Iterable[Result]) -> list[str]:
    """The label of each text, or the name of its error."""
    return [r.label if isinstance(r, Prediction) else type(r).__name__ for r in results]
