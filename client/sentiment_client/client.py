"""The blocking client of the inference API, over REST."""

from collections.abc import Generator, Iterable
from contextlib import closing
from typing import Self

from sentiment_client._base import BaseClient
from sentiment_client._chunks import Chunk, chunks, refuse_single
from sentiment_client._tasks import finished, in_order
from sentiment_client._transport import BlockingTransport, Timeout
from sentiment_client.models import Prediction, Result


class SentimentClient(BaseClient):
    """A client of one served model; close it, or use it as a context manager.

        with SentimentClient("localhost:8080") as client:
            print(client.predict("A gripping, beautifully shot film.").label)

    `address` defaults to $SENTIMENT_ADDRESS, and then to http://127.0.0.1:8080; its port is 8080
    unless it names one or a scheme. `timeout` is in seconds, or (to connect, to be answered), and
    holds for each attempt. Transient failures are retried up to `max_retries` times with growing
    pauses, which logger "sentiment_client" reports as warnings; docs/clients.md has the rules. A
    list of texts is sent in requests of which up to `max_concurrency` are in flight.

    `verify` is True, the path of a file or folder of certificates, or False for no check at all;
    with True, $REQUESTS_CA_BUNDLE, $CURL_CA_BUNDLE, $SSL_CERT_FILE and $SSL_CERT_DIR are heeded.
    `token` is sent as it is; `token_file` is TorchServe's key_file.json, read before each attempt,
    as tokens are rotated. With a `management` address, a refusal for want of workers is told from
    a full queue (Unhealthy instead of Overloaded), and a worker that died is waited for. Options
    that cannot be used raise ValueError. One client may be used by many threads.
    """

    _transport_type = BlockingTransport

    def predict(self, text: str, *, timeout: Timeout | None = None) -> Prediction:
        """Score one text; raises SentimentError. `timeout` takes the place of the client's."""
        return finished(self._predict(text, timeout))

    def predict_many(self, texts: Iterable[str], *, timeout: Timeout | None = None) -> list[Result]:
        """Score many texts, in as few requests as their size allows; results are in order.

        A text that cannot be scored, or a value that is not a str, has its error in place of its
        prediction, so that it costs no other text. What fails a whole request is raised, and so
        is what `texts` raises; `predict_stream` gives the results before it first.
        """
        return list(self.predict_stream(texts, timeout=timeout))

    def predict_stream(
        self, texts: Iterable[str], *, timeout: Timeout | None = None
    ) -> Generator[Result, None, None]:
        """The same one by one, for more texts than there is memory for.

        Texts are read as requests can start, and so a result may wait until `max_concurrency`
        requests are full or the texts have ended. Closing the generator leaves the rest unread.
        """
        refuse_single(texts)
        return self._stream(texts, timeout)

    def close(self) -> None:
        """Close the connections."""
        finished(self._close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stream(
        self, texts: Iterable[str], timeout: Timeout | None
    ) -> Generator[Result, None, None]:
        def call(chunk: Chunk) -> list[Result]:
            return finished(self._predict_chunk(chunk, timeout))

        with closing(in_order(call, chunks(texts), self._max_concurrency)) as answers:
            for results in answers:
                yield from results
