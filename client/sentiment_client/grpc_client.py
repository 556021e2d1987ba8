"""Ask the inference API over gRPC: the same questions and answers, on TorchServe's port 7070."""

import json
from pathlib import Path
from typing import Any

import grpc

from sentiment_client.address import grpc_target, is_loopback
from sentiment_client.errors import (
    TOO_MANY_BYTES,
    BackendFailed,
    ConnectionFailed,
    NotFound,
    Overloaded,
    SentimentError,
    TimedOut,
    TooLarge,
    Unauthorized,
    UnexpectedAnswer,
    from_entry,
)
from sentiment_client.grpc_messages import METHOD, PredictionResponse, PredictionsRequest
from sentiment_client.predictor import IN_FLIGHT, TIMEOUT, Predictor
from sentiment_client.retries import RETRIED_STATUSES, RETRIES, TIMEOUT_RETRIES, pause_after
from sentiment_client.tasks import pause
from sentiment_client.tokens import token_from


class GrpcSentimentClient(Predictor):
    """SentimentClient over gRPC: the same names, and the same errors.

        with GrpcSentimentClient("localhost:7070") as client:
            print(client.predict("A gripping, beautifully shot film.").label)

    Its options are SentimentClient's, but that `timeout` is one number of seconds, in which a
    try has to connect and be answered. An error's `status` is what REST would have answered.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:7070",
        *,
        model: str = "sentiment",
        version: str | None = None,
        timeout: float = TIMEOUT[1],
        retries: int = RETRIES,
        in_flight: int = IN_FLIGHT,
        token: str | None = None,
        token_file: Path | str | None = None,
        management: str | None = None,
    ) -> None:
        super().__init__(
            model=model,
            version=version,
            timeout=timeout,
            retries=retries,
            in_flight=in_flight,
            token_file=token_file,
            management=management,
        )
        self._timeout = timeout
        self._token = token_from(token, token_file, "inference")
        self._address, secure = grpc_target(address, 7070)
        options = (
            # A proxy that the environment names is not meant for this machine's own servers.
            ("grpc.enable_http_proxy", int(not is_loopback(f"http://{self._address}"))),
            # A server that is back is found at the next try, not when gRPC's own pause is over.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 500),
        )
        self._channel = (
            grpc.secure_channel(self._address, grpc.ssl_channel_credentials(), options)
            if secure
            else grpc.insecure_channel(self._address, options)
        )
        self._predictions = self._channel.unary_unary(
            METHOD,
            request_serializer=PredictionsRequest.SerializeToString,
            response_deserializer=PredictionResponse.FromString,
        )

    def close(self) -> None:
        """Close the channel."""
        super().close()
        self._channel.close()

    def _send(self, body: bytes) -> Any:
        # Not gRPC's own retries: they go by status alone, and TorchServe has one, INTERNAL, for
        # an unknown model and for a worker that is away, and none for a batch that was too late.
        tries = timeouts = 0
        while True:
            try:
                return self._try(body)
            except SentimentError as error:
                tries += 1
                timeouts += isinstance(error, TimedOut)
                passes = isinstance(error, ConnectionFailed) or error.status in RETRIED_STATUSES
                if not passes or tries > self._retries or timeouts > TIMEOUT_RETRIES:
                    raise
            pause(pause_after(tries))

    def _try(self, body: bytes) -> Any:
        request = PredictionsRequest(
            model_name=self._model, model_version=self._version or "", input={"data": body}
        )
        metadata = (("authorization", self._token.header()),) if self._token else ()
        try:
            response = self._predictions(request, timeout=self._timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise self._translated(error) from error
        try:
            answer = json.loads(response.prediction)
        except ValueError:
            raise UnexpectedAnswer(
                f"{self._address} did not answer with JSON: is it the right model?"
            ) from None
        # TorchServe drops the status that the handler gives an answer.
        if isinstance(answer, dict) and "error_type" in answer:
            raise from_entry(str(answer["error_type"]), str(answer.get("error")))
        return answer

    def _translated(self, error: Any) -> SentimentError:
        """The error that a gRPC status stands for, as TorchServe uses them."""
        code, details = error.code(), error.details() or "The server gave no reason."
        reason = details.partition("\n")[0]  # an exception of Java follows
        match code:
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                return TimedOut(f"{self._address} did not answer in time.")
            case grpc.StatusCode.UNAVAILABLE:
                return ConnectionFailed(
                    f"{self._address} cannot be reached: is the server up? ({code.name})"
                )
            case grpc.StatusCode.PERMISSION_DENIED | grpc.StatusCode.UNAUTHENTICATED:
                return Unauthorized(reason, 400)
            case grpc.StatusCode.UNIMPLEMENTED:
                return UnexpectedAnswer(f"{self._address} is no TorchServe: check the address.")
            case grpc.StatusCode.CANCELLED:  # by the server, as it reads no further
                return TooLarge(TOO_MANY_BYTES, 413)
            case grpc.StatusCode.INTERNAL if "NotFoundException" in details:
                return NotFound(reason, 404)
            case grpc.StatusCode.INTERNAL if "no worker" in reason:
                return Overloaded(reason, 503)
            case _:
                return BackendFailed(reason, 500)
