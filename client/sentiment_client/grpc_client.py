"""The client of the inference API over gRPC, on TorchServe's port 7070."""

import re
import time
from typing import Any

import grpc

from sentiment_client._address import address_or_default, grpc_target, is_loopback
from sentiment_client._answers import NO_REASON, TOO_MANY_BYTES, from_answer, redirected
from sentiment_client._environment import pem
from sentiment_client._grpc_messages import METHOD, PredictionResponse, PredictionsRequest
from sentiment_client._tasks import pause
from sentiment_client._tokens import Token
from sentiment_client._transport import USER_AGENT, Answer, Request, Transport
from sentiment_client.client import SentimentClient
from sentiment_client.errors import (
    BackendFailed,
    ConnectionFailed,
    Malformed,
    NotFound,
    Overloaded,
    RateLimited,
    SentimentError,
    TooLarge,
    Unauthorized,
    UnexpectedAnswer,
    WorkerDied,
)

# gRPC's default limit, 4 MiB, is too low for answers with many labels for many texts.
MAX_ANSWER_BYTES = 64 << 20
# Seconds between two attempts to connect.
_RECONNECT = 0.1


class GrpcSentimentClient(SentimentClient):
    """SentimentClient over gRPC: the same methods and the same errors.

        with GrpcSentimentClient("localhost:7070") as client:
            print(client.predict("A gripping, beautifully shot film.").label)

    The options are SentimentClient's, with three exceptions: `address` defaults to
    $SENTIMENT_GRPC_ADDRESS, else 127.0.0.1:7070; `verify` cannot be False; the timeout for the
    answer includes connecting. An error's `status` is the HTTP status that REST would give. Calls
    in flight when the client is closed, and later calls, raise RuntimeError.
    """

    def _connect(self, address: str | None, **options: Any) -> Transport:
        address = address_or_default(address, "SENTIMENT_GRPC_ADDRESS", "127.0.0.1:7070")
        return GrpcTransport(address, model=self._model, version=self._version, **options)


class GrpcTransport(Transport):
    """A transport on gRPC. It only calls Predictions, so of a request only the body is used.

    A request without a body asks whether a worker is ready.

    gRPC's own retries depend only on the status. TorchServe gives INTERNAL both for an unknown
    model and for a missing worker, and OK for a batch that ran out of time.
    """

    pause = staticmethod(pause)

    def __init__(self, address: str, *, model: str, version: str | None, **options: Any) -> None:
        target, self._secure = grpc_target(address, 7070)
        super().__init__(target, **options)
        self._model, self._version = model, version or ""
        self._closed = False
        settings = (
            ("grpc.enable_http_proxy", int(not is_loopback(target))),
            ("grpc.primary_user_agent", USER_AGENT),
            ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
            # Reconnect fast: gRPC's default backoff outlasts our retries.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 500),
        )
        self._channel = (
            grpc.secure_channel(target, grpc.ssl_channel_credentials(pem(self.trusted)), settings)
            if self._secure
            else grpc.insecure_channel(target, settings)
        )
        self._predictions = self._channel.unary_unary(
            METHOD,
            request_serializer=PredictionsRequest.SerializeToString,
            response_deserializer=PredictionResponse.FromString,
        )

    async def send_once(self, request: Request) -> Any:
        """Send a request without retries, but for attempts to connect.

        gRPC ends such an attempt after 100 ms here, which a busy server may exceed.
        """
        connect, _ = self.timeout_of(request)
        deadline = time.monotonic() + connect
        while True:
            try:
                return await super().send_once(request)
            except ConnectionFailed as error:
                if error.sent or time.monotonic() > deadline:
                    raise
            time.sleep(_RECONNECT)  # no retry, so not the pause before one

    async def close(self) -> None:
        """Close the channel."""
        self._closed = True
        self._channel.close()

    def _is_secure(self) -> bool:
        return self._secure

    async def _exchange(self, request: Request, token: Token | None) -> Answer | SentimentError:
        if self._closed:
            raise RuntimeError("The client is closed.")
        fields = {"ready": b""} if request.body is None else {"data": request.body}
        message = PredictionsRequest(
            model_name=self._model, model_version=self._version, input=fields
        )
        metadata = (("authorization", token.header),) if token else ()
        _, seconds = self.timeout_of(request)
        try:
            answer = self._predictions(message, timeout=seconds, metadata=metadata)
        except grpc.RpcError as error:
            code, details = error.code(), error.details() or NO_REASON
        else:
            return Answer(200, answer.prediction, {})
        if code is grpc.StatusCode.CANCELLED and self._closed:
            raise RuntimeError("The client is closed.")
        return self._error(code, details)

    def _error(self, code: Any, details: str) -> SentimentError:
        """The error for a gRPC status from TorchServe, gRPC itself or a proxy."""
        reason, _, java = details.partition("\n")  # TorchServe appends a Java exception
        if http := re.search(r"http2 header with status: (\d+)", details):  # from a proxy
            status = int(http[1])
            if status < 400:
                return redirected(status, self.address, "", None)
            return from_answer(status, b"")
        match code:
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                return self._timed_out(sent=True)
            case grpc.StatusCode.UNAVAILABLE if not java:
                return self._unavailable(reason)
            case grpc.StatusCode.PERMISSION_DENIED | grpc.StatusCode.UNAUTHENTICATED:
                return Unauthorized(reason, 400)
            case grpc.StatusCode.UNIMPLEMENTED:
                return UnexpectedAnswer(f"{self.address} is not TorchServe: check the address.")
            case grpc.StatusCode.CANCELLED:  # by the server: the request is too large
                return TooLarge(TOO_MANY_BYTES, 413)
            case grpc.StatusCode.RESOURCE_EXHAUSTED if "larger than max" in reason:  # by our gRPC
                return TooLarge("The answer is too long for this client: send fewer texts.", 413)
            case grpc.StatusCode.RESOURCE_EXHAUSTED if not java and "died" not in reason:
                return RateLimited(reason, 429)
            case grpc.StatusCode.INVALID_ARGUMENT:
                return Malformed(reason, 400)
            case grpc.StatusCode.INTERNAL if "NotFoundException" in java:
                return NotFound(reason, 404)
            case grpc.StatusCode.INTERNAL if "no worker" in reason:
                return Overloaded(reason, 503)
            case grpc.StatusCode.INTERNAL if "RST_STREAM" in reason:
                return self._failed("the connection was reset", sent=True)
            case grpc.StatusCode.UNAVAILABLE:
                return Overloaded(reason, 503)
            case grpc.StatusCode.INTERNAL:
                return WorkerDied(reason, 500)
            case grpc.StatusCode.RESOURCE_EXHAUSTED:
                return WorkerDied(reason, 507)
        return BackendFailed(reason, 500)

    def _unavailable(self, reason: str) -> SentimentError:
        """The error for UNAVAILABLE, whose causes differ only in gRPC's message."""
        if match := re.search(r"CERTIFICATE_VERIFY_FAILED|WRONG_VERSION_NUMBER", reason):
            return self._bad_certificate(match[0].lower().replace("_", " "))
        if "Hostname Verification" in reason or "Peer name" in reason:
            return self._bad_certificate("it is for another host")
        if re.search(r"DNS resolution failed|errors resolving|lookup failed", reason):
            return self._bad_address()
        return self._failed("UNAVAILABLE", sent=True)
