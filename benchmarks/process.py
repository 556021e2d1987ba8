"""Run a program of `benchmarks.peers` in its own folder, and stop it with all its children."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from scripts.paths import ROOT

# TorchServe and Ray need some time to end their child processes.
STOP_SECONDS = 20.0


class PeerProcess:
    """A running peer; `folder` is its working directory and holds its log."""

    def __init__(
        self,
        module: str,
        folder: Path,
        archive: Path,
        unpacked: Path | None,
        port: int = 0,
        python: Path = Path(sys.executable),
    ) -> None:
        """Start it.

        `archive` is the service's. With `unpacked`, the unpacked archive, the peer can import its
        code. With `port` 0 the peer is not a server, and communicates through stdin and stdout.
        """
        self.log = folder / "log.txt"
        path = [str(ROOT), *([str(unpacked)] if unpacked else [])]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path),
            "ARCHIVE": str(unpacked or archive),
            "PORT": str(port),
            # Files that a framework writes to the home directory are deleted with the folder.
            "HOME": str(folder),
        }
        with self.log.open("wb") as log:
            # In its own session, so that Ctrl-C reaches it only through `stop`.
            self.popen = subprocess.Popen(
                [python, "-m", f"benchmarks.peers.{module}"],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if port == 0 else log,
                stderr=log,
                start_new_session=True,
            )

    def running(self) -> bool:
        """Return whether it is still running."""
        return self.popen.poll() is None

    def last_lines(self, count: int = 20) -> str:
        """Return the end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-count:])

    def stop(self) -> None:
        """Terminate it, then its remaining children; kill processes that do not exit."""
        try:
            children = psutil.Process(self.popen.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            children = []
        self.popen.terminate()
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                pipe.close()
        end(children)


def end(processes: list[psutil.Process]) -> None:
    """Terminate processes, and kill those that do not exit; any may have exited already."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def exit_on_sigterm() -> None:
    """Have SIGTERM raise SystemExit in this process, so that the servers it started are stopped."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
