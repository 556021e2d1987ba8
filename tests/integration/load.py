"""Send requests at the same moment, and read what the service counted."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, Thread
from typing import TypeVar

import requests

Counters = Callable[[], dict[str, float]]
Answer = TypeVar("Answer")


def together(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Make all calls at the same moment; returns their results in order."""
    start = Barrier(len(calls))

    def make(call: Callable[[], Answer]) -> Answer:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(make, calls))


def post_together(url: str, bodies: list[tuple[dict[str, str], bytes]]) -> list[requests.Response]:
    """Send all bodies at the same moment, each over its own connection."""
    return together(
        [
            partial(requests.post, url, headers=headers, data=data, timeout=60)
            for headers, data in bodies
        ]
    )


# The most texts per request: a second of work on a fast processor.
HOLDING_TEXTS = 64
HOLDING = {"texts": [f"{number} " + "word " * 600 for number in range(HOLDING_TEXTS)]}


def held_up(url: str) -> Thread:
    """Keep the only worker busy with one request, so that later requests wait in the queue."""
    holding = Thread(target=partial(requests.post, url, json=HOLDING, timeout=60))
    holding.start()
    time.sleep(0.3)  # nothing tells when it has reached the worker
    return holding


def counted(counters: Counters, before: dict[str, float], requests: int) -> dict[str, float]:
    """The increase of the counters since `before`; waits, since they lag behind the answers."""
    deadline = time.monotonic() + 20
    while True:
        since = {name: value - before.get(name, 0) for name, value in counters().items()}
        if since["sentiment_requests_total"] >= requests or time.monotonic() > deadline:
            return since
        time.sleep(0.1)


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until `condition` is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not true within {seconds:g} seconds"
        time.sleep(0.05)
