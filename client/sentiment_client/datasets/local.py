"""A client whose server is this machine: the engine of an archive in several processes."""

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sentiment_client.client import SentimentClient
from sentiment_client.datasets.archive import unpacked
from sentiment_client.datasets.engine import EngineClient
from sentiment_client.datasets.handler import answers
from sentiment_client.errors import SentimentError

# Requests per process: one that it scores, and the next ones, so that it never waits for its turn.
_REQUESTS = 3


@contextmanager
def local_client(archive: Path, processes: int | None = None) -> Iterator[SentimentClient]:
    """A client of an archive, scored by `processes` of one thread each; None is one per core.

    Raises ValueError if it is not an archive, and ImportError if a package is missing.
    """
    processes = processes or cores()
    with unpacked(archive) as folder:
        pool = ProcessPoolExecutor(
            processes,
            mp_context=multiprocessing.get_context("spawn"),  # the engines have threads
            initializer=_prepare,
            initargs=(folder, folder != archive),
        )
        try:
            _answers(pool, [])
            yield EngineClient(partial(_answers, pool), max_concurrency=_REQUESTS * processes)
        finally:
            pool.shutdown(cancel_futures=True)


def cores() -> int:
    """The cores that this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _answers(pool: Executor, bodies: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """The answers of a process; raises SentimentError if a process has died."""
    try:
        return pool.submit(_answer, bodies).result()
    except BrokenProcessPool:
        raise SentimentError(
            "A process of the engine has died, perhaps for lack of memory: run it again with fewer "
            "--processes."
        ) from None


# In the processes of the pool.
_folder = Path()


def _prepare(folder: Path, is_temporary: bool) -> None:
    global _folder
    _folder = folder
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that uses the pool
    threading.Thread(target=_end_with_parent, args=(folder, is_temporary), daemon=True).start()


def _end_with_parent(folder: Path, is_temporary: bool) -> None:
    """End this process when its parent is killed, which closes nothing: it would wait for ever."""
    if parent := multiprocessing.parent_process():
        parent.join()
        if is_temporary:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


def _answer(bodies: Sequence[bytes]) -> list[tuple[int, bytes]]:
    return answers(_folder, bodies)
