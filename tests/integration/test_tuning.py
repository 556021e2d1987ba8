"""`make tune` on a real server: one trial, and the shutdown of an interrupted one.

It needs wrk; without it tests are skipped.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.load.texts import bodies, read
from scripts.launcher.processes import each_process
from scripts.launcher.server import Server
from scripts.paths import ROOT
from tuning import trial
from tuning.settings import Candidate
from tuning.target import CONNECTIONS, Target

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk: apt-get install wrk")


@needs_wrk
def test_a_candidate_is_served_with_its_settings_and_measured(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = Candidate(2, 1, 8, 2, 1024)
    pids: list[int] = []
    started = trial.started

    @contextlib.contextmanager
    def inspected(*arguments: Any) -> Iterator[Server]:
        with started(*arguments) as server:
            pids.append(check_settings(server))
            yield server

    monkeypatch.setattr(trial, "started", inspected)
    payloads = bodies(read([])["sentences"], 1)
    trials = trial.Trials(archive, tmp_path / "trial", payloads, Target(), seconds=5)
    measurement = trials.measure(candidate)
    assert (measurement.errors, measurement.connections) == (0, CONNECTIONS)
    assert measurement.texts_per_second > 0
    assert measurement.p50 is not None
    assert measurement.p99 is not None
    assert measurement.p50 <= measurement.p99
    (java,) = pids
    assert not psutil.pid_exists(java)


def check_settings(server: Server) -> int:
    """Check that a server has the settings of the test's candidate; returns the pid of its Java."""
    with server.management() as management:
        model = management.describe()
    assert model.ready_workers == len(model.workers) == model.max_workers == 2
    assert (model.batch_size, model.max_batch_delay) == (8, 2)
    # The workers read the settings from the unpacked archive.
    java = server.java()
    assert java is not None
    temp = next(a.partition("=")[2] for a in java.cmdline() if "java.io.tmpdir" in a)
    (config,) = Path(temp).glob("models/*/model-config.yaml")
    text = config.read_text(encoding="utf-8")
    assert "\n  threads: 1\n" in text
    assert "\n  tokens_per_microbatch: 1024\n" in text
    return java.pid


@needs_wrk
def test_an_interrupted_run_stops_its_server_and_writes_nothing(archive: Path) -> None:
    files = (trial.SHIPPED.properties, trial.SHIPPED.handler)
    before = [path.read_bytes() for path in files]
    # The path of pytest's folder is too long for the workers' sockets.
    with tempfile.TemporaryDirectory() as temp:
        process = subprocess.Popen(
            [sys.executable, "-m", "tuning", "--p99", "50ms", "--archive", archive],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": temp},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            deadline = time.monotonic() + 60
            while not servers(temp) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.2)
            assert servers(temp)
            # Twice, as an impatient user might: the second one must not disturb the shutdown.
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 130
        assert stderr.endswith("Interrupted: nothing was written.\n")
        assert not servers(temp)
        assert list(Path(temp).iterdir()) == []
    assert [path.read_bytes() for path in files] == before


def servers(temp: str) -> list[psutil.Process]:
    """Return the TorchServe processes whose temporary folder is in `temp`."""
    java = f"-Djava.io.tmpdir={temp}"
    return [
        process
        for process, arguments in each_process(psutil.Process.cmdline)
        if any(argument.startswith(java) for argument in arguments)
    ]
