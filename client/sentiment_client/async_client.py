"""The asynchronous client of the inference API, over REST."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from typing import Self

from sentiment_client._async_transport import AsyncTransport
from sentiment_client._base import BaseClient
from sentiment_client._chunks import Chunk, chunks, chunks_async, refuse_single
from sentiment_client._transport import Timeout
from sentiment_client.models import Prediction, Result


class AsyncSentimentClient(BaseClient):
    """SentimentClient for asynchronous code: the same names, to be awaited, and the same errors.

        async with AsyncSentimentClient("localhost:8080") as client:
            print((await client.predict("A gripping, beautifully shot film.")).label)

    Its options are SentimentClient's. It belongs to the event loop that it is first used in.
    """

    _transport_type = AsyncTransport

    async def predict(self, text: str, *, timeout: Timeout | None = None) -> Prediction:
        """Score one text; raises SentimentError. `timeout` takes the place of the client's."""
        return await self._predict(text, timeout)

    async def predict_many(
        self, texts: Iterable[str] | AsyncIterable[str], *, timeout: Timeout | None = None
    ) -> list[Result]:
        """Score many texts, in as few requests as their size allows; results are in order.

        A text that cannot be scored, or a value that is not a str, has its error in place of its
        prediction, so that it costs no other text. What fails a whole request is raised, and so
        is what `texts` raises; `predict_stream` gives the results before it first.
        """
        return [result async for result in self.predict_stream(texts, timeout=timeout)]

    def predict_stream(
        self, texts: Iterable[str] | AsyncIterable[str], *, timeout: Timeout | None = None
    ) -> AsyncGenerator[Result, None]:
        """The same one by one, for more texts than there is memory for.

        Texts are read as requests can start, and so a result may wait until `max_concurrency`
        requests are full or the texts have ended. Closing the generator, which leaving its loop
        does not do by itself (`contextlib.aclosing` does), leaves the rest unread.
        """
        refuse_single(texts)
        if isinstance(texts, AsyncIterable):
            return self._stream(chunks_async(texts), timeout)
        return self._stream(_async(chunks(texts)), timeout)

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _stream(
        self, chunks: AsyncGenerator[Chunk, None], timeout: Timeout | None
    ) -> AsyncGenerator[Result, None]:
        running: deque[asyncio.Task[list[Result]]] = deque()
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    running.append(asyncio.create_task(self._predict_chunk(chunk, timeout)))
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
