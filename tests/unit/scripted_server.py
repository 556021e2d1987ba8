"""A server on a free port that fails in ways that a real one does, but on demand.

Only for what a TorchServe cannot be made to do at a given moment: reset a connection, never
answer, answer with a proxy's page. The integration tests ask the real one.
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, bytes] | str
Step = Answer | Callable[[bytes], Answer]


@dataclass
class Scripted:
    """`address` to ask; `requests` are the (method, path, headers, body) that arrived.

    `arrived` is called for each of them before it is answered.
    """

    address: str
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    arrived: Callable[[], object] = lambda: None


@contextmanager
def scripted(*steps: Step) -> Iterator[Scripted]:
    """Answer each request by the next step, and the last one for ever.

    A step is (status, body), "reset" (the connection is reset), "silence" (no answer), or
    a function of the request's body that returns one of these.
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
                self.send_response(step[0])
                self.send_header("Content-Length", str(len(step[1])))
                self.end_headers()
                self.wfile.write(step[1])

        do_GET = do_POST = do_PUT = do_DELETE = respond

        def log_message(self, *_: object) -> None: ...

        def handle(self) -> None:
            _quietly(super().handle)

        def finish(self) -> None:
            _quietly(super().finish)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server = Scripted(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        released.set()
        http.shutdown()
        thread.join()
        http.server_close()


def _quietly(call: Callable[[], None]) -> None:
    with suppress(OSError, ValueError):  # of the connection that a step closed
        call()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
