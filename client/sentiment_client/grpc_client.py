"""Ask the inference API over gRPC: the same questions and answers, on TorchServe's port 7070."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from sentiment_client.address import grpc_target, is_loopback
from sentiment_client.errors import (
    TOO_MANY_BYTES,
    BackendFailed,
    ConnectionFailed,
    Malformed,
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
from sentiment_client.retries import RETRIES, Retries
from sentiment_client.tokens import Token, token_source

# As in REST's 500 and 507.
_WORKER_DIED = (grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED)


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
        self._model, self._version = model, version or ""
        source = token_source(token, token_file, "inference")
        self._tries = Retries(retries, source, self.rest.pause)
        self._closed = False
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

    async def _close(self) -> None:
        self._closed = True
        await super()._close()
        self._channel.close()

    async def _send(self, body: bytes) -> Any:
        # Not gRPC's own retries: they go by status alone, and TorchServe has one, INTERNAL, for
        # an unknown model and for a worker that is away, and none for a batch that was too late.
        return await self._tries.of(partial(self._try, body))

    async def _try(self, body: bytes, token: Token | None) -> Any:
        if self._closed:
            raise RuntimeError("The client is closed.")
        request = PredictionsRequest(
            model_name=self._model, model_version=self._version, input={"data": body}
        )
        metadata = (("authorization", token.header),) if token else ()
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

    def _translated(self, error: Any) -> SentimentError | RuntimeError:
        """The error that a gRPC status stands for, as TorchServe uses them."""
        code, details = error.code(), error.details() or "The server gave no reason."
        reason, _, java = details.partition("\n")  # TorchServe ends with the name of an exception
        match code:
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                return TimedOut(f"{self._address} did not answer in time.")
            case grpc.StatusCode.UNAVAILABLE if not java:
                return ConnectionFailed(
                    f"{self._address} cannot be reached: is the server up? ({code.name})"
                )
            case grpc.StatusCode.PERMISSION_DENIED | grpc.StatusCode.UNAUTHENTICATED:
                return Unauthorized(reason, 400)
            case grpc.StatusCode.UNIMPLEMENTED:
                return UnexpectedAnswer(f"{self._address} is no TorchServe: check the address.")
            case grpc.StatusCode.CANCELLED if self._closed:
                return RuntimeError("The client is closed.")
            case grpc.StatusCode.CANCELLED:  # by the server, as it reads no further
                return TooLarge(TOO_MANY_BYTES, 413)
            case grpc.StatusCode.INVALID_ARGUMENT:
                return Malformed(reason, 400)
            case grpc.StatusCode.INTERNAL if "NotFoundException" in java:
                return NotFound(reason, 404)
            case grpc.StatusCode.INTERNAL if "no worker" in reason:
                return Overloaded(reason, 503)
            case grpc.StatusCode.UNAVAILABLE:
                return Overloaded(reason, 503)
            case _:
                failure = BackendFailed(reason, 500)
                failure.passes = code in _WORKER_DIED
                return failure
