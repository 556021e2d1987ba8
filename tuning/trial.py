"""A server with a candidate's settings, and the load that it is measured under."""

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
from tuning.measurement import Figures
from tuning.settings import Candidate
from tuning.target import Target

SHIPPED = Configuration(ROOT / "config.properties", ROOT / "handler" / "model-config.yaml")
MEMBER = "model-config.yaml"
# Connections of the load that is not measured, a second each: Java and the engine compile what
# they meet for the first time.
WARM_UP = (1, 8, 64)
# A ladder of connections ends after so many steps that brought nothing.
IN_VAIN = 2


class Trials:
    """Measures candidates for a target; `folder` is there for their servers."""

    def __init__(
        self, archive: Path, folder: Path, bodies: Sequence[bytes], target: Target, seconds: int
    ) -> None:
        self._archive = archive
        self._folder = folder
        self._bodies = bodies
        self._target = target
        self._seconds = seconds

    def measure(self, candidate: Candidate) -> Figures:
        """Start a server, put it under load, stop it; raises Failure."""
        with started(candidate, self._archive, self._folder) as server:
            for connections in WARM_UP:
                self._load(server, connections, seconds=1)
            ladder = self._target.connections(queue(server))
            return climb(ladder, self._target, lambda c: self._load(server, c, self._seconds))

    def _load(self, server: Server, connections: int, seconds: int) -> Figures:
        url = f"{server.properties.inference}/predictions/{MODEL}"
        file = server.run / "bodies"
        report = closed_loop.run(url, self._bodies, file, connections, seconds)
        return Figures.of(report, connections)


def climb(ladder: Sequence[int], target: Target, load: Callable[[int], Figures]) -> Figures:
    """The best that `load` finds, one number of connections after another."""
    found: list[Figures] = []
    for connections in ladder:
        found.append(load(connections))
        best = max(found, key=target.merit)
        if len(found) - found.index(best) > IN_VAIN:
            break
    return best


@contextlib.contextmanager
def started(candidate: Candidate, archive: Path, folder: Path) -> Iterator[Server]:
    """A server with these settings, on free ports of this machine alone; raises Failure."""
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
            server.stop()  # who interrupts the end of one shall not keep it
            raise


def wait(server: Server, workers: int) -> None:
    """Until all workers have loaded the model, not just the first; raises Failure."""
    try:
        with server.management() as management:
            management.scale(workers)  # as many as there are, so nothing but the wait
    except SentimentError as error:
        raise Failure(f"Not all workers came up: {error}", server.last_lines()) from None


def make_server(candidate: Candidate, folder: Path) -> Server:
    """The configuration that is tuned, with the candidate's settings; not started."""
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
        # The load has no token, so nobody else shall reach it.
        "disable_token_authorization": "true",
    }
    return isolated_server(folder / "store", folder, **changes)


def pack(archive: Path, target: Path, handler: str) -> None:
    """Copy an archive with another model-config.yaml; not compressed, which would take longer."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, handler if name == MEMBER else old.read(name))


def queue(server: Server) -> int:
    """How many requests may wait; TorchServe's own default is 100."""
    return int(server.properties.values.get("job_queue_size", "100"))
