"""The engine of an archive on Ray: in the actors of Ray Data, on one machine or on a cluster.

The input is read twice, so that only texts and results travel: a task on this machine reads the
texts for the actors, and this process the rows that get the results. The results arrive in order.
"""

import logging
import os
import pickle
import secrets
import socket
import sys
import tempfile
import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before the import, which may read them.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_BACKEND_LOG_LEVEL"] = "fatal"  # of its part in C++, which prints on stderr
# Ray of our own listens on 127.0.0.1, as on other systems; on Linux it would listen everywhere.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"

import numpy as np
import ray
import ray.data

from sentiment_client.datasets.actor import Engine, remove, texts
from sentiment_client.datasets.archive import unpacked
from sentiment_client.datasets.local import cores
from sentiment_client.datasets.rows import Rows
from sentiment_client.datasets.source import Source
from sentiment_client.datasets.stream import Scorer
from sentiment_client.errors import SentimentError
from sentiment_client.models import Result

LOCAL = "local"
_SILENT: Any = {"log_to_driver": False, "logging_level": logging.CRITICAL}
# Bytes that a Ray of our own may hold besides the archive: texts and results in flight.
_OBJECT_STORE = 1 << 28
# How often an actor is started again, after its process or its node has died. Without a limit, a
# text that kills the process would do so for ever.
_MAX_RESTARTS = 10
_SECONDS_TO_CONNECT, _SECONDS_TO_REMOVE = 10, 10
_NODE = "ray.io/node-id"  # the label by which Ray selects a node


@contextmanager
def ray_scorer(
    source: Source, archive: Path, address: str, processes: int | None = None
) -> Iterator[Scorer]:
    """A scorer of the rows of `source`, in `processes` actors of one thread each.

    `address` is LOCAL for a Ray of our own, which ends with the context; "auto" for the cluster
    that this machine is a node of; or the host:port of that cluster. `processes` is one per core of
    all nodes if None. Raises ValueError if the source is a pipe or `archive` is not an archive, and
    ConnectionError if there is no such cluster. The scorer raises SentimentError and ImportError.
    """
    if not source.identity:
        raise ValueError("Ray reads the input in another process, too: name a file, not a pipe.")
    files = _read(archive)
    size = sum(content.nbytes for content in files.values())
    with _quiet(), _connected(address, processes or cores(), size):
        actors = processes or max(1, int(ray.cluster_resources().get("CPU", 1)))
        run = _Run(source, f"sentiment-{secrets.token_hex(8)}", ray.put(files), actors)
        del files
        try:
            yield run.scored
        finally:
            if address != LOCAL:  # which removes its folder itself
                run.remove_archives()


def _read(archive: Path) -> dict[str, Any]:
    """The content of each file of an archive [bytes], uint8, by its path."""
    with unpacked(archive) as folder:
        return {
            str(path.relative_to(folder)): np.fromfile(path, np.uint8)
            for path in folder.rglob("*")
            if path.is_file()
        }


@dataclass(frozen=True)
class _Run:
    """One run; `files` is a reference to the files of the archive, and `archive` their folder."""

    source: Source
    archive: str
    files: Any
    actors: int

    def scored(self, groups: Iterable[Rows], done: int) -> Iterator[tuple[Rows, list[Result]]]:
        with closing(self._results(done)) as stream:
            for rows in groups:
                results = next(stream, [])
                if isinstance(results, Exception):
                    raise results
                if len(results) != len(rows):
                    raise ValueError(
                        "The input changed while it was read: start again with --overwrite."
                    )
                yield rows, results

    def _results(self, done: int) -> Generator[list[Result] | Exception, None, None]:
        """The results of each group of rows after the first `done`, or why there are none."""
        here = {_NODE: ray.get_runtime_context().get_node_id()}
        source = {
            "path": str(Path(self.source.path).resolve()),
            "text_column": self.source.text_column,
            "format": self.source.format,
            "done": done,
        }
        dataset = (
            ray.data.from_items([0])
            .map_batches(texts, fn_kwargs=source, num_cpus=0, label_selector=here)
            .map_batches(
                Engine,
                # In a list, or Ray would give every actor a copy of the files.
                fn_constructor_args=(self.archive, [self.files]),
                batch_size=None,
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(size=self.actors),
                num_cpus=1,
                ray_remote_args_fn=lambda: {"max_restarts": _MAX_RESTARTS},
            )
        )
        try:
            for row in dataset.iter_rows():
                yield pickle.loads(row["results"])  # noqa: S301 - written by our own actors
        except ray.exceptions.RayActorError as error:
            if error.actor_init_failed:
                raise SentimentError(
                    "The engine does not start on a node: install this package there, in the same "
                    "version and with the extra ray."
                ) from None
            raise SentimentError(
                f"A process of the engine has died {_MAX_RESTARTS} times, perhaps for lack of "
                "memory: run it again with fewer --processes."
            ) from None

    def remove_archives(self) -> None:
        """Remove the archive from every node."""
        task = ray.remote(num_cpus=0)(remove)
        nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
        tasks = [task.options(label_selector={_NODE: node}).remote(self.archive) for node in nodes]
        ray.wait(tasks, num_returns=len(tasks), timeout=_SECONDS_TO_REMOVE)


@contextmanager
def _connected(address: str, cpus: int, archive_bytes: int) -> Iterator[None]:
    with _started(cpus, archive_bytes) if address == LOCAL else _joined(address):
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.target_max_block_size = 1  # a block per group
        context.enable_progress_bars = False
        yield


@contextmanager
def _started(cpus: int, archive_bytes: int) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        # Ray asks the metadata services of three clouds where it runs, unless this file in the home
        # directory tells it, and leaves files there.
        Path(folder, "ray_bootstrap_config.yaml").write_text("provider: {type: local}\n")
        try:
            with _environment(HOME=folder, TMPDIR=folder), _stderr_discarded():
                ray.init(
                    LOCAL,
                    num_cpus=cpus,
                    include_dashboard=False,
                    object_store_memory=archive_bytes + _OBJECT_STORE,
                    _temp_dir=folder,
                    _node_ip_address="127.0.0.1",
                    **_SILENT,
                )
        except Exception as error:  # Ray raises no narrower type
            raise ConnectionError(f"Ray does not start on this machine: {error}") from error
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _joined(address: str) -> Iterator[None]:
    if address.startswith("ray://"):
        raise ValueError(
            "Ray Data does not work with ray:// addresses: run this on a node of the cluster, with "
            "--ray auto."
        )
    try:
        if address != "auto":  # Ray would try to connect for minutes
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=_SECONDS_TO_CONNECT).close()
        with _stderr_discarded():
            ray.init(address, **_SILENT)
    except (OSError, ValueError, RuntimeError):
        raise ConnectionError(
            f"No Ray answers at {address!r} that this machine is a node of: start it with "
            "`ray start`, or use --ray without an address."
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set variables for the processes that are started in the context."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _stderr_discarded() -> Iterator[None]:
    """Keep the part of Ray in C++ from printing the level of its log, which we have set."""
    if sys.stderr is None:
        yield
        return
    with Path(os.devnull).open("w") as nothing:
        before = os.dup(2)
        os.dup2(nothing.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray's messages, such as those about a dead node, from stdout and stderr."""
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    with (
        Path(os.devnull).open("w") as nothing,
        redirect_stdout(nothing),
        warnings.catch_warnings(action="ignore"),
    ):
        yield
