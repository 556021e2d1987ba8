"""A host: a checkout whose TorchServe runs in a network namespace, under its real launcher."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from scripts.launcher.properties import Properties
from scripts.launcher.server import Server
from tests.faults.network import Network
from tests.integration.conftest import copy_checkout
from tests.integration.load import wait_until

# Seconds to start under load, on a machine that others use.
START_SECONDS = 180.0


class Host:
    """One TorchServe, started by `python -m scripts.launcher run` as systemd would start it."""

    def __init__(self, address: str, work: Path, archives: Sequence[Path], **changes: str) -> None:
        """`changes` are of config.properties; the model store has hard links to `archives`."""
        work.mkdir()
        self.address = address
        self.network = Network()
        self.checkout = copy_checkout(work)
        store = self.checkout / "model_store"
        store.mkdir()
        for archive in archives:
            os.link(archive, store / archive.name)
        config = self.checkout / "config.properties"
        self.server = Server(
            Properties.read(config).write(config, **changes),
            model_store=store,
            log_config=self.checkout / "log4j2.xml",
            home=self.checkout,
            run=self.checkout / ".run",
        )
        self.server.run.mkdir()
        self.log = self.server.run / "launcher.log"
        self._launcher: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start the launcher, with more variables in its `environment`, and do not wait."""
        self.log.unlink(missing_ok=True)
        with self.network.entered(), self.log.open("wb") as log:
            self._launcher = subprocess.Popen(
                [sys.executable, "-m", "scripts.launcher", "run"],
                cwd=self.checkout,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def bring_up(self) -> None:
        """Start the launcher, and wait until a worker has answered."""
        self.start()
        self.wait_until_up()

    def wait_until_up(self) -> None:
        """Wait until a worker has answered; fails if the launcher ends before."""
        deadline = time.monotonic() + START_SECONDS
        while "The server is up at " not in self.output():
            if self.launcher.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{self.address} did not start:\n{self.output()}")
            time.sleep(0.1)

    def terminate(self) -> int:
        """Send SIGTERM to the launcher, and wait; returns its exit code."""
        self.launcher.terminate()
        return self.launcher.wait(180)

    def stop_by_command(self) -> str:
        """Run what `make stop` runs; returns what it prints."""
        with self.network.entered():
            return subprocess.run(
                [sys.executable, "-m", "scripts.launcher", "stop"],
                cwd=self.checkout,
                capture_output=True,
                text=True,
                check=True,
            ).stdout

    def lose_power(self) -> None:
        """End everything at once: no process, and no connection, can say goodbye."""
        self.network.plug(connected=False)
        for process in self.network.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.launcher.wait()

    def close(self) -> None:
        """End everything, and give the network up."""
        if self._launcher is not None:
            self.lose_power()
            self.server.stop()
        self.network.close()

    @property
    def launcher(self) -> "subprocess.Popen[bytes]":
        """The process of the launcher, which has been started."""
        assert self._launcher is not None
        return self._launcher

    @property
    def java(self) -> psutil.Process:
        """TorchServe's Java, which must be running."""
        java = self.server.java()
        assert java is not None
        return java

    def workers(self) -> list[psutil.Process]:
        """The workers that Java has now."""
        return self.java.children()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Its workers hang: they are stopped, and go on at the end if they are still there."""
        workers = self.workers()
        for worker in workers:
            worker.suspend()
        try:
            yield
        finally:
            for worker in workers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.send_signal(signal.SIGCONT)

    def wait_for_another_worker(self, old: psutil.Process) -> float:
        """Wait until another worker is ready in place of this one; returns how many seconds."""
        started = time.monotonic()
        with self.network.entered(), self.server.management() as management:
            wait_until(
                lambda: any(
                    worker.ready and worker.pid != old.pid
                    for worker in management.describe().workers
                ),
                START_SECONDS,
            )
        return time.monotonic() - started

    def output(self) -> str:
        """What the launcher, Java and the workers have printed since the last start."""
        try:
            return self.log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
