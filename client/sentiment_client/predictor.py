"""What every client does, however its requests travel and whoever waits for the answers."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, Self

from sentiment_client.address import base_address, model_path
from sentiment_client.chunk import Chunk, chunks, fill_in, one, refuse_single
from sentiment_client.errors import Overloaded, SentimentError, TooLarge, without_worker
from sentiment_client.results import Model, Prediction, Result
from sentiment_client.retries import pause_after
from sentiment_client.tasks import finished, in_order
from sentiment_client.transport import BlockingTransport, Request, Timeout, Transport

# Seconds to connect, and then to wait for the first byte of the answer: the service cuts a batch
# short after 15, and one or two batches may be ahead.
TIMEOUT = (3.05, 60.0)
# Requests of one list that are on their way at the same time. A worker scores what waits together,
# so a few keep it busy; of the longest texts, two cores score more than these hold before a batch
# is cut short.
IN_FLIGHT = 4


class Asker(ABC):
    """Asks one served model. `rest` is the transport by which it waits, and asks for workers."""

    rest: ClassVar[type[Transport]]

    def __init__(
        self,
        *,
        model: str,
        version: str | None,
        timeout: Timeout,
        retries: int,
        in_flight: int,
        token_file: Path | str | None,
        management: str | None,
    ) -> None:
        self._retries, self._in_flight = retries, in_flight
        self._description = Request("GET", model_path("models", model, version))
        self._management: Transport | None = None
        if management:
            self._management = self.rest(
                base_address(management, 8081),
                kind="management",
                timeout=timeout,
                retries=0,
                repeated=(),
                token_file=token_file,
            )

    @abstractmethod
    async def _send(self, body: bytes) -> Any:
        """Send one request, and again where that helps; returns JSON, raises SentimentError."""

    async def _close(self) -> None:
        if self._management:
            await self._management.close()

    async def _predict(self, text: str) -> Prediction:
        return Prediction.from_json(await self._ask(one(text)))

    async def _predict_chunk(self, chunk: Chunk) -> list[Result]:
        """Score its texts, and those again that the server had no time for."""
        results = await self._ask_texts(chunk)
        for tries in range(1, self._retries + 1):
            late = chunk.late(results)
            if not late:
                break
            await self.rest.pause(pause_after(tries))
            try:
                results = fill_in(results, await self._ask_texts(late))
            except SentimentError:
                break  # the others are scored, and the late ones have their own errors
        return results

    async def _ask_texts(self, chunk: Chunk) -> list[Result]:
        try:
            return chunk.results(await self._ask(chunk.body))
        except TooLarge as error:  # the server may be set to take less than we send, or to answer
            if len(chunk) == 1:
                return [error]
        return [result for half in chunk.halves() for result in await self._ask_texts(half)]

    async def _ask(self, body: bytes) -> Any:
        try:
            return await self._send(body)
        except Overloaded as refusal:
            if self._management and not await self._has_worker(self._management):
                raise without_worker(refusal) from None
            raise

    async def _has_worker(self, management: Transport) -> bool:
        try:
            described = Model.list_from_json(await management.send(self._description))
        except SentimentError:
            return True  # it cannot be told, so the server's own word stands
        return described[0].ready_workers > 0


class Predictor(Asker):
    """An Asker whose caller waits; close it, or use it as a context manager."""

    rest = BlockingTransport

    def predict(self, text: str) -> Prediction:
        """Score one text; raises SentimentError."""
        return finished(self._predict(text))

    def predict_many(self, texts: Iterable[str]) -> list[Result]:
        """Score many texts, in as few requests as their size allows; answers are in order.

        A text that cannot be scored has its error, not raised, in place of its prediction, so
        that it costs no other text. What fails a whole request is raised.
        """
        return list(self.predict_stream(texts))

    def predict_stream(self, texts: Iterable[str]) -> Generator[Result, None, None]:
        """The same one by one, for more texts than there is memory for.

        Texts are taken as requests can start, and so an answer may wait until `in_flight`
        requests are full or the texts have ended. Closing the generator leaves the rest unread.
        """
        refuse_single(texts)
        return self._stream(texts)

    def close(self) -> None:
        """Close the connections."""
        finished(self._close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stream(self, texts: Iterable[str]) -> Generator[Result, None, None]:
        def call(chunk: Chunk) -> list[Result]:
            return finished(self._predict_chunk(chunk))

        with closing(in_order(call, chunks(texts), self._in_flight)) as answers:
            for results in answers:
                yield from results
