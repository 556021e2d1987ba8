"""A stop loses no request of clients that heed `ready`; a second signal or a dead Java ends it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from scripts.launcher.drain import drain
from scripts.launcher.server import Server, isolated_server
from tests.conftest import running
from tests.integration.conftest import processes_in
from tests.integration.load import HOLDING_TEXTS

CLIENTS = 32
# Longer than the clients need to notice, also on a busy machine.
DRAIN_SECONDS = "4"
MODELS = (
    '{"sentiment": {"1.0": {"defaultVersion": true, "marName": "sentiment.mar", '
    '"minWorkers": 2, "maxWorkers": 2, "batchSize": 32, "maxBatchDelay": 1}}}'
)
# A request that takes a worker seconds.
HEAVY = {"texts": [f"{number} " + "word " * 750 for number in range(HOLDING_TEXTS)]}

Launch = Callable[..., tuple[Server, "subprocess.Popen[str]"]]


@pytest.fixture
def launch(archive: Path, checkout: Path) -> Iterator[Launch]:
    """Starts a command of the launcher in a copy of the checkout, with some settings changed."""
    (checkout / "model_store").mkdir()
    os.link(archive, checkout / "model_store" / "sentiment.mar")
    started: list[tuple[Server, subprocess.Popen[str]]] = []

    def start(command: str, **changes: str) -> tuple[Server, subprocess.Popen[str]]:
        isolated = isolated_server(checkout / "model_store", checkout, **changes)
        server = Server(
            isolated.properties,
            isolated.model_store,
            isolated.log_config,
            checkout,
            checkout / ".run",
        )
        process = launcher(checkout, command)
        started.append((server, process))
        return server, process

    yield start
    for server, process in started:
        process.kill()
        server.stop()
        process.communicate()  # not before: Java writes to the same pipe


def launcher(checkout: Path, command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.launcher", command],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def await_line(process: "subprocess.Popen[str]", start: str) -> str:
    """Read the output of a launcher up to the line with this start; returns what came before."""
    assert process.stdout
    before = ""
    for line in process.stdout:
        if line.startswith(start):
            return before
        before += line
    pytest.fail(f"The launcher ended: {before}")


class Load:
    """Clients that send until `ready` says 503, each over its own connection."""

    def __init__(self, server: Server) -> None:
        self._url = f"{server.properties.inference}/predictions/sentiment"
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
            answer = requests.get(f"{self._url}/1.0/ready", timeout=60)
            if answer.status_code == 503:
                self.refusal: dict[str, Any] = answer.json()
                self.retry_after = answer.headers["Retry-After"]
                self.is_over.set()
            time.sleep(0.05)

    def _send(self) -> None:
        with requests.Session() as session:
            while not self.is_over.is_set():
                try:
                    answer = session.post(self._url, json={"text": "A good film."}, timeout=60)
                except requests.RequestException as error:
                    self.failures.append(error)
                else:
                    if answer.status_code != 200:
                        self.failures.append(answer.text)
                    self.answered += 1


def assert_nothing_is_lost(server: Server, stop: Callable[[], object]) -> None:
    """Stop under load: every request is answered, also those sent since the stop began."""
    with Load(server) as load:
        before = load.answered
        stop()
        assert load.is_over.wait(60)
    assert load.failures == []
    assert load.answered > before >= 10 * CLIENTS
    assert load.refusal["ready"] is False
    assert load.refusal["draining"] is True
    assert load.refusal["error_type"] == "Unhealthy"
    assert load.retry_after == "10"


def test_sigterm_drains_a_server_in_the_foreground(launch: Launch, checkout: Path) -> None:
    server, process = launch("run", drain_seconds=DRAIN_SECONDS)
    log = await_line(process, "The server is up at ")
    assert "Model server started" in log
    assert not server.log.exists()
    assert_nothing_is_lost(server, process.terminate)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Draining: " in output
    assert output.endswith("Stopped.\n")
    assert processes_in(checkout) == []
    assert not server.draining.exists()


def test_make_stop_drains_a_server_in_the_background(launch: Launch, checkout: Path) -> None:
    server, process = launch("serve", drain_seconds=DRAIN_SECONDS)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    with contextlib.ExitStack() as stack:
        stopping: list[subprocess.Popen[str]] = []
        assert_nothing_is_lost(
            server, lambda: stopping.append(stack.enter_context(launcher(checkout, "stop")))
        )
        output, _ = stopping[0].communicate(timeout=60)
    assert "Draining: " in output
    assert output.endswith("Stopped.\n")
    assert stopping[0].returncode == 0
    assert processes_in(checkout) == []


def test_a_drain_waits_for_what_every_worker_has_taken(archive: Path, work: Path) -> None:
    """One of two workers is idle: its answer says nothing about the other."""
    with running(archive, work, drain_seconds="0", models=MODELS) as server:
        url = f"{server.properties.inference}/predictions/sentiment"
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(requests.post, url, json=HEAVY, timeout=120)
            await_arrival(server)
            assert drain(server)
            server.stop()
            assert answer.result().status_code == 200


def await_arrival(server: Server) -> None:
    """Wait until TorchServe has read a request, after the launcher's own one."""
    deadline = time.monotonic() + 60
    pattern = r"^ts_inference_requests_total\{[^}]*\} (\S+)$"
    while time.monotonic() < deadline:
        text = requests.get(f"{server.properties.metrics}/metrics", timeout=10).text
        if sum(map(float, re.findall(pattern, text, re.MULTILINE))) > 1:
            return
        time.sleep(0.05)
    pytest.fail("The request has not arrived.")


def test_a_second_signal_stops_at_once(launch: Launch, checkout: Path) -> None:
    # Within the timeout below, a drain would not end.
    server, process = launch("run", drain_seconds="10000")
    await_line(process, "The server is up at ")
    os.kill(process.pid, signal.SIGINT)
    await_line(process, "Draining: ")
    with server.client() as client:
        assert client.predict("Great!").label == "POSITIVE"
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert output.splitlines()[-2:] == [
        "Stopping without waiting for requests in flight.",
        "Stopped.",
    ]
    assert process.returncode == 143
    assert processes_in(checkout) == []


def test_if_java_is_killed_the_foreground_ends_with_its_fate(
    launch: Launch, checkout: Path
) -> None:
    server, process = launch("run")
    await_line(process, "The server is up at ")
    assert not server.has_clients()  # so `make stop` would not drain it
    with server.client() as client:
        assert client.ready().model == "sentiment"
        assert server.has_clients()
    java = server.java()
    assert java is not None
    java.kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 137
    assert output.endswith("TorchServe ended by itself, with exit code 137.\n")
    assert processes_in(checkout) == []
