"""The one class that TorchServe calls: a batch of requests in, a list of answers out.

Nothing that a client sends may raise out of `handle`: TorchServe would fail every request of the
batch. Known errors become that request's 4xx; anything else becomes that request's 500 and is
logged with the request's id and where it happened, never with what the client sent.
"""

import logging
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torchserve_patches
from sentiment.counts import Counts
from sentiment.errors import Backend, RequestError, TooLarge
from sentiment.inference.classifier import Classifier
from sentiment.inference.prediction import Prediction, Results
from sentiment.protocol.body import read_body
from sentiment.protocol.dialects import Dialect, dialect_of
from sentiment.protocol.get_routes import GetRoutes
from sentiment.protocol.request import Request
from sentiment.protocol.response import Response, error_response, ok
from sentiment.protocol.route import Route, route_of
from sentiment.protocol.timing import Timing
from sentiment.served_model import ServedModel
from sentiment.settings import Settings

Row = Mapping[str, bytes]
# What to score, a document that is ready, or what is wrong.
Decoded = tuple[Dialect, Request] | Response | RequestError
NOTHING = Request([])
FRONT_END = ("url_path", "explain")

logger = logging.getLogger(__name__)


class SentimentHandler:
    """`context` is TorchServe's `ts.context.Context`, shared by all requests of a batch."""

    def initialize(self, context: Any) -> None:
        """Load the checkpoint and warm it up: when this returns, the worker is ready."""
        properties = context.system_properties
        settings = Settings.from_yaml(context.model_yaml_config)
        self.classifier = Classifier(
            Path(properties["model_dir"]) / "model",
            max_tokens=settings.max_tokens,
            tokens_per_microbatch=settings.tokens_per_microbatch,
            threads=settings.threads,
            engine=settings.engine,
            gpu=properties.get("gpu_id"),
        )
        self.service = ServedModel(
            context.model_name,
            context.manifest["model"]["modelVersion"],
            self.classifier.labels,
            replace(settings, max_tokens=self.classifier.max_tokens),
        )
        self.get_routes = GetRoutes(self.service)
        self.counts = Counts()
        self.classifier.warm_up()
        torchserve_patches.buffer_socket_reads()
        torchserve_patches.drop_batch_log_lines()

    def handle(self, rows: Sequence[Row], context: Any) -> list[bytes]:
        """Answer every request of the batch, in order."""
        timing = Timing()
        headers = [_headers(context, i) for i in range(len(rows))]
        results: Sequence[Results] = [[]] * len(rows)
        try:
            requests = self.preprocess(rows, headers, context)
            results = self.inference(requests, timing, context)
            responses = self.postprocess(requests, results, context)
        except Exception as error:
            responses = [error_response(_defect(error, context, i)) for i in range(len(rows))]
        tokens = [_tokens(own) for own in results]
        self._count(results, sum(tokens), context)
        for i, response in enumerate(responses):
            context.set_response_status(response.status, response.reason, i)
            context.set_response_content_type(i, response.content_type)
            answered = {**response.headers, **timing.headers(tokens[i])}
            if route_of(headers[i]) is Route.GRPC:
                # Asked by StreamPredictions, TorchServe looks for this, and would end the worker.
                answered["ts_stream_next"] = "false"
            for name, value in answered.items():
                context.set_response_header(i, name, value)
        return [response.body for response in responses]

    def preprocess(
        self, rows: Sequence[Row], headers: Sequence[Mapping[str, str]], context: Any
    ) -> list[Decoded]:
        """Read and decode each request, or find what is wrong with it."""
        decoded: list[Decoded] = []
        for i, (row, own) in enumerate(zip(rows, headers, strict=True)):
            try:
                decoded.append(self._decode(own, row))
            except RequestError as error:
                decoded.append(error)
            except Exception as error:
                decoded.append(_defect(error, context, i))
        return decoded

    def _decode(self, headers: Mapping[str, str], row: Row) -> Decoded:
        route = route_of(headers)
        if document := self.get_routes.match(route, headers, row):
            return document
        body = read_body(route, headers, row)
        dialect = dialect_of(route, body)
        return dialect, dialect.decode(body, self.service)

    def inference(self, requests: Sequence[Decoded], timing: Timing, context: Any) -> list[Results]:
        """Score the texts of all requests together; one list of results a request."""
        asked = [request[1] if isinstance(request, tuple) else NOTHING for request in requests]
        flat = _flat(asked)
        began = time.monotonic()
        try:
            tokens = self.classifier.tokenizer([text for _, text in flat])
        except Exception as error:
            _log(error, f"tokenising a batch of {len(requests)}")
            asked = [self._tokenisable(request, context, i) for i, request in enumerate(asked)]
            flat = _flat(asked)
            tokens = self.classifier.tokenizer([text for _, text in flat])
        tokenised = time.monotonic()
        timing.tokenization = tokenised - began
        scored = self.classifier.score(
            tokens,
            functions=[asked[i].function for i, _ in flat],
            sizes=[len(asked[i].texts) for i, _ in flat],
            deadline=timing.started + self.service.settings.batch_seconds,
        )
        timing.inference = time.monotonic() - tokenised
        self._end_if_dead(scored)
        results = (
            _defect(result.__cause__, context, i)
            if isinstance(result, Backend) and result.__cause__
            else result
            for (i, _), result in zip(flat, scored, strict=True)
        )
        return [
            [next(results) if isinstance(text, str) else text for text in request.texts]
            for request in asked
        ]

    def _end_if_dead(self, results: Results) -> None:
        """End a worker whose engine will never work again, as after some errors of a GPU.

        TorchServe answers its batch with 500s, which is what it would get anyway, and starts
        another worker. Raises SystemExit.
        """
        kinds = set(map(type, results))
        if Backend in kinds and Prediction not in kinds and not self.classifier.works():
            logger.error("the model fails on every text: this worker ends")
            sys.exit(1)

    def _tokenisable(self, request: Request, context: Any, i: int) -> Request:
        """Request i with an error in place of each text that brings the tokenizer down."""
        texts: list[str | RequestError] = []
        for text in request.texts:
            try:
                if isinstance(text, str):
                    self.classifier.tokenizer([text])
                texts.append(text)
            except Exception as error:
                texts.append(_defect(error, context, i))
        return replace(request, texts=texts)

    def postprocess(
        self, requests: Sequence[Decoded], results: Sequence[Results], context: Any
    ) -> list[Response]:
        """Encode each request's results in its own dialect, or its error."""
        responses = []
        for i, (request, own) in enumerate(zip(requests, results, strict=True)):
            try:
                responses.append(self._encode(request, own))
            except RequestError as error:
                responses.append(error_response(error))
            except Exception as error:
                responses.append(error_response(_defect(error, context, i)))
        return responses

    def _encode(self, request: Decoded, results: Results) -> Response:
        if isinstance(request, Response):
            return request
        if isinstance(request, RequestError):
            raise request
        dialect, asked = request
        response = ok(dialect.encode(asked, results, self.service))
        if len(response.body) > self.service.settings.max_response_bytes:
            raise TooLarge("The answer would be too long: send fewer texts at once.")
        return response

    def _count(self, results: Sequence[Results], tokens: int, context: Any) -> None:
        """One update of each counter a batch; `metrics.yaml` declares them."""
        texts = sum(isinstance(result, Prediction) for own in results for result in own)
        counts = {
            "sentiment_batches_total": 1,
            "sentiment_requests_total": len(results),
            "sentiment_texts_total": texts,
            "sentiment_tokens_total": tokens,
        }
        try:
            self.counts.add(counts, context.metrics)
        except Exception as error:  # answers are worth more than their count
            _log(error, "counting a batch")


