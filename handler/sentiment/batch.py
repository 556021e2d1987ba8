"""A batch, from requests to responses: one Exchange per request, filled in step by step.

    row, headers --decode--> dialect, request --tokenize--> tokens --score--> results
        --encode--> response

An error in any step ends only its own exchange.
"""

import logging
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from sentiment.errors import Backend, Overloaded, RequestError, TooLarge, Validation
from sentiment.inference.classifier import Classifier, Outcome
from sentiment.inference.prediction import EngineFailure, Prediction, Results
from sentiment.inference.tokenizer import Tokenizer
from sentiment.inference.tokens import Text, Tokens
from sentiment.protocol.body import EXAMPLE, Body, read_body, read_json
from sentiment.protocol.deadline import exceeded, read_deadline
from sentiment.protocol.dialects import EXPLAINING, Dialect, dialect_of, hosted_dialect
from sentiment.protocol.get_routes import GetRoutes
from sentiment.protocol.request import EMPTY_REQUEST, Request
from sentiment.protocol.response import Response, error_response, hosted_error, ok
from sentiment.protocol.route import Route, route_of
from sentiment.protocol.timing import Timing
from sentiment.served_model import ServedModel

logger = logging.getLogger(__name__)


class Exchange(Struct):
    """One request and its response.

    `row` is what TorchServe passes for the request: field names to bytes. `deadline` is in seconds
    of `time.monotonic`. `tokens` and `results` have one entry per text of `request`, or an error in
    its place.
    """

    request_id: str
    row: Mapping[str, bytes]
    headers: Mapping[str, str] = {}
    deadline: float = float("inf")
    dialect: Dialect | None = None
    request: Request = EMPTY_REQUEST
    tokens: Sequence[Tokens | RequestError] = ()
    results: Results = []
    response: Response | None = None

    @property
    def route(self) -> Route:
        """The route of the request."""
        return route_of(self.headers)

    @property
    def size(self) -> int:
        """The number of passages that are scored for the request."""
        return sum(len(text.passages) for text in self.tokens if isinstance(text, Tokens))

    @property
    def predictions(self) -> list[Prediction]:
        """The results without the errors."""
        return [result for result in self.results if isinstance(result, Prediction)]

    def decode(self, model: ServedModel, get_routes: GetRoutes) -> None:
        """Decode the request in its dialect, or set the response to a GET request.

        Raises RequestError.
        """
        route = self.route
        self.response = get_routes.match(route, self.headers, self.row)
        if self.response is not None:
            return
        self.dialect = hosted_dialect(self.headers)
        self.deadline = read_deadline(self.headers)
        if late := exceeded(self.deadline):
            raise late
        body: Body
        if self.dialect:
            body = read_json(self.headers, self.row)
        else:
            body = read_body(route, self.headers, self.row)
            self.dialect = dialect_of(route, body)
        self.request = self.dialect.decode(body, model)
        if self.headers.get("explain", "").lower() == "true":
            if self.dialect not in EXPLAINING:
                raise Validation(
                    f"Explanations have one format: send {EXAMPLE} to /explanations/{model.name}."
                )
            self.request = self.request.explained(model.settings)

    def encode(self, model: ServedModel) -> None:
        """Encode the results in the dialect of the request; raises RequestError."""
        if self.response is None and self.dialect is not None:
            response = ok(self.dialect.encode(self.request, self.results, model))
            if len(response.body) > model.settings.max_response_bytes:
                raise TooLarge("The answer would be too long: send fewer texts per request.")
            self.response = response

    def fail(self, error: Exception) -> Response:
        """Make `error` the response to this request, in the shape of its dialect."""
        known = error if isinstance(error, RequestError) else self.defect(error)
        shape = self.dialect.OPERATION.fail if self.dialect else None
        self.response = hosted_error(known, shape(known)) if shape else error_response(known)
        return self.response

    def tokenize(self, text: Text, tokenizer: Tokenizer) -> Tokens | RequestError:
        """Tokenize one text alone; returns an error if it crashes the tokenizer."""
        try:
            (tokens,) = tokenizer([text], [self.request.options])
        except Exception as error:
            return self.defect(error)
        return tokens

    def defect(self, error: Exception) -> Backend:
        """Log a defect that this request hit; returns the error for its client."""
        log_defect(f"request {self.request_id}", error)
        return Backend(
            f"The service failed on request {self.request_id}: report this id to its operator."
        )


