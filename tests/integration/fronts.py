"""A real nginx before a real TorchServe, and what is sent to it."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from scripts.launcher.front import TEMPLATES, Front, nginx_command
from scripts.launcher.ports import free_ports
from scripts.launcher.properties import Properties
from scripts.launcher.server import Server
from sentiment_client import (
    SentimentClient,
)

NEEDS_NGINX = pytest.mark.skipif(
    nginx_command() is None, reason="needs nginx: apt-get install nginx"
)
TOKEN = "0123456789abcdef" * 4
BEARER = {"Authorization": f"Bearer {TOKEN}"}
JSON = {"Content-Type": "application/json"}
GOOD = {"text": "A gripping, beautifully shot film."}


@contextmanager
def fronting(server: Server, run: Path, **settings: str) -> Iterator[Front]:
    """Start a front with some `settings`, and always stop it."""
    (port,) = free_ports(1)
    defaults = Properties.read(TEMPLATES / "front.properties")
    values = defaults.values | {"listen": f"127.0.0.1:{port}"} | settings
    front = Front(Properties(defaults.path, values), server, run)
    try:
        front.start()
        yield front
    finally:
        front.stop()


Send = Callable[..., requests.Response]


@contextmanager
def sending(front: Front, headers: dict[str, str]) -> Iterator[Send]:
    """A function that sends a request to a path of the front."""
    with requests.Session() as session:
        session.verify = str(front.certificate)
        session.headers.update(headers)
        session.trust_env = False

        def send(path: str, method: str = "POST", **options: object) -> requests.Response:
            return session.request(method, front.address + path, timeout=60, **options)  # type: ignore[arg-type]

        yield send


def error_type(answer: requests.Response) -> str:
    """The type of an error, which is the contract's JSON and nothing else."""
    assert answer.headers["Content-Type"] == "application/json"
    fields = answer.json()
    assert set(fields) == {"error", "error_type"}
    assert fields["error"].endswith((".", "}"))
    return str(fields["error_type"])


def raw(front: Front, request: bytes, *, token: bool = True) -> tuple[int, dict[str, str]]:
    """Send bytes as they are over TLS; returns the status and the JSON of the answer."""
    with connection(front) as tls:
        line, _, rest = request.partition(b"\r\n")
        authorization = b"Authorization: Bearer %s\r\n" % TOKEN.encode() if token else b""
        tls.sendall(line + b"\r\nHost: localhost\r\n" + authorization + rest)
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
            piece = tls.recv(65536)
            if not piece:
                break
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@contextmanager
def connection(front: Front) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=str(front.certificate))
    port = urlsplit(front.address).port
    with socket.create_connection(("127.0.0.1", port or 443), timeout=60) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            yield tls


def entries(front: Front) -> list[dict[str, object]]:
    """The access log."""
    return [json.loads(line) for line in front.access_log.read_text().splitlines()]


def client_of(front: Front, token: str | None = TOKEN, **options: int) -> SentimentClient:
    return SentimentClient(front.address, token=token, verify=str(front.certificate), **options)  # type: ignore[arg-type]
