"""Clients that send one request after another while something fails, and count what they see."""

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import requests

from sentiment_client import SentimentClient, SentimentError

CONNECTIONS = 32
# Seconds from an answer to the next request of a client, so that servers can start meanwhile.
PAUSE = 0.1
# Longer than the front waits for a back end.
TIMEOUT = 90.0
# What is sent, and its label: an answer to another request would be seen.
TEXTS = (
    ("A gripping, beautifully shot film.", "POSITIVE"),
    ("A terrible, boring mess.", "NEGATIVE"),
)
# Raises what failed, or returns the label.
Predict = Callable[[str], str]


class Refused(Exception):
    """An error that was answered; its words are the status and the contract's `error_type`."""


@dataclass
class Seen:
    """What the clients of one kind saw."""

    answered: int = 0
    failures: dict[str, int] = field(default_factory=dict)  # kind -> number
    longest: float = 0.0  # seconds from a request to its answer

    @property
    def requests(self) -> int:
        return self.answered + self.failed

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


class Traffic:
    """32 clients without retries and, unless `ours` is False, 32 of ours with their retries."""

    def __init__(self, address: str, certificate: str, *, ours: bool = True) -> None:
        self._address, self._certificate = address, certificate
        self.plain, self.ours = Seen(), Seen()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closing = contextlib.ExitStack()
        self._client = self._closing.enter_context(SentimentClient(address, verify=certificate))
        kinds = [(self.plain, self._plain), (self.ours, self._ours)][: 1 + ours]
        for seen, connect in kinds:
            self._threads += [
                threading.Thread(target=self._send, args=(seen, connect))
                for _ in range(CONNECTIONS)
            ]

    @property
    def requests(self) -> int:
        """Those that have been answered or have failed."""
        return self.plain.requests + self.ours.requests

    def wait_for(self, requests: int) -> None:
        """Wait until this many more have been answered or have failed."""
        goal, deadline = self.requests + requests, time.monotonic() + 600
        while self.requests < goal:
            assert time.monotonic() < deadline, "The clients get no answers any more."
            time.sleep(0.05)

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        self.wait_for(5 * CONNECTIONS)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._closing.close()

    def _send(self, seen: Seen, connect: Callable[[], AbstractContextManager[Predict]]) -> None:
        # Servers that start come first, as if the clients were on another machine.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        with connect() as predict:
            for text, label in itertools.cycle(TEXTS):
                if self._stop.wait(PAUSE):
                    return
                started = time.monotonic()
                try:
                    failure = "" if predict(text) == label else "a wrong answer"
                except (requests.RequestException, SentimentError, Refused) as error:
                    failure = str(error) if isinstance(error, Refused) else type(error).__name__
                with self._lock:
                    seen.longest = max(seen.longest, time.monotonic() - started)
                    if failure:
                        seen.failures[failure] = seen.failures.get(failure, 0) + 1
                    else:
                        seen.answered += 1

    @contextlib.contextmanager
    def _plain(self) -> Iterator[Predict]:
        """A client as curl is one, with a connection that it keeps."""
        url = f"{self._address}/predictions/sentiment"
        with requests.Session() as session:
            session.trust_env, session.verify = False, self._certificate

            def predict(text: str) -> str:
                answer = session.post(url, json={"text": text}, timeout=TIMEOUT)
                if answer.status_code != 200:
                    raise Refused(described(answer))
                return str(answer.json()["sentiment"])

            yield predict

    @contextlib.contextmanager
    def _ours(self) -> Iterator[Predict]:
        """Our client, which all threads share."""
        yield lambda text: self._client.predict(text).label


def described(answer: requests.Response) -> str:
    """Status and type of an error; without the type, if it is not the contract's JSON."""
    try:
        fields = answer.json()
        is_contract = set(fields) == {"error", "error_type"}
    except ValueError:
        is_contract = False
    return f"{answer.status_code} {fields['error_type'] if is_contract else 'without JSON'}"
