"""Ask the inference API from asynchronous code."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Self

from sentiment_client.address import base_address, model_path
from sentiment_client.async_transport import AsyncTransport
from sentiment_client.chunk import Chunk, chunks, chunks_async, refuse_single
from sentiment_client.predictor import IN_FLIGHT, TIMEOUT, Asker
from sentiment_client.results import Prediction, Result
from sentiment_client.retries import RETRIES
from sentiment_client.transport import Request, Timeout


class AsyncSentimentClient(Asker):
    """SentimentClient for asynchronous code: the same names, to be awaited, and the same errors.

        async with AsyncSentimentClient("localhost:8080") as client:
            print((await client.predict("A gripping, beautifully shot film.")).label)

    Its options are SentimentClient's. It belongs to the event loop that it is first used in.
    """

    rest = AsyncTransport

    def __init__(
        self,
        address: str = "http://127.0.0.1:8080",
        *,
        model: str = "sentiment",
        version: str | None = None,
        timeout: Timeout = TIMEOUT,
        retries: int = RETRIES,
        in_flight: int = IN_FLIGHT,
        token: str | None = None,
        token_file: Path | str | None = None,
        management: str | None = None,
    ) -> None:
        super().__init__(
            model=model,
            version=version,
            timeout=timeout,
            retries=retries,
            in_flight=in_flight,
            token_file=token_file,
            management=management,
        )
        self._path = model_path("predictions", model, version)
        self._transport = AsyncTransport(
            base_address(address, 8080),
            kind="inference",
            timeout=timeout,
            retries=retries,
            repeated=("POST",),
            token=token,
            token_file=token_file,
        )

    async def predict(self, text: str) -> Prediction:
        """Score one text; raises SentimentError."""
        return await self._predict(text)

    async def predict_many(self, texts: Iterable[str] | AsyncIterable[str]) -> list[Result]:
        """Score many texts, in as few requests as their size allows; answers are in order.

        A text that cannot be scored has its error, not raised, in place of its prediction, so
        that it costs no other text. What fails a whole request is raised.
        """
        return [result async for result in self.predict_stream(texts)]

    def predict_stream(
        self, texts: Iterable[str] | AsyncIterable[str]
    ) -> AsyncGenerator[Result, None]:
        """The same one by one, for more texts than there is memory for.

        Texts are taken as requests can start, and so an answer may wait until `in_flight`
        requests are full or the texts have ended. Closing the generator, which leaving its loop
        does not do by itself (`contextlib.aclosing` does), leaves the rest unread.
        """
        refuse_single(texts)
        if isinstance(texts, AsyncIterable):
            return self._stream(chunks_async(texts))
        return self._stream(_async(chunks(texts)))

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _stream(self, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Result, None]:
        running: deque[asyncio.Task[list[Result]]] = deque()
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    running.append(asyncio.create_task(self._predict_chunk(chunk)))
                    if len(running) >= self._in_flight:
                        for result in await running.popleft():
                            yield result
            while running:
                for result in await running.popleft():
                    yield result
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _close(self) -> None:
        await super()._close()
        await self._transport.close()

    async def _send(self, body: bytes) -> Any:
        return await self._transport.send(Request("POST", self._path, body=body))


async def _async(chunks: Iterable[Chunk]) -> AsyncGenerator[Chunk, None]:
    for chunk in chunks:
        yield chunk
