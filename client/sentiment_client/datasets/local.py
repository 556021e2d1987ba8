"""A client whose server is this machine: the engine of an archive in several processes."""

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sentiment_client._tasks import pause
from sentiment_client._tokens import Token
from sentiment_client._transport import Answer, Request, Transport
from sentiment_client.client import SentimentClient
from sentiment_client.datasets.archive import unpacked
from sentiment_client.datasets.handler import Handler
from sentiment_client.errors import SentimentError

# Requests per process: one that it scores, and the next ones, so that it never waits for its turn.
_REQUESTS = 3


@contextmanager
def local_client(archive: Path, processes: int | None = None) -> Iterator[SentimentClient]:
    """A client of an archive, scored by `processes` of one thread each; None is one per core.

    Raises ValueError if it is not an archive, and ImportError if a package is missing.
    """
    processes = processes or _cores()
    with unpacked(archive) as folder:
        pool = ProcessPoolExecutor(
            processes,
            mp_context=multiprocessing.get_context("spawn"),  # the engines have threads
            initializer=_prepare,
            initargs=(folder, folder != archive),
        )
        try:
            _checked(pool.submit(_answer, []).result)
            yield _LocalClient(pool, max_concurrency=_REQUESTS * processes)
        finally:
            pool.shutdown(cancel_futures=True)


def _cores() -> int:
    """The cores that this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _LocalClient(SentimentClient):
    """A client whose requests go to a pool."""

    def __init__(self, pool: Executor, *, max_concurrency: int) -> None:
        self._pool = pool
        super().__init__("127.0.0.1", max_retries=0, max_concurrency=max_concurrency)

    def _connect(self, address: str | None, **options: Any) -> Transport:
        return _PoolTransport("the local engine", pool=self._pool, **options)


class _PoolTransport(Transport):
    """Requests to a pool of processes, in place of HTTP."""

    pause = staticmethod(pause)

    def __init__(self, address: str, *, pool: Executor, **options: Any) -> None:
        super().__init__(address, **options)
        self._pool = pool

    async def _exchange(self, request: Request, token: Token | None) -> Answer | SentimentError:
        answers = _checked(self._pool.submit(_answer, [request.body or b""]).result)
        ((status, content),) = answers
        return Answer(status, content, {})

    async def close(self) -> None:
        """Do nothing: the pool is closed with its context."""


def _checked(result: Callable[[], Any]) -> Any:
    """The result of a process; raises SentimentError if the process has died."""
    try:
        return result()
    except BrokenProcessPool:
        raise SentimentError(
            "A process of the engine has died, perhaps for lack of memory: run it again with fewer "
            "--processes."
        ) from None
    except ModuleNotFoundError as missing:
        raise ImportError(
            f"The local engine needs {missing.name}: pip install 'torchserve-sentiment[local]'."
        ) from None


# In the processes of the pool.
_folder = Path()
_handler: Handler | None = None


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
    global _handler
    try:
        if _handler is None:
            _handler = Handler(_folder, threads=1)
        return _handler.answer(bodies) if bodies else []
    except SystemExit:  # the handler ends a worker whose engine is dead
        os._exit(1)
