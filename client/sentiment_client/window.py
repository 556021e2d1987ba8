"""How far requests may run ahead of whoever reads their answers."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

from sentiment_client.task import Task

T = TypeVar("T")
R = TypeVar("R")


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
