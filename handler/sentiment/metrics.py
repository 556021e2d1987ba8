"""The metrics of a worker: what is counted per batch, and for how long the worker is ready.

`metrics.yaml` declares them; docs/metrics.md explains them. No label has a value from a client.
"""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sentiment import __version__
from sentiment.batch import Batch, Exchange
from sentiment.counts import Counts
from sentiment.errors import Backend, RequestError
from sentiment.inference.prediction import Prediction
from sentiment.inference.scorer import Scorer
from sentiment.protocol.dialects import ALL
from sentiment.served_model import ServedModel

# Each flush is up to ninety log lines.
_FLUSH_SECONDS = 1.0
# A model with more labels is not counted by label: each would be a time series.
_MOST_LABELS = 50
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
# The histograms and the upper bounds of their buckets.
_BUCKETS: Mapping[str, Sequence[float]] = {
    "sentiment_request_seconds": _SECONDS,
    "sentiment_tokenization_seconds": (0.0001, 0.00025, 0.0005, *_SECONDS[:7], 1),
    "sentiment_engine_seconds": _SECONDS,
    "sentiment_batch_requests": (1, 2, 4, 8, 16, 32, 64, 128),
    "sentiment_batch_texts": (1, 2, 4, 8, 16, 32, 64, 128, 512, 2048),
    "sentiment_batch_tokens": (16, 64, 256, 1024, 4096, 16384, 65536),
    "sentiment_padding_ratio": (0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8),
    "sentiment_text_tokens": (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192),
}
_NO_DIALECT = "none"
_DIALECTS = (_NO_DIALECT, *(dialect.OPERATION.name for dialect in ALL))
_ERRORS = RequestError.__subclasses__()


class Metrics:
    """Counts batches; `start` sends the counts to TorchServe for as long as the worker lives."""

    def __init__(self, model: ServedModel, engine: str, scorer: Scorer) -> None:
        """Create every series, so that its first increase is seen; `engine` is its name."""
        self.counts = counts = Counts(_BUCKETS, [model.name, "Model"])
        self._scorer = scorer
        self._computed, self._padding = scorer.computed, scorer.padding
        self._hits = scorer.cache.hits
        self._build = (model.version, engine, __version__)
        self._labels = frozenset(model.labels if len(model.labels) <= _MOST_LABELS else ())
        for name in ("batches", "requests", "texts", "tokens", "truncated_texts", "cached_texts"):
            counts.count(f"sentiment_{name}_total", by=0)
        for dialect in _DIALECTS:
            for status in {200, *(error.status for error in _ERRORS)}:
                counts.count("sentiment_responses_total", dialect, str(status), by=0)
        for error in _ERRORS:
            counts.count("sentiment_failed_texts_total", error.__name__, by=0)
        for label in self._labels:
            counts.count("sentiment_labels_total", label, by=0)
        counts.count("sentiment_ready_worker_seconds_total", *self._build, by=0)

    def start(self, torchserve: Any) -> None:
        """Count a start of a worker; flush to TorchServe's metrics from now on, in a thread."""
        self.counts.count("sentiment_worker_starts_total")
        self.counts.flush(torchserve)  # now: a worker may end before the thread does it
        thread = threading.Thread(target=self._flush_forever, args=[torchserve], daemon=True)
        thread.start()

    def record(self, batch: Batch) -> None:
        """Count a batch that has been answered."""
        results = [result for exchange in batch.exchanges for result in exchange.results]
        predictions = [result for result in results if isinstance(result, Prediction)]
        failures = [result for result in results if isinstance(result, RequestError)]
        lengths = Counter(prediction.tokens for prediction in predictions)
        requests, texts = len(batch.exchanges), len(predictions)

        count, observe = self.counts.count, self.counts.observe
        count("sentiment_batches_total")
        count("sentiment_requests_total", by=requests)
        count("sentiment_texts_total", by=texts)
        count("sentiment_tokens_total", by=sum(p.tokens for p in predictions))
        count("sentiment_truncated_texts_total", by=sum(p.truncated for p in predictions))
        for (dialect, status), number in Counter(map(_answer, batch.exchanges)).items():
            count("sentiment_responses_total", dialect, status, by=number)
        for label, number in Counter(prediction.label for prediction in predictions).items():
            if label in self._labels:
                count("sentiment_labels_total", label, by=number)
        for error, number in Counter(failure.error_type for failure in failures).items():
            count("sentiment_failed_texts_total", error, by=number)

        observe("sentiment_request_seconds", batch.timing.total, times=requests)
        observe("sentiment_batch_requests", requests)
        computed, padding = self._scorer.computed, self._scorer.padding
        if computed > self._computed:
            observe("sentiment_batch_texts", texts)
            observe("sentiment_tokenization_seconds", batch.timing.tokenization)
            observe("sentiment_engine_seconds", batch.timing.inference)
            observe("sentiment_batch_tokens", computed - self._computed)
            observe(
                "sentiment_padding_ratio", (padding - self._padding) / (computed - self._computed)
            )
        self._computed, self._padding = computed, padding
        count("sentiment_cached_texts_total", by=self._scorer.cache.hits - self._hits)
        self._hits = self._scorer.cache.hits
        for length, number in lengths.items():
            observe("sentiment_text_tokens", length, times=number)

    def _flush_forever(self, torchserve: Any) -> None:
        last = time.monotonic()
        while True:
            time.sleep(_FLUSH_SECONDS)
            now = time.monotonic()
            # The rate of the sum over all workers is the number of workers.
            self.counts.count("sentiment_ready_worker_seconds_total", *self._build, by=now - last)
            self.counts.flush(torchserve)
            last = now


def _answer(exchange: Exchange) -> tuple[str, str]:
    """The dialect and the status of an answer, as labels."""
    dialect = exchange.dialect.OPERATION.name if exchange.dialect else _NO_DIALECT
    return dialect, str(exchange.response.status if exchange.response else Backend.status)
