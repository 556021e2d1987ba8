"""What is measured, in the order of the tables."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Server:
    """`name` is for SERVERS=, `module` one of `benchmarks.peers`.

    `one` and `many` are the paths that take one text and many. `ours` says that it has this
    project's engine in its own process.
    """

    number: str
    name: str
    title: str
    module: str
    one: str = "/predict"
    many: str = "/predict"
    ours: bool = False


BASELINE = "fastapi"
LIMIT = "engine"

SERVERS = (
    Server("1a", BASELINE, "FastAPI, textbook", "fastapi_single", many="/predict_many"),
    Server("1b", "flask", "Flask and waitress, textbook", "flask_single"),
    Server(
        "2",
        "fastapi-batching",
        "FastAPI, batching loop",
        "fastapi_batching",
        many="/predict_many",
    ),
    Server(
        "3",
        "torchserve-example",
        "TorchServe, its own example",
        "torchserve_example",
        one="/predictions/example",
        many="/predictions/example",
    ),
    Server("4", "litserve", "LitServe", "litserve_peer"),
    Server("5", "mosec", "mosec", "mosec_peer", one="/inference", many="/inference"),
    Server("6", "ray-serve", "Ray Serve", "ray_serve"),
    Server(
        "7",
        "mosec-engine",
        "mosec, our engine",
        "mosec_engine",
        one="/inference",
        many="/inference",
        ours=True,
    ),
    Server(
        "8",
        "service",
        "this service",
        "service",
        one="/predictions/sentiment",
        many="/predictions/sentiment",
    ),
    Server("9", LIMIT, "the engine alone, in a loop", "bare_engine", ours=True),
)
BY_NAME = {server.name: server for server in SERVERS}
