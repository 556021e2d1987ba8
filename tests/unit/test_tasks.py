"""Concurrent calls keep their order, and end when nobody waits for them."""

import threading
import time
from collections.abc import Iterator

import pytest

from sentiment_client._tasks import Cancelled, finished, in_order, pause


def test_results_are_in_order_even_if_later_calls_end_first() -> None:
    def call(number: int) -> int:
        time.sleep(0.05 if number % 4 == 0 else 0)
        return number

    assert list(in_order(call, range(12), 4)) == list(range(12))


def test_concurrency_is_limited() -> None:
    four = threading.Barrier(4, timeout=5)  # passed by four at a time, or never
    running = 0
    most = 0
    lock = threading.Lock()

    def call(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        four.wait()
        with lock:
            running -= 1

    list(in_order(call, range(16), 4))
    assert most == 4


def test_an_item_is_read_only_when_its_call_can_start() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = in_order(lambda number: number, items(), 3)
    assert next(results) == 1
    assert taken == 3
    assert next(results) == 2
    assert taken == 4
    results.close()
    assert taken == 4


@pytest.mark.parametrize("end", ["failure", "close"])
def test_abandoned_calls_end_at_their_next_pause(end: str) -> None:
    ended = threading.Semaphore(0)
    paused = threading.Barrier(4, timeout=5)

    def call(number: int) -> None:
        paused.wait()
        if number == 0:
            if end == "failure":
                raise ValueError("first")
            return
        with pytest.raises(Cancelled):
            finished(pause(30))
        ended.release()

    results = in_order(call, range(4), 4)
    started = time.monotonic()
    if end == "failure":
        with pytest.raises(ValueError, match="first"):
            list(results)
    else:
        next(results)
        results.close()
    assert all(ended.acquire(timeout=5) for _ in range(3))
    assert time.monotonic() - started < 5
