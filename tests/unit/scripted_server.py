"""Servers on free ports that fail like a real one, but on demand.

They do what TorchServe cannot be made to do at a given moment: reset a connection, never answer,
answer with a proxy's page. The integration tests use the real TorchServe.
"""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc

from sentiment_client._grpc_messages import METHOD, PredictionResponse, PredictionsRequest

Answer = tuple[int, bytes] | tuple[int, bytes, Mapping[str, str]] | str
Step = Answer | Callable[[bytes], Answer]


@dataclass
class Scripted:
    """`address` of the server, and (method, path, headers, body) of each request that arrived.

    `arrived` is called for each request before it is answered.
    """

    address: str
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    arrived: Callable[[], object] = lambda: None

    @property
    def bodies(self) -> list[bytes]:
        return [body for *_, body in self.requests]

    @property
    def tokens(self) -> list[str | None]:
        """The Authorization header of each request."""
        return [headers.get("Authorization") for _, _, headers, _ in self.requests]


@contextmanager
def scripted(*steps: Step, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """Answer each request by the next step, and all later ones by the last step.

    A step is (status, body) with or without headers, "reset" (the connection is reset),
    "silence" (no answer), or a function of the request's body that returns one of these.
    """
    left = list(steps)
    released = threading.Event()
    server: Scripted

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            server.requests.append((self.command, self.path, dict(self.headers), body))
            server.arrived()
            step = left.pop(0) if len(left) > 1 else left[0]
            if callable(step):
                step = step(body)
            if step == "silence":
                released.wait(30)
                self.close_connection = True
            elif step == "reset":
                # Lingering for no time at all makes closing a reset.
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True
            else:
                assert isinstance(step, tuple)
                status, content, *headers = step
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                for extra in headers:
                    for name, value in extra.items():
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_CONNECT = respond

        def log_message(self, *_: object) -> None: ...

        def handle(self) -> None:
            _quietly(super().handle)

        def finish(self) -> None:
            _quietly(super().finish)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    if tls is not None:
        http.socket = tls.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    server = Scripted(f"http{'s' if tls else ''}://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        released.set()
        http.shutdown()
        thread.join()
        http.server_close()


@contextmanager
def scripted_grpc(
    *steps: Step | tuple[grpc.StatusCode, str], tls: Any = None
) -> Iterator[Scripted]:
    """`scripted` over gRPC: HTTP steps are translated as by TorchServe, gRPC errors are sent."""
    left = list(steps)
    released = threading.Event()

    def answer(request: Any, context: Any) -> Any:
        body = request.input["data"]
        metadata = {name.title(): value for name, value in context.invocation_metadata()}
        server.requests.append(("POST", METHOD, metadata, body))
        server.arrived()
        step: Any = left.pop(0) if len(left) > 1 else left[0]
        if callable(step):
            step = step(body)
        if step == "silence":
            released.wait(30)
        if not isinstance(step[0], grpc.StatusCode):
            step = _as_grpc(step)
        if isinstance(step, tuple):
            context.abort(*step)
        return PredictionResponse(prediction=step)

    handler = grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=PredictionsRequest.FromString,
        response_serializer=PredictionResponse.SerializeToString,
    )
    service, method = METHOD.strip("/").split("/")
    handlers = (grpc.method_handlers_generic_handler(service, {method: handler}),)
    with ThreadPoolExecutor(8) as pool:
        listening = grpc.server(
            pool, handlers=handlers, options=[("grpc.max_send_message_length", -1)]
        )
        port = (
            listening.add_secure_port("127.0.0.1:0", tls)
            if tls
            else listening.add_insecure_port("127.0.0.1:0")
        )
        listening.start()
        server = Scripted(f"http{'s' if tls else ''}://127.0.0.1:{port}")
        try:
            yield server
        finally:
            released.set()
            listening.stop(None).wait()


def _as_grpc(step: Answer) -> bytes | tuple[grpc.StatusCode, str]:
    """Translate an HTTP answer like TorchServe's gRPC, which drops the handler's statuses."""
    code = grpc.StatusCode
    if isinstance(step, str):
        return code.UNAVAILABLE, "Connection reset by peer"
    status, content = step[:2]
    if status == 200 or b"error_type" in content:
        return content
    fields = json.loads(content) if content.startswith(b"{") else {}
    message = f"{fields.get('message', 'no')}\n{fields.get('type', 'X')}.()"
    match status:
        case 400:
            return code.PERMISSION_DENIED, message
        case 404:
            return code.INTERNAL, f"{message} ModelNotFoundException"
        case 413:
            return code.CANCELLED, "RST_STREAM closed stream. HTTP/2 error code: CANCEL"
        case 500:
            return code.INTERNAL, message
        case 503:
            return code.INTERNAL, f'Model "sentiment" has no worker to serve.\n{message}'
        case 507:
            return code.RESOURCE_EXHAUSTED, message
    return code.UNAVAILABLE, f"Received http2 header with status: {status}"  # as a proxy answers


def _quietly(call: Callable[[], None]) -> None:
    with suppress(OSError, ValueError):  # a step has closed the connection
        call()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
