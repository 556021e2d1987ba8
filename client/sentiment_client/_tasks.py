"""Cancellable background calls."""

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
    """The caller no longer waits for this call."""


class Task(Generic[R]):
    """One call in a new daemon thread.

    Not a thread of `concurrent.futures`: a program waits for those before it exits, so Ctrl-C would
    have no effect while a server hangs.
    """

    def __init__(self, call: Callable[[T], R], argument: T) -> None:
        self._future: Future[R] = Future()
        self._cancelled = threading.Event()
        threading.Thread(target=self._run, args=(call, argument), daemon=True).start()

    def result(self) -> R:
        """Wait for the call to end, and return its result or raise its exception."""
        return self._future.result()

    def cancel(self) -> None:
        """End the call at its next pause, so that it sends no more requests."""
        self._cancelled.set()

    def _run(self, call: Callable[[T], R], argument: T) -> None:
        _cancelled.set(self._cancelled)
        try:
            self._future.set_result(call(argument))
        except BaseException as error:
            self._future.set_exception(error)


async def pause(seconds: float) -> None:
    """Block for `seconds`; raises Cancelled if the current Task is cancelled."""
    if _cancelled.get(threading.Event()).wait(seconds):
        raise Cancelled


def in_order(
    call: Callable[[T], R], items: Iterable[T], in_flight: int
) -> Generator[R, None, None]:
    """Call with every item, `in_flight` at a time, and yield the results in order.

    An item is read only when its call can start. An exception of a call is raised here. When the
    generator ends, for any reason, the remaining calls are cancelled.
    """
    running: deque[Task[R]] = deque()
    try:
        for item in items:
            running.append(Task(call, item))
            if len(running) >= in_flight:
                result = running[0].result()  # still in `running`, so that it can be cancelled
                running.popleft()
                yield result
        while running:
            yield running[0].result()
            running.popleft()
    finally:
        for task in running:
            task.cancel()


def finished(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine that blocks and never suspends, and return its result.

    With this, the blocking and the asynchronous client share one implementation as coroutines.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    coroutine.close()
    raise RuntimeError("This coroutine needs an event loop.")
