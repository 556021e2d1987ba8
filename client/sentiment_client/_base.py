"""What every client does, however its requests travel and whoever waits for the answers."""

from pathlib import Path
from typing import Any, ClassVar

from sentiment_client._address import base_address, model_path
from sentiment_client._chunks import Chunk, fill_in, one
from sentiment_client._retries import RETRIES, pause_after
from sentiment_client._transport import Request, Timeout, Transport
from sentiment_client.errors import Overloaded, SentimentError, TooLarge, without_worker
from sentiment_client.models import Model, Prediction, Result

# Seconds to connect, and then to wait for the first byte of the answer: the service cuts a batch
# short after 15, and one or two batches may be ahead.
TIMEOUT = (3.05, 60.0)
# Requests of one list that are on their way at the same time. A worker scores what waits together,
# so a few keep it busy; of the longest texts, two cores score more than these hold before a batch
# is cut short.
IN_FLIGHT = 4


class Asker:
    """Asks one served model; `_transport_type` is how it waits for REST's answers."""

    _transport_type: ClassVar[type[Transport]]

    def __init__(
        self,
        address: str = "127.0.0.1",
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
        self._model, self._version = model, version
        self._retries, self._in_flight = retries, in_flight
        self._transport = self._connect(
            address,
            kind="inference",
            timeout=timeout,
            retries=retries,
            repeated=("POST",),
            token=token,
            token_file=token_file,
        )
        self._management: Transport | None = None
        if management:
            self._management = self._transport_type(
                base_address(management, 8081),
                kind="management",
                timeout=timeout,
                retries=0,
                repeated=(),
                token_file=token_file,
            )

    def _connect(self, address: str, **options: Any) -> Transport:
        return self._transport_type(base_address(address, 8080), **options)

    async def _close(self) -> None:
        await self._transport.close()
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
            await self._transport.pause(pause_after(tries))
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
        path = model_path("predictions", self._model, self._version)
        try:
            return await self._transport.send(Request("POST", path, body=body))
        except Overloaded as refusal:
            if self._management and not await self._has_worker(self._management):
                raise without_worker(refusal) from None
            raise

    async def _has_worker(self, management: Transport) -> bool:
        path = model_path("models", self._model, self._version)
        try:
            described = Model.list_from_json(await management.send(Request("GET", path)))
        except SentimentError:
            return True  # it cannot be told, so the server's own word stands
        return described[0].ready_workers > 0
