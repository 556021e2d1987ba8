"""The one class that TorchServe calls: a batch of requests in, a list of responses out.

`handle` must not raise, whatever a client sends: TorchServe would fail every request of the batch.
Known errors become that request's 4xx. Any other exception becomes its 500, and is logged with the
request's id and the place in the code, never with the client's text.
"""

import logging
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

import torchserve_patches
from sentiment.batch import Batch, Exchange, log_defect
from sentiment.inference.classifier import Classifier, EngineDead
from sentiment.metrics import Metrics
from sentiment.protocol.get_routes import GetRoutes
from sentiment.protocol.route import FRONTEND_HEADERS, Route
from sentiment.protocol.timing import Timing
from sentiment.served_model import ServedModel
from sentiment.settings import Settings

logger = logging.getLogger(__name__)

# The environment variable with the path of a file that exists while the server is draining.
DRAINING = "SENTIMENT_DRAINING"
# How much the workers of `background_models` give way, 0 to 19. At 10, the scheduler gives others
# nine times as much of a core that both want.
BACKGROUND = 10


class SentimentHandler:
    """`context` is TorchServe's `ts.context.Context`, shared by all requests of a batch."""

    def initialize(self, context: Any) -> None:
        """Load the checkpoint and warm it up: when this returns, the worker is ready."""
        # A core file of this process would hold clients' texts.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        properties = context.system_properties
        settings = Settings.from_yaml(context.model_yaml_config)
        if context.model_name in settings.background_models:
            os.nice(BACKGROUND)  # first, since threads inherit it
        self.classifier = Classifier(
            Path(properties["model_dir"]) / "model",
            max_tokens=settings.max_tokens,
            max_windows=settings.max_windows,
            tokens_per_microbatch=settings.tokens_per_microbatch,
            threads=settings.threads,
            engine=settings.engine,
            cache_entries=settings.cache_entries,
            gpu=properties.get("gpu_id"),
        )
        self.model = ServedModel(
            context.model_name,
            context.manifest["model"]["modelVersion"],
            self.classifier.labels,
            msgspec.structs.replace(settings, max_tokens=self.classifier.max_tokens),
            self.classifier.tokenizer.min_tokens,
            self.classifier.takes_pairs,
        )
        self.get_routes = GetRoutes(self.model, self.classifier.facts(), _is_draining)
        self.classifier.warm_up()
        self.metrics = Metrics(self.model, self.classifier.engine, self.classifier.scorer)
        torchserve_patches.buffer_socket_reads()
        torchserve_patches.drop_batch_log_lines()
        if context.metrics is not None:  # TorchServe's; there are none while an archive is checked
            self.metrics.start(context.metrics)

    def handle(self, rows: Sequence[Mapping[str, bytes]], context: Any) -> list[bytes]:
        """Answer every request of the batch, in order."""
        batch = Batch(
            [Exchange(context.get_request_id(i), row) for i, row in enumerate(rows)], self.model
        )
        try:
            self.preprocess(batch, context)
            self.inference(batch)
            self.postprocess(batch)
        except EngineDead:
            # TorchServe fails the batch with 500s, as we would, and starts a new worker.
            logger.error("the model fails on every text: this worker ends")
            sys.exit(1)
        except Exception as error:
            for exchange in batch.exchanges:
                exchange.fail(error)
        try:
            self.metrics.record(batch)
        except Exception as error:  # never fail a request over metrics
            log_defect("counting a batch", error)
        return [
            _send(context, i, exchange, batch.timing) for i, exchange in enumerate(batch.exchanges)
        ]

    def preprocess(self, batch: Batch, context: Any) -> None:
        """Read and decode each request."""
        for i, exchange in enumerate(batch.exchanges):
            try:
                exchange.headers = _headers(context, i)
            except Exception as error:
                exchange.fail(error)
        batch.decode(self.get_routes)

    def inference(self, batch: Batch) -> None:
        """Score the texts of all requests together."""
        batch.score(self.classifier)

    def postprocess(self, batch: Batch) -> None:
        """Encode each request's results, or its error."""
        batch.encode()


def _is_draining() -> bool:
    """Whether the server is about to stop: the launcher then creates this file."""
    return Path(os.environ.get(DRAINING, "")).is_file()


def _headers(context: Any, i: int) -> dict[str, str]:
    """Request i's headers with lower-case names.

    TorchServe also stores the headers of multipart parts here, as dicts. The frontend's headers
    keep their exact names, so that a client's `URL_PATH` cannot replace them.
    """
    strings = {
        name: value
        for name, value in context.get_all_request_header(i).items()
        if isinstance(value, str)
    }
    client = {
        name.lower(): value for name, value in strings.items() if name not in FRONTEND_HEADERS
    }
    return client | {name: strings[name] for name in FRONTEND_HEADERS if name in strings}


def _send(context: Any, i: int, exchange: Exchange, timing: Timing) -> bytes:
    """Set the status and headers of request i; returns the body of its response."""
    response = exchange.response or exchange.fail(RuntimeError("no response"))
    context.set_response_status(response.status, response.reason, i)
    context.set_response_content_type(i, response.content_type)
    tokens = sum(prediction.tokens for prediction in exchange.predictions)
    headers = {**response.headers, **timing.headers(tokens)}
    if exchange.route is Route.GRPC:
        # StreamPredictions needs this header; without it TorchServe ends the worker.
        headers["ts_stream_next"] = "false"
    if response.status >= 400 and "x-front" in exchange.headers:
        # nginx replaces the body of an error, so it takes ours from here: deploy/nginx/errors.conf.
        headers["x-error"] = response.body.decode("ascii")
    for name, value in headers.items():
        context.set_response_header(i, name, value)
    return response.body
