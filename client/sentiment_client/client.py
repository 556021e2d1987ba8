"""The blocking client of the inference API, over REST."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Self, Unpack

from sentiment_client._base import BaseClient
from sentiment_client._chunks import Chunk, chunks, refuse_single
from sentiment_client._options import Options, fields, most_texts
from sentiment_client._tasks import finished, in_order
from sentiment_client._transport import BlockingTransport, Timeout
from sentiment_client.models import Prediction, Ready, Result


class SentimentClient(BaseClient):
    """A client of one served model; close it, or use it as a context manager.

        with SentimentClient("localhost:8080") as client:
            print(client.predict("A gripping, beautifully shot film.").label)

    `address` defaults to $SENTIMENT_ADDRESS, else http://127.0.0.1:8080; an address without scheme
    and port gets port 8080. `timeout` is in seconds per attempt, or a pair: to connect, and to wait
    for the answer. Transient failures are retried up to `max_retries` times with growing
    pauses, and logged as warnings by the logger "sentiment_client"; docs/clients.md has the rules.
    A list of texts is split into requests, of which up to `max_concurrency` are in flight.

    `verify` is True, the path of a file or folder of certificates, or False for no verification;
    True also uses $REQUESTS_CA_BUNDLE, $CURL_CA_BUNDLE, $SSL_CERT_FILE or $SSL_CERT_DIR. `token` is
    the token itself; `token_file` is TorchServe's key_file.json, read before each attempt, since
    tokens are rotated. With a `management` address, the client raises Unhealthy instead of
    Overloaded if there is no worker, and waits for a new worker after one died. Invalid options
    raise ValueError. A client may be used by several threads.
    """

    _transport_type = BlockingTransport

    def predict(
        self, text: str, *, timeout: Timeout | None = None, **options: Unpack[Options]
    ) -> Prediction:
        """Score one text; raises SentimentError. `timeout` replaces the client's.

        `options` are `labels=`, `threshold=`, `sentences=True` and `explain=True`.
        """
        return finished(self._predict(text, timeout, fields(**options)))

    def predict_many(
        self, texts: Iterable[str], *, timeout: Timeout | None = None, **options: Unpack[Options]
    ) -> list[Result]:
        """Score many texts, in as few requests as their size allows; returns results in order.

        For a text that cannot be scored, or a value that is not a str, the result is an error; the
        other texts are not affected. If a whole request fails, or if `texts` raises, the error is
        raised; `predict_stream` first gives the results before it.
        """
        return list(self.predict_stream(texts, timeout=timeout, **options))

    def predict_stream(
        self, texts: Iterable[str], *, timeout: Timeout | None = None, **options: Unpack[Options]
    ) -> Generator[Result, None, None]:
        """Like `predict_many`, but yields the results one by one, for texts that exceed memory.

        Texts are read only when a request can start, so a result may wait until `max_concurrency`
        requests are full or the texts have ended. Closing the generator leaves the rest unread.
        """
        refuse_single(texts)
        return self._stream(chunks(texts, most_texts(options)), timeout, fields(**options))

    def ready(self, *, wait: float = 0.0, timeout: Timeout | None = None) -> Ready:
        """Raise SentimentError unless a worker is ready, and the server is not draining.

        Nothing is retried. With `wait`, in seconds, keep trying for that long.
        """
        return finished(self._ready(wait, timeout))

    def close(self) -> None:
        """Close the pooled connections."""
        finished(self._close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stream(
        self, chunks: Iterator[Chunk], timeout: Timeout | None, options: bytes
    ) -> Generator[Result, None, None]:
        def call(chunk: Chunk) -> list[Result]:
            return finished(self._predict_chunk(chunk, timeout, options))

        with closing(in_order(call, chunks, self._max_concurrency)) as answers:
            for results in answers:
                yield from results
