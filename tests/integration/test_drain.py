"""A stop loses no request of clients that heed `ready`; a second signal or a dead Java ends it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from scripts.launcher.drain import drain
from scripts.launcher.server import Server, isolated_server
from tests.conftest import running
from tests.integration.conftest import processes_in
from tests.integration.load import HOLDING_TEXTS
from tests.integration.stopping import Load, assert_nothing_is_lost, await_line

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


def url_of(server: Server) -> str:
    return f"{server.properties.inference}/predictions/sentiment"


def assert_full_refusal(load: Load) -> None:
    assert load.refusal["ready"] is False
    assert load.refusal["draining"] is True
    assert load.retry_after == "10"


def test_sigterm_drains_a_server_in_the_foreground(launch: Launch, checkout: Path) -> None:
    server, process = launch("run", drain_seconds=DRAIN_SECONDS)
    log = await_line(process, "The server is up at ")
    assert "Model server started" in log
    assert not server.log.exists()
    assert_full_refusal(assert_nothing_is_lost(url_of(server), process.terminate))
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
            url_of(server),
            lambda: stopping.append(stack.enter_context(launcher(checkout, "stop"))),
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
