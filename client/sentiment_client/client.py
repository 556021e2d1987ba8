"""Ask the inference API: text in, label and score out."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sentiment_client.address import base_address, model_path
from sentiment_client.errors import (
    Overloaded,
    SentimentError,
    TooLarge,
    UnexpectedAnswer,
    Unhealthy,
    from_entry,
)
from sentiment_client.management import ManagementClient
from sentiment_client.results import Prediction
from sentiment_client.transport import RETRIES, Timeout, Transport

# What one request carries at the most, unless one text is larger; the service takes twice as many
# texts, and 256 KiB.
TEXTS_PER_REQUEST = 32
BYTES_PER_REQUEST = 200_000
# Seconds to connect, and then to wait for the first byte of the answer: the service cuts a batch
# short after 15, and one or two batches may be ahead.
TIMEOUT = (3.05, 60.0)


class SentimentClient(Transport):
    """A client of one served model; close it, or use it as a context manager.

        with SentimentClient("localhost:8080") as client:
            print(client.predict("A gripping, beautifully shot film.").label)

    `timeout` is in seconds, or (to connect, to be answered), and holds for each try. Resets,
    refused connections, time-outs and 500, 503 and 507 are tried again `retries` times with
    growing pauses: a prediction can always be repeated. `token` is sent as it is;
    `token_file` is TorchServe's key_file.json, read for every request, as tokens are rotated.
    With a `management` address, a refusal for want of workers is told from a full queue:
    Unhealthy instead of Overloaded. One client may be used by many threads.
    """

    def __init__(
        self,
        address: str = "http://127.0.0.1:8080",
        *,
        model: str = "sentiment",
        version: str | None = None,
        timeout: Timeout = TIMEOUT,
        retries: int = RETRIES,
        token: str | None = None,
        token_file: Path | str | None = None,
        management: str | None = None,
    ) -> None:
        super().__init__(
            base_address(address, 8080),
            kind="inference",
            timeout=timeout,
            retries=retries,
            retried=("POST",),
            token=token,
            token_file=token_file,
        )
        self._model, self._version = model, version
        self._management = management and ManagementClient(
            management, timeout=timeout, retries=0, token_file=token_file
        )
        self._path = model_path("predictions", model, version)

    def predict(self, text: str) -> Prediction:
        """Score one text; raises SentimentError."""
        return Prediction.from_json(self._ask(b'{"text": %s}' % _encode(text)))

    def predict_many(self, texts: Iterable[str]) -> list[Prediction | SentimentError]:
        """Score many texts, in as few requests as their size allows; answers are in order.

        A text that cannot be scored has its error, not raised, in place of its prediction, so
        that it costs no other text. What fails a whole request is raised.
        """
        if isinstance(texts, str):
            raise TypeError("predict_many takes a list of texts; for one text there is predict.")
        return [result for chunk in _chunks(texts) for result in self._predict_chunk(chunk)]

    def close(self) -> None:
        """Close the pooled connections."""
        super().close()
        if self._management:
            self._management.close()

    def _ask(self, body: bytes) -> Any:
        try:
            return self.send("POST", self._path, body=body)
        except Overloaded as refusal:
            # TorchServe has one sentence for a full queue and for no worker.
            if self._management and not self._has_worker(self._management):
                raise Unhealthy(
                    "No worker is ready: start one, or try again later.", refusal.status
                ) from None
            raise

    def _has_worker(self, management: ManagementClient) -> bool:
        try:
            return management.describe(self._model, self._version).ready_workers > 0
        except SentimentError:
            return True  # it cannot be told, so the server's own word stands

    def _predict_chunk(self, encoded: list[bytes]) -> list[Prediction | SentimentError]:
        try:
            answer = self._ask(b'{"texts": [%s]}' % b", ".join(encoded))
        except TooLarge as error:
            if len(encoded) > 1:
                raise
            return [error]
        entries = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(entries, list) or len(entries) != len(encoded):
            raise UnexpectedAnswer("The answer is not a list of predictions: check the address.")
        return [
            from_entry(str(entry["error_type"]), str(entry["error"]))
            if isinstance(entry, dict) and "error_type" in entry
            else Prediction.from_json(entry)
            for entry in entries
        ]


def _encode(text: str) -> bytes:
    """The text as a JSON string."""
    try:
        return json.dumps(text, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        # A lone surrogate can be spelt in ASCII only; the service says what is wrong with it.
        return json.dumps(text).encode("ascii")


def _chunks(texts: Iterable[str]) -> Iterator[list[bytes]]:
    """Texts as JSON strings, grouped into lists that fit one request each."""
    chunk: list[bytes] = []
    size = 0
    for encoded in map(_encode, texts):
        if chunk and (len(chunk) == TEXTS_PER_REQUEST or size + len(encoded) > BYTES_PER_REQUEST):
            yield chunk
            chunk, size = [], 0
        chunk.append(encoded)
        size += len(encoded)
    if chunk:
        yield chunk
