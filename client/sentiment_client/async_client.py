"""Ask the inference API from asynchronous code."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Self

from sentiment_client.address import base_address, model_path
from sentiment_client.async_transport import AsyncTransport
from sentiment_client.chunk import Chunk, chunks, chunks_async, fill_in, one, refuse_single
from sentiment_client.errors import Overloaded, SentimentError, TooLarge, without_worker
from sentiment_client.predictor import IN_FLIGHT, TIMEOUT
from sentiment_client.results import Model, Prediction, Result
from sentiment_client.retries import RETRIES
from sentiment_client.transport import Timeout


class AsyncSentimentClient:
    """SentimentClient for asynchronous code: the same names, to be awaited, and the same errors.

        async with AsyncSentimentClient("localhost:8080") as client:
            print((await client.predict("A gripping, beautifully shot film.")).label)

    Its options are SentimentClient's. It belongs to the event loop that it is first used in.
    """

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
        self._retries, self._in_flight = retries, in_flight
        self._path = model_path("predictions", model, version)
        self._transport = AsyncTransport(
            base_address(address, 8080),
            kind="inference",
            timeout=timeout,
            retries=retries,
            retried=("POST",),
            token=token,
            token_file=token_file,
        )
        self._management_path = model_path("models", model, version)
        self._management = management and AsyncTransport(
            base_address(management, 8081),
            kind="management",
            timeout=timeout,
            retries=0,
            retried=(),
            token=None,
            token_file=token_file,
        )

    async def predict(self, text: str) -> Prediction:
        """Score one text; raises SentimentError."""
        return Prediction.from_json(await self._ask(one(text)))

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
        await self._transport.aclose()
        if self._management:
            await self._management.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _stream(self, chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Result, None]:
        running: deque[asyncio.Task[list[Result]]] = deque()
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    running.append(asyncio.create_task(self._ask_chunk(chunk)))
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

    async def _ask(self, body: bytes) -> Any:
        try:
            return await self._transport.send("POST", self._path, body=body)
        except Overloaded as refusal:
            if self._management and not await self._has_worker(self._management):
                raise without_worker(refusal) from None
            raise

    async def _has_worker(self, management: AsyncTransport) -> bool:
        try:
            described = Model.list_from_json(await management.send("GET", self._management_path))
            return described[0].ready_workers > 0
        except SentimentError:
            return True  # it cannot be told, so the server's own word stands

    async def _ask_chunk(self, chunk: Chunk) -> list[Result]:
        results = await self._ask_texts(chunk)
        for _ in range(self._retries):
            late = chunk.late(results)
            if not late:
                break
            results = fill_in(results, await self._ask_texts(late))
        return results

    async def _ask_texts(self, chunk: Chunk) -> list[Result]:
        try:
            return chunk.results(await self._ask(chunk.body))
        except TooLarge as error:
            if len(chunk) > 1:
                raise
            return [error]


async def _async(chunks: Iterable[Chunk]) -> AsyncGenerator[Chunk, None]:
    for chunk in chunks:
        yield chunk
