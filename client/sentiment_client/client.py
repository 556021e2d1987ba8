"""Ask the inference API over REST: text in, label and score out."""

from collections.abc import Generator, Iterable
from contextlib import closing
from typing import Self

from sentiment_client._base import Asker
from sentiment_client._chunks import Chunk, chunks, refuse_single
from sentiment_client._tasks import finished, in_order
from sentiment_client._transport import BlockingTransport
from sentiment_client.models import Prediction, Result


class SentimentClient(Asker):
    """A client of one served model; close it, or use it as a context manager.

        with SentimentClient("localhost:8080") as client:
            print(client.predict("A gripping, beautifully shot film.").label)

    The port is 8080 unless `address` names one. `timeout` is in seconds, or (to connect, to be
    answered), and holds for each try. Resets, refused connections, time-outs, a full queue and a
    worker that died are tried again `retries` times with growing pauses: a prediction can always
    be repeated. A list of texts is sent in requests of which `in_flight` are on their way at the
    same time. `token` is sent as it is; `token_file` is TorchServe's key_file.json, read for every
    try, as tokens are rotated. With a `management` address, a refusal for want of workers is told
    from a full queue: Unhealthy instead of Overloaded. One client may be used by many threads.
    """

    _transport_type = BlockingTransport

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
