"""A client of an engine that is called in place of a server."""

from collections.abc import Callable, Sequence
from typing import Any

from sentiment_client._tasks import pause
from sentiment_client._tokens import Token
from sentiment_client._transport import Answer, Request, Transport
from sentiment_client.client import SentimentClient
from sentiment_client.errors import SentimentError

# Takes the bodies of requests, which are JSON, and returns the status and the body of each answer.
Engine = Callable[[Sequence[bytes]], list[tuple[int, bytes]]]


class EngineClient(SentimentClient):
    """A client whose requests go to an engine, `max_concurrency` at a time."""

    def __init__(self, engine: Engine, *, max_concurrency: int = 1) -> None:
        self._engine = engine
        super().__init__("127.0.0.1", max_retries=0, max_concurrency=max_concurrency)

    def _connect(self, address: str | None, **options: Any) -> Transport:
        return _EngineTransport("the local engine", engine=self._engine, **options)


class _EngineTransport(Transport):
    """Calls of an engine, in place of HTTP."""

    pause = staticmethod(pause)

    def __init__(self, address: str, *, engine: Engine, **options: Any) -> None:
        super().__init__(address, **options)
        self._engine = engine

    async def _exchange(self, request: Request, token: Token | None) -> Answer | SentimentError:
        ((status, content),) = self._engine([request.body or b""])
        return Answer(status, content, {})

    async def close(self) -> None:
        """Do nothing: the engine is not the client's."""
