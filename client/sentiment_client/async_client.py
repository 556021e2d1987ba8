"""The asynchronous client of the inference API, over REST."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from typing import Self, Unpack

from sentiment_client._async_transport import AsyncTransport
from sentiment_client._base import BaseClient
from sentiment_client._chunks import Chunk, chunks, chunks_async, refuse_single
from sentiment_client._options import Options, fields, most_texts
from sentiment_client._transport import Timeout
from sentiment_client.models import Prediction, Ready, Result


class AsyncSentimentClient(BaseClient):
    """SentimentClient for asyncio: the same methods, as coroutines, and the same errors.

        async with AsyncSentimentClient("localhost:8080") as client:
            print((await client.predict("A gripping, beautifully shot film.")).label)

    The options are SentimentClient's. Use one client in only one event loop.
    """

    _transport_type = AsyncTransport

    async def predict(
        self, text: str, *, timeout: Timeout | None = None, **options: Unpack[Options]
    ) -> Prediction:
        """Score one text; raises SentimentError. `timeout` replaces the client's.

        `options` are `labels=`, `threshold=`, `sentences=True` and `explain=True`.
        """
        return await self._predict(text, timeout, fields(**options))

    async def predict_many(
        self,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        timeout: Timeout | None = None,
        **options: Unpack[Options],
    ) -> list[Result]:
        """Score many texts, in as few requests as their size allows; returns results in order.

        For a text that cannot be scored, or a value that is not a str, the result is an error; the
        other texts are not affected. If a whole request fails, or if `texts` raises, the error is
        raised; `predict_stream` first gives the results before it.
        """
        return [result async for result in self.predict_stream(texts, timeout=timeout, **options)]

    def predict_stream(
        self,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        timeout: Timeout | None = None,
        **options: Unpack[Options],
    ) -> AsyncGenerator[Result, None]:
        """Like `predict_many`, but yields the results one by one, for texts that exceed memory.

        Texts are read only when a request can start, so a result may wait until `max_concurrency`
        requests are full or the texts have ended. Closing the generator leaves the rest unread;
        use `contextlib.aclosing`, since leaving a loop does not close it.
        """
        refuse_single(texts)
        most = most_texts(options)
        groups = (
            chunks_async(texts, most)
            if isinstance(texts, AsyncIterable)
            else _async(chunks(texts, most))
        )
        return self._stream(groups, timeout, fields(**options))

    async def ready(self, *, wait: float = 0.0, timeout: Timeout | None = None) -> Ready:
        """Raise SentimentError unless a worker is ready, and the server is not draining.

        Nothing is retried. With `wait`, in seconds, keep trying for that long.
        """
        return await self._ready(wait, timeout)

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _stream(
        self, chunks: AsyncGenerator[Chunk, None], timeout: Timeout | None, options: bytes
    ) -> AsyncGenerator[Result, None]:
        running: deque[asyncio.Task[list[Result]]] = deque()
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    call = self._predict_chunk(chunk, timeout, options)
                    running.append(asyncio.create_task(call))
                    if len(running) >= self._max_concurrency:
                        for result in await running.popleft():
                            yield result
            while running:
                for result in await running.popleft():
                    yield result
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def _async(chunks: Iterable[Chunk]) -> AsyncGenerator[Chunk, None]:
    for chunk in chunks:
        yield chunk