def _headers(context: Any, i: int) -> dict[str, str]:
    """Request i's headers under lower-case names; TorchServe mixes in a form's part types."""
    headers = context.get_all_request_header(i)
    strings = {name: value for name, value in headers.items() if isinstance(value, str)}
    # TorchServe's own stand as they are: a client's URL_PATH is none of them.
    others = {name.lower(): value for name, value in strings.items() if name not in FRONT_END}
    return others | {name: strings[name] for name in FRONT_END if name in strings}


def _flat(requests: Sequence[Request]) -> list[tuple[int, str]]:
    """The texts of all requests, each with the index of its request; errors are left out."""
    return [
        (i, text) for i, own in enumerate(requests) for text in own.texts if isinstance(text, str)
    ]


def _defect(error: BaseException, context: Any, i: int) -> Backend:
    """Log a defect that request i ran into, and say so to its client."""
    request_id = context.get_request_id(i)
    _log(error, f"request {request_id}")
    return Backend(
        f"The service failed on request {request_id}: tell whoever runs it, naming this id."
    )


def _log(error: BaseException, failed: str) -> None:
    """Log where `error` was raised, but not its message, which may quote a client's text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))
    logger.error("%s failed: %s at %s", failed, type(error).__name__, where)


def _tokens(results: Results) -> int:
    return sum(result.tokens for result in results if isinstance(result, Prediction))