class Batch:
    """Exchanges that are tokenized and scored together."""

    def __init__(self, exchanges: Sequence[Exchange], model: ServedModel) -> None:
        self.exchanges = exchanges
        self.timing = Timing()
        self._model = model

    def decode(self, get_routes: GetRoutes) -> None:
        """Decode each request in its dialect, or set the response to a GET request."""
        for exchange in self.exchanges:
            if exchange.response is None:
                try:
                    exchange.decode(self._model, get_routes)
                except Exception as error:
                    exchange.fail(error)

    def score(self, classifier: Classifier) -> None:
        """Tokenize and score the texts of all requests together; raises EngineDead."""
        started = time.monotonic()
        self._tokenize(classifier.tokenizer)
        tokenized = time.monotonic()
        stop = self.timing.started + self._model.settings.batch_seconds
        to_score = [
            (exchange, tokens, size)
            for exchange in self.exchanges
            for size in [exchange.size]
            for tokens in exchange.tokens
            if isinstance(tokens, Tokens)
        ]
        outcomes = iter(
            classifier.score(
                [tokens for _, tokens, _ in to_score],
                options=[exchange.request.options for exchange, _, _ in to_score],
                sizes=[size for _, _, size in to_score],
                deadlines=[min(exchange.deadline, stop) for exchange, _, _ in to_score],
            )
        )
        for exchange in self.exchanges:
            exchange.results = [
                tokens if isinstance(tokens, RequestError) else _result(next(outcomes), exchange)
                for tokens in exchange.tokens
            ]
        self.timing.tokenization = tokenized - started
        self.timing.inference = time.monotonic() - tokenized

    def encode(self) -> None:
        """Encode each request's results in its dialect."""
        for exchange in self.exchanges:
            try:
                exchange.encode(self._model)
            except Exception as error:
                exchange.fail(error)

    def _tokenize(self, tokenizer: Tokenizer) -> None:
        """Tokenize all texts in one call or, if that fails, one by one."""
        to_tokenize = [
            (exchange, text)
            for exchange in self.exchanges
            for text in exchange.request.texts
            if not isinstance(text, RequestError)
        ]
        texts = [text for _, text in to_tokenize]
        options = [exchange.request.options for exchange, _ in to_tokenize]
        tokens: Iterator[Tokens | RequestError]
        try:
            tokens = iter(tokenizer(texts, options))
        except Exception as error:
            log_defect(f"tokenizing a batch of {len(self.exchanges)}", error)
            tokens = (exchange.tokenize(text, tokenizer) for exchange, text in to_tokenize)
        for exchange in self.exchanges:
            exchange.tokens = [
                text if isinstance(text, RequestError) else next(tokens)
                for text in exchange.request.texts
            ]


def log_defect(doing: str, error: BaseException) -> None:
    """Log where `error` was raised, without its message, which may quote a client's text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))
    logger.error("%s failed: %s at %s", doing, type(error).__name__, where)


def _result(outcome: Outcome, exchange: Exchange) -> Prediction | RequestError:
    """The result of one text for the client."""
    if isinstance(outcome, Overloaded):
        return exceeded(exchange.deadline) or outcome
    if not isinstance(outcome, EngineFailure):
        return outcome
    if outcome.error is not None:
        return exchange.defect(outcome.error)
    return Backend("The model computed no usable score for this text: choose another model.")
