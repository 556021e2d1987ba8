"""1b. The textbook Flask service, run by waitress with four threads."""

import os
from typing import Any

import waitress
from flask import Flask, jsonify, request

from benchmarks.peers.checkpoint import load_pipeline, texts_of


def create() -> Flask:
    """Return the application."""
    app = Flask(__name__)
    classifier = load_pipeline()

    @app.post("/predict")
    def predict() -> Any:
        return jsonify(classifier(texts_of(request.get_json())))

    return app


if __name__ == "__main__":
    waitress.serve(create(), host="127.0.0.1", port=int(os.environ["PORT"]), threads=4)
