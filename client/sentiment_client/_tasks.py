"""Calls that run beside their caller, and end when nobody waits for them any more."""

import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_cancelled: ContextVar[threading.Event] = ContextVar("cancelled")


class Cancelled(Exception):
    """Nobody waits for this call any more."""


class Task(Generic[R]):
    """One call in a thread of its own.

    Not `concurrent.futures`' threads, which a program waits for before it ends: a server that
    hangs would keep whoever presses Ctrl-C waiting for it, too.
    """

    def __init__(self, call: Callable[[T], R], argument: T) -> None:
        self._future: Future[R] = Future()
        self._cancelled = threading.Event()
        threading.Thread(target=self._run, args=(call, argument), daemon=True).start()

    def result(self) -> R:
        """Wait for the call; returns or raises what it does."""
        return self._future.result()

    def cancel(self) -> None:
        """Let the call end at its next pause. A request that was sent is not sent again."""
        self._cancelled.set()

    def _run(self, call: Callable[[T], R], argument: T) -> None:
        _cancelled.set(self._cancelled)
        try:
            self._future.set_result(call(argument))
        except BaseException as error:
            self._future.set_exception(error)


async def pause(seconds: float) -> None:
    """Sleep in place; raises Cancelled when this runs in a task that is cancelled."""
    if _cancelled.get(threading.Event()).wait(seconds):
        raise Cancelled


def in_order(
    call: Callable[[T], R], items: Iterable[T], in_flight: int
) -> Generator[R, None, None]:
    """Call with each item, so many at a time, and yield what each call returns, in order.

    An item is taken only when its call can start. What a call raises is raised here; whichever
    way this ends, no call is left that would do more than finish what it has begun.
    """
    running: deque[Task[R]] = deque()
    try:
        for item in items:
            running.append(Task(call, item))
            if len(running) >= in_flight:
                result = running[0].result()  # of a task that is still there to be cancelled
                running.popleft()
                yield result
        while running:
            yield running[0].result()
            running.popleft()
    finally:
        for task in running:
            task.cancel()


def finished(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine that waits in place, as those of the blocking clients do, to its end.

    So what blocking and asynchronous clients have in common is written once, as coroutines.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    coroutine.close()
    raise RuntimeError("This coroutine needs an event loop.")
