"""Ask the inference API over gRPC: the same questions and answers, on TorchServe's port 7070."""

from typing import Any

import grpc

from sentiment_client._address import grpc_target
from sentiment_client._grpc_messages import METHOD, PredictionResponse, PredictionsRequest
from sentiment_client._tasks import pause
from sentiment_client._tokens import Token
from sentiment_client._transport import Request, Transport
from sentiment_client.client import SentimentClient
from sentiment_client.errors import (
    TOO_MANY_BYTES,
    BackendFailed,
    Malformed,
    NotFound,
    Overloaded,
    SentimentError,
    TooLarge,
    Unauthorized,
    UnexpectedAnswer,
)

# As in REST's 500 and 507.
_WORKER_DIED = (grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED)


class GrpcSentimentClient(SentimentClient):
    """SentimentClient over gRPC: the same names, and the same errors.

        with GrpcSentimentClient("localhost:7070") as client:
            print(client.predict("A gripping, beautifully shot film.").label)

    Its options are SentimentClient's, but that the port is 7070 unless named, and that a try has
    to connect, too, in the time it has to be answered. An error's `status` is what REST would
    have answered. RuntimeError is raised by calls that are under way when it is closed, or later.
    """

    def _connect(self, address: str, **options: Any) -> Transport:
        return GrpcTransport(address, model=self._model, version=self._version, **options)


class GrpcTransport(Transport):
    """A transport on gRPC. It makes one call, Predictions, and so a request is its body only.

    gRPC's own retries go by status alone, and TorchServe has one, INTERNAL, for an unknown model
    and for a worker that is away, and none for a batch that was too late.
    """

    pause = staticmethod(pause)

    def __init__(self, address: str, *, model: str, version: str | None, **options: Any) -> None:
        target, secure = grpc_target(address, 7070)
        super().__init__(target, **options)
        self._model, self._version = model, version or ""
        self._closed = False
        settings = (
            ("grpc.enable_http_proxy", int(self.trust_env)),
            # A server that is back is found at the next try, not when gRPC's own pause is over.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 500),
        )
        self._channel = (
            grpc.secure_channel(target, grpc.ssl_channel_credentials(), settings)
            if secure
            else grpc.insecure_channel(target, settings)
        )
        self._predictions = self._channel.unary_unary(
            METHOD,
            request_serializer=PredictionsRequest.SerializeToString,
            response_deserializer=PredictionResponse.FromString,
        )

    async def close(self) -> None:
        """Close the channel."""
        self._closed = True
        self._channel.close()

    async def _try(self, request: Request, token: Token | None) -> tuple[int, bytes]:
        if self._closed:
            raise RuntimeError("The client is closed.")
        message = PredictionsRequest(
            model_name=self._model, model_version=self._version, input={"data": request.body}
        )
        metadata = (("authorization", token.header),) if token else ()
        try:
            answer = self._predictions(message, timeout=self.timeout[1], metadata=metadata)
        except grpc.RpcError as error:
            raise self._translated(error) from error
        return 200, answer.prediction

    def _translated(self, error: Any) -> SentimentError | RuntimeError:
        """The error that a gRPC status stands for, as TorchServe uses them."""
        code, details = error.code(), error.details() or "The server gave no reason."
        reason, _, java = details.partition("\n")  # TorchServe ends with the name of an exception
        match code:
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                return self._timed_out(sent=True)
            case grpc.StatusCode.UNAVAILABLE if not java:
                return self._failed(code.name, sent=True)
            case grpc.StatusCode.PERMISSION_DENIED | grpc.StatusCode.UNAUTHENTICATED:
                return Unauthorized(reason, 400)
            case grpc.StatusCode.UNIMPLEMENTED:
                return UnexpectedAnswer(f"{self.address} is no TorchServe: check the address.")
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
