"""What every client that waits for its answers does, however its requests travel."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from sentiment_client.chunk import Chunk, chunks, fill_in, one, refuse_single
from sentiment_client.errors import Overloaded, SentimentError, TooLarge, without_worker
from sentiment_client.management import ManagementClient
from sentiment_client.results import Prediction, Result
from sentiment_client.tasks import in_order
from sentiment_client.transport import Timeout

# Seconds to connect, and then to wait for the first byte of the answer: the service cuts a batch
# short after 15, and one or two batches may be ahead.
TIMEOUT = (3.05, 60.0)
# Requests of one list that are on their way at the same time. A worker scores what waits together,
# so a few keep it busy; of the longest texts, two cores score more than these hold before a batch
# is cut short.
IN_FLIGHT = 4


class Predictor(ABC):
    """Asks one served model; close it, or use it as a context manager."""

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
        self._model, self._version = model, version
        self._retries, self._in_flight = retries, in_flight
        self._management = management and ManagementClient(
            management, timeout=timeout, retries=0, token_file=token_file
        )

    def predict(self, text: str) -> Prediction:
        """Score one text; raises SentimentError."""
        return Prediction.from_json(self._ask(one(text)))

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
        if self._management:
            self._management.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def _send(self, body: bytes) -> Any:
        """Send one request, and again where that helps; returns JSON, raises SentimentError."""

    def _ask(self, body: bytes) -> Any:
        try:
            return self._send(body)
        except Overloaded as refusal:
            if self._management and not self._has_worker(self._management):
                raise without_worker(refusal) from None
            raise

    def _has_worker(self, management: ManagementClient) -> bool:
        try:
            return management.describe(self._model, self._version).ready_workers > 0
        except SentimentError:
            return True  # it cannot be told, so the server's own word stands

    def _stream(self, texts: Iterable[str]) -> Generator[Result, None, None]:
        with closing(in_order(self._ask_chunk, chunks(texts), self._in_flight)) as answers:
            for results in answers:
                yield from results

    def _ask_chunk(self, chunk: Chunk) -> list[Result]:
        results = self._ask_texts(chunk)
        for _ in range(self._retries):
            late = chunk.late(results)
            if not late:
                break
            results = fill_in(results, self._ask_texts(late))
        return results

    def _ask_texts(self, chunk: Chunk) -> list[Result]:
        try:
            return chunk.results(self._ask(chunk.body))
        except TooLarge as error:
            if len(chunk) > 1:
                raise
            return [error]
