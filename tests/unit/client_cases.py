"""Shared by the unit tests of the clients: answers, and servers and clients of each kind."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from sentiment_client import Prediction
from tests.clients import CLASSES, Client
from tests.unit.scripted_server import Scripted, scripted, scripted_grpc

ANSWER = {
    "sentiment": "POSITIVE",
    "score": 0.75,
    "scores": {"NEGATIVE": 0.25, "POSITIVE": 0.75},
    "tokens": 3,
    "truncated": False,
}
PREDICTION = Prediction("POSITIVE", 0.75, {"NEGATIVE": 0.25, "POSITIVE": 0.75}, 3, False)
OK = (200, json.dumps(ANSWER).encode())
LATE = {"error": "no time", "error_type": "Overloaded"}


def error(kind: str, message: str = "no") -> bytes:
    return json.dumps({"error": message, "error_type": kind}).encode()


def front_end(status: int, kind: str, message: str) -> tuple[int, bytes]:
    return status, json.dumps({"code": status, "type": kind, "message": message}).encode()


WORKER_DIED = front_end(500, "InternalServerException", "Worker died.")
WORKER_KILLED = front_end(507, "InternalServerException", "Worker died.")
BAD_TOKEN = front_end(400, "InvalidKeyException", "expired")
NO_WORKER = front_end(503, "ServiceUnavailableException", "no worker to serve")


def answers(*entries: object) -> tuple[int, bytes]:
    return 200, json.dumps({"results": entries}).encode()


def answer_all(body: bytes) -> tuple[int, bytes]:
    """The answer of a server that labels every text POSITIVE."""
    fields = json.loads(body)
    return answers(*[ANSWER] * len(fields["texts"])) if "texts" in fields else OK


@dataclass
class Case:
    """One kind of client, and servers for it."""

    kind: str

    def scripted(self, *steps: Any, **options: Any) -> AbstractContextManager[Scripted]:
        serve: Any = scripted_grpc if self.kind == "grpc" else scripted
        server: AbstractContextManager[Scripted] = serve(*steps, **options)
        return server

    def client(self, address: str | None = None, **options: Any) -> Client:
        return CLASSES[self.kind](address, **options)

    @contextmanager
    def connected(self, *steps: Any, **options: Any) -> Iterator[tuple[Scripted, Client]]:
        """A scripted server and a client of it."""
        with self.scripted(*steps) as server, self.client(server.address, **options) as client:
            yield server, client
