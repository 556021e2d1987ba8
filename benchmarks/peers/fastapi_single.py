"""1a. The textbook FastAPI service: `transformers`' pipeline behind an endpoint, no batching."""

import os
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.peers.checkpoint import load_pipeline


class One(BaseModel):
    """A request with one text."""

    text: str


class Many(BaseModel):
    """A request with many texts."""

    texts: list[str]


def create() -> FastAPI:
    """Return the application."""
    app = FastAPI()
    classifier = load_pipeline()

    # Not async, so FastAPI runs them in its thread pool.
    @app.post("/predict")
    def predict(body: One) -> Any:
        return classifier(body.text)[0]

    @app.post("/predict_many")
    def predict_many(body: Many) -> Any:
        return classifier(body.texts)

    return app


if __name__ == "__main__":
    uvicorn.run(create(), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
