"""The one class that TorchServe calls: a batch of requests in, a list of answers out.

Nothing that a client sends may raise out of `handle`: TorchServe would fail every request of the
batch. Known errors become that request's 4xx; anything else becomes that request's 500 and is
logged with the request's id and where it happened, never with what the client sent.
"""

import logging
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sentiment.body import read_body
from sentiment.classifier import Classifier
from sentiment.dialects import Dialect, dialect_of
from sentiment.errors import Backend, RequestError, TooLarge
from sentiment.prediction import Prediction
from sentiment.request import Request
from sentiment.response import Response, answer, refusal
from sentiment.settings import Settings

Row = Mapping[str, bytes]
Decoded = tuple[Dialect, Request] | RequestError
Results = list[Prediction | RequestError]

logger = logging.getLogger(__name__)


class SentimentHandler:
    """`context` is TorchServe's `ts.context.Context`, shared by all requests of a batch."""

    def initialize(self, context: Any) -> None:
        """Load the checkpoint and warm it up: when this returns, the worker is ready."""
        properties = context.system_properties
        self.settings = Settings.from_yaml(context.model_yaml_config)
        self.classifier = Classifier(
            Path(properties["model_dir"]) / "model",
            max_tokens=self.settings.max_tokens,
            tokens_per_microbatch=self.settings.tokens_per_microbatch,
            threads=self.settings.threads,
            gpu=properties.get("gpu_id"),
        )
        self.classifier.warm_up()

    def handle(self, rows: Sequence[Row], context: Any) -> list[bytes]:
        """Answer every request of the batch, in order."""
        try:
            requests = self.preprocess(rows, context)
            results = self.inference(requests, context)
            responses = self.postprocess(requests, results, context)
        except Exception as error:
            results = []
            responses = [refusal(_defect(error, context, i)) for i in range(len(rows))]
        _count(len(rows), results, context)
        for i, response in enumerate(responses):
            context.set_response_status(response.status, response.reason, i)
            context.set_response_content_type(i, response.content_type)
        return [response.body for response in responses]

    def preprocess(self, rows: Sequence[Row], context: Any) -> list[Decoded]:
        """Read and decode each request, or find what is wrong with it."""
        decoded: list[Decoded] = []
        for i, row in enumerate(rows):
            try:
                body = read_body(_headers(context, i), row)
                dialect = dialect_of(body)
                decoded.append((dialect, dialect.decode(body, self.settings)))
            except RequestError as error:
                decoded.append(error)
            except Exception as error:
                decoded.append(_defect(error, context, i))
        return decoded

    def inference(self, requests: Sequence[Decoded], context: Any) -> list[Results]:
        """Score the texts of all requests together; one list of results a request."""
        deadline = time.monotonic() + self.settings.batch_seconds
        texts = [[] if isinstance(req, RequestError) else req[1].texts for req in requests]
        # Flattened: whose it is, and the text.
        flat = [(i, t) for i, own in enumerate(texts) for t in own if isinstance(t, str)]
        try:
            scored = self.classifier.classify(
                [text for _, text in flat],
                sizes=[len(texts[i]) for i, _ in flat],
                deadline=deadline,
            )
        except Exception as error:
            _log(error, f"a batch of {len(requests)}")
            # Some text in this batch brings the model down: only that one shall fail.
            scored = [self._score_alone(text, deadline, context, i) for i, text in flat]
        predictions = iter(scored)
        return [
            [next(predictions) if isinstance(text, str) else text for text in own] for own in texts
        ]

    def _score_alone(
        self, text: str, deadline: float, context: Any, i: int
    ) -> Prediction | RequestError:
        try:
            (result,) = self.classifier.classify([text], deadline=deadline)
        except Exception as error:
            return _defect(error, context, i)
        return result

    def postprocess(
        self, requests: Sequence[Decoded], results: Sequence[Results], context: Any
    ) -> list[Response]:
        """Encode each request's results in its own dialect, or its error."""
        responses = []
        for i, (request, own) in enumerate(zip(requests, results, strict=True)):
            try:
                if isinstance(request, RequestError):
                    raise request
                dialect, _ = request
                response = answer(dialect.encode(own))
                if len(response.body) > self.settings.max_response_bytes:
                    raise TooLarge("The answer would be too long: send fewer texts at once.")
            except RequestError as error:
                response = refusal(error)
            except Exception as error:
                response = refusal(_defect(error, context, i))
            responses.append(response)
        return responses


def _headers(context: Any, i: int) -> dict[str, str]:
    """Request i's headers under lower-case names; TorchServe mixes in a form's part types."""
    headers = context.get_all_request_header(i)
    return {name.lower(): value for name, value in headers.items() if isinstance(value, str)}


def _defect(error: Exception, context: Any, i: int) -> Backend:
    """Log a defect that request i ran into, and say so to its client."""
    request_id = context.get_request_id(i)
    _log(error, f"request {request_id}")
    return Backend(
        f"The service failed on request {request_id}: tell whoever runs it, naming this id."
    )


def _log(error: Exception, failed: str) -> None:
    """Log where `error` was raised, but not its message, which may quote a client's text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))
    logger.error("%s failed: %s at %s", failed, type(error).__name__, where)


def _count(requests: int, results: Sequence[Results], context: Any) -> None:
    """One update of each counter a batch; `metrics.yaml` declares them."""
    predictions = [r for own in results for r in own if isinstance(r, Prediction)]
    counts = {
        "sentiment_batches_total": 1,
        "sentiment_requests_total": requests,
        "sentiment_texts_total": len(predictions),
        "sentiment_tokens_total": sum(prediction.tokens for prediction in predictions),
    }
    try:
        for name, value in counts.items():
            context.metrics.add_counter(name, value)
    except Exception as error:  # answers are worth more than their count
        _log(error, "counting a batch")
