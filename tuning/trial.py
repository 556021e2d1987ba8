"""Measure a candidate: start a server with its settings and put it under load."""

import contextlib
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.load import closed_loop
from scripts.failure import Failure
from scripts.launcher.properties import Properties
from scripts.launcher.server import MODEL, Server, isolated_server
from scripts.paths import ROOT
from sentiment_client import SentimentError
from tuning.configuration import Configuration
from tuning.measurement import Measurement
from tuning.settings import Candidate
from tuning.target import Target

SHIPPED = Configuration(ROOT / "config.properties", ROOT / "handler" / "model-config.yaml")
MEMBER = "model-config.yaml"
# Connections of the warm-up loads, one second each, in which Java compiles its code and the engine
# compiles new shapes.
WARM_UP = (1, 8, 64)
# The sweep over connections stops after this many steps without improvement.
PATIENCE = 2


class Trials:
    """Measures candidates for a target; `folder`, which need not exist, is for their servers."""

    def __init__(
        self, archive: Path, folder: Path, bodies: Sequence[bytes], target: Target, seconds: int
    ) -> None:
        self._archive = archive
        self._folder = folder
        self._bodies = bodies
        self._target = target
        self._seconds = seconds

    def measure(self, candidate: Candidate) -> Measurement:
        """Start a server, put it under load, and stop it; raises Failure if it does not start."""
        with started(candidate, self._archive, self._folder) as server:
            for connections in WARM_UP:
                self._load(server, connections, seconds=1)
            steps = self._target.connections(queue_size(server))
            return sweep(steps, self._target, lambda c: self._load(server, c, self._seconds))

    def _load(self, server: Server, connections: int, seconds: int) -> Measurement:
        url = f"{server.properties.inference}/predictions/{MODEL}"
        file = server.run / "bodies"
        report = closed_loop.run(url, self._bodies, file, connections, seconds)
        return Measurement.of(report, connections)


def sweep(steps: Sequence[int], target: Target, load: Callable[[int], Measurement]) -> Measurement:
    """Call `load` with rising numbers of connections, and return the best measurement."""
    measurements: list[Measurement] = []
    for connections in steps:
        measurements.append(load(connections))
        best = max(measurements, key=target.merit)
        if len(measurements) - measurements.index(best) > PATIENCE:
            break
    return best


@contextlib.contextmanager
def started(candidate: Candidate, archive: Path, folder: Path) -> Iterator[Server]:
    """Run a server with these settings on free ports of the loopback address; raises Failure."""
    shutil.rmtree(folder, ignore_errors=True)
    store = folder / "store"
    store.mkdir(parents=True)
    pack(archive, store / f"{MODEL}.mar", SHIPPED.handler_text(candidate))
    server = make_server(candidate, folder)
    try:
        server.start()
        wait(server, candidate.workers)
        yield server
    finally:
        try:
            server.stop()
        except BaseException:
            server.stop()  # again, if Ctrl-C interrupted the shutdown
            raise


def wait(server: Server, workers: int) -> None:
    """Wait until all workers, not just the first, have loaded the model; raises Failure."""
    try:
        with server.management() as management:
            management.scale(workers)  # changes nothing, but returns when all are ready
    except SentimentError as error:
        raise Failure(f"Not all workers started: {error}", server.last_lines()) from None


def make_server(candidate: Candidate, folder: Path) -> Server:
    """Return a server, not started, with the current configuration and the candidate's settings."""
    models = Properties.read(SHIPPED.properties).models
    for version in models[MODEL].values():
        version |= {
            "marName": f"{MODEL}.mar",
            "minWorkers": candidate.workers,
            "maxWorkers": candidate.workers,
            "batchSize": candidate.batch_size,
            "maxBatchDelay": candidate.max_batch_delay,
        }
    changes = {
        "models": json.dumps(models),
        "load_models": f"{MODEL}.mar",
        # wrk sends no token; the server listens on loopback only.
        "disable_token_authorization": "true",
    }
    return isolated_server(folder / "store", folder, **changes)


def pack(archive: Path, target: Path, handler: str) -> None:
    """Copy an archive with another model-config.yaml, uncompressed for speed."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, handler if name == MEMBER else old.read(name))


def queue_size(server: Server) -> int:
    """Return the size of the queue; TorchServe's default is 100."""
    return int(server.properties.values.get("job_queue_size", "100"))
