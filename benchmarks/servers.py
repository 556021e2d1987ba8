"""The servers that are compared, in the order of the tables."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Server:
    """`name` is for SERVERS=, `title` for the report, `module` one of `benchmarks.peers`.

    `path` takes one text, `path_many` several. `own_engine` is set if the peer's process runs the
    engine of this service's archive.
    """

    number: str
    name: str
    title: str
    module: str
    path: str = "/predict"
    path_many: str = "/predict"
    own_engine: bool = False


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
