"""Clients that heed `ready` while a server stops, and the output of its launcher."""

import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

CLIENTS = 32


class Load:
    """Clients that send until `ready` says 503, each over its own connection."""

    def __init__(self, url: str, **options: Any) -> None:
        """`url` is that of predictions; `options` are those of `requests`."""
        self._url = url
        self._options: dict[str, Any] = {"timeout": 60, **options}
        self.answered = 0
        self.failures: list[object] = []
        self.is_over = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(CLIENTS)]
        self._threads.append(threading.Thread(target=self._probe))

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        deadline = time.monotonic() + 60
        while self.answered < 10 * CLIENTS and time.monotonic() < deadline:
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        for thread in self._threads:
            thread.join()

    def _probe(self) -> None:
        while not self.is_over.is_set():
            answer = requests.get(f"{self._url}/1.0/ready", **self._options)
            if answer.status_code == 503:
                self.refusal: dict[str, Any] = answer.json()
                self.retry_after = answer.headers["Retry-After"]
                self.is_over.set()
            time.sleep(0.05)

    def _send(self) -> None:
        with requests.Session() as session:
            while not self.is_over.is_set():
                try:
                    answer = session.post(self._url, json={"text": "A good film."}, **self._options)
                except requests.RequestException as error:
                    self.failures.append(error)
                else:
                    if answer.status_code != 200:
                        self.failures.append(answer.text)
                    self.answered += 1


def assert_nothing_is_lost(url: str, stop: Callable[[], object], **options: Any) -> Load:
    """Stop under load: every request is answered, also those sent since the stop began."""
    with Load(url, **options) as load:
        before = load.answered
        stop()
        assert load.is_over.wait(60)
    assert load.failures == []
    assert load.answered > before >= 10 * CLIENTS
    assert load.refusal["error_type"] == "Unhealthy"
    return load


def await_line(process: "subprocess.Popen[str]", start: str) -> str:
    """Read the output of a launcher up to the line with this start; returns what came before."""
    assert process.stdout
    before = ""
    for line in process.stdout:
        if line.startswith(start):
            return before
        before += line
    pytest.fail(f"The launcher ended: {before}")
