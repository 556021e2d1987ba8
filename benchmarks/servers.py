"""The servers that are compared, in the order of the tables."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.load.texts import text_or_texts


def tensor(name: str, texts: Sequence[str], *columns: int) -> dict[str, Any]:
    """A request of the Open Inference Protocol, whose only tensor has `columns`, if any."""
    shape = [len(texts), *columns]
    return {"inputs": [{"name": name, "shape": shape, "datatype": "BYTES", "data": list(texts)}]}


@dataclass(frozen=True)
class Server:
    """`name` is for SERVERS=, `title` for the report, `module` one of `benchmarks.peers`.

    `path` takes one text, `path_many` several. `own_engine` is set if the peer's process runs the
    engine of this service's archive. `content` is what a request with some texts holds, and `read`
    returns the part of an answer that has one label per text. With `own_packages`, the peer runs in
    an environment with the packages of `benchmarks/peers/packages/NAME.txt`.
    """

    number: str
    name: str
    title: str
    module: str
    path: str = "/predict"
    path_many: str = "/predict"
    own_engine: bool = False
    content: Callable[[Sequence[str]], object] = text_or_texts
    read: Callable[[Any], object] = lambda answer: answer
    own_packages: bool = False


# The report has ratios to these two: the textbook service, and the engine without a server.
BASELINE = "fastapi"
LIMIT = "engine"

SERVERS = (
    Server("1a", BASELINE, "FastAPI, textbook", "fastapi_single", path_many="/predict_many"),
    Server("1b", "flask", "Flask and waitress, textbook", "flask_single"),
    Server(
        "2",
        "fastapi-batching",
        "FastAPI, batching loop",
        "fastapi_batching",
        path_many="/predict_many",
    ),
    Server(
        "3",
        "torchserve-example",
        "TorchServe, its own example",
        "torchserve_example",
        path="/predictions/example",
        path_many="/predictions/example",
    ),
    Server("4", "litserve", "LitServe", "litserve_peer"),
    Server("5", "mosec", "mosec", "mosec_peer", path="/inference", path_many="/inference"),
    Server("6", "ray-serve", "Ray Serve", "ray_serve"),
    Server(
        "6a",
        "bentoml",
        "BentoML",
        "bentoml_peer",
        content=lambda texts: {"texts": list(texts)},
        own_packages=True,
    ),
    Server(
        "6b",
        "triton",
        "Triton, PyTriton",
        "triton_peer",
        path="/v2/models/sentiment/infer",
        path_many="/v2/models/sentiment/infer",
        content=lambda texts: tensor("text", texts, 1),
        own_packages=True,
    ),
    Server(
        "6c",
        "mlserver",
        "MLServer, its Hugging Face runtime",
        "mlserver_peer",
        path="/v2/models/sentiment/infer",
        path_many="/v2/models/sentiment/infer",
        content=lambda texts: tensor("array_inputs", texts),
        read=lambda answer: [json.loads(each) for each in answer["outputs"][0]["data"]],
        own_packages=True,
    ),
    Server(
        "6d",
        "infinity",
        "Infinity, its ONNX engine",
        "infinity_peer",
        path="/classify",
        path_many="/classify",
        content=lambda texts: {"model": "sentiment", "input": list(texts)},
        read=lambda answer: [ranking[0] for ranking in answer["data"]],
        own_packages=True,
    ),
    Server(
        "6e",
        "fastapi-int8",
        "FastAPI, batching loop, ONNX Runtime int8",
        "fastapi_int8",
        path_many="/predict_many",
    ),
    Server(
        "7",
        "mosec-engine",
        "mosec, our engine",
        "mosec_engine",
        path="/inference",
        path_many="/inference",
        own_engine=True,
    ),
    Server(
        "8",
        "service",
        "this service",
        "service",
        path="/predictions/sentiment",
        path_many="/predictions/sentiment",
    ),
    Server("9", LIMIT, "the engine alone, in a loop", "bare_engine", own_engine=True),
)
BY_NAME = {server.name: server for server in SERVERS}
