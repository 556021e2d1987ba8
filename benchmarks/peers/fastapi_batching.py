"""2. FastAPI with the textbook batching loop: a queue, a wait of 10 ms, one padded call."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.peers.checkpoint import MAX_TEXTS, Checkpoint, Scored

WAIT_SECONDS = 0.010

Score = Callable[[Sequence[str]], Sequence[Scored]]


class One(BaseModel):
    """A request with one text."""

    text: str


class Many(BaseModel):
    """A request with many texts."""

    texts: list[str]


class Batcher:
    """Scores texts that arrive at about the same time in one batch."""

    def __init__(self, score: Score) -> None:
        """`score` is called with up to `MAX_TEXTS` texts, in a thread."""
        self._score = score
        self._queue: asyncio.Queue[tuple[str, asyncio.Future[Scored]]] = asyncio.Queue()

    async def score(self, text: str) -> Scored:
        """Queue a text, and return its answer when its batch has been scored."""
        answer: asyncio.Future[Scored] = asyncio.get_running_loop().create_future()
        await self._queue.put((text, answer))
        return await answer

    async def run(self) -> None:
        """Form batches and score them until cancelled."""
        while True:
            batch = [await self._queue.get()]
            await asyncio.sleep(WAIT_SECONDS)
            while len(batch) < MAX_TEXTS and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            texts = [text for text, _ in batch]
            scored = await asyncio.to_thread(self._score, texts)
            for (_, answer), result in zip(batch, scored, strict=True):
                if not answer.done():
                    answer.set_result(result)


def create(load: Callable[[], Score]) -> FastAPI:
    """Return the application; `load` loads the model when it starts."""

    @contextlib.asynccontextmanager
    async def batching(app: FastAPI) -> AsyncIterator[None]:
        app.state.batcher = Batcher(load())
        loop = asyncio.create_task(app.state.batcher.run())
        yield
        loop.cancel()

    app = FastAPI(lifespan=batching)

    @app.post("/predict")
    async def predict(body: One) -> Any:
        return await app.state.batcher.score(body.text)

    @app.post("/predict_many")
    async def predict_many(body: Many) -> Any:
        return await asyncio.gather(*map(app.state.batcher.score, body.texts))

    return app


def serve(load: Callable[[], Score]) -> None:
    """Serve the application until SIGTERM."""
    port = int(os.environ["PORT"])
    uvicorn.run(create(load), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    serve(lambda: Checkpoint().score)
