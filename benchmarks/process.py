"""A program of `benchmarks.peers`, started in a folder of its own and ended with all it started."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

from scripts.failure import Failure
from scripts.paths import ROOT

ARCHIVE = ROOT / "model_store" / "sentiment.mar"
# TorchServe, Ray: some take their time to end what they have started.
STOP_SECONDS = 20.0


def check_archive(archive: Path) -> None:
    """Raises Failure where it has not been built."""
    if not archive.exists():
        raise Failure(f"{archive} is missing: build it with 'make archive'.")


class Process:
    """`folder` is its working folder, and holds its log."""

    def __init__(
        self, module: str, folder: Path, archive: Path, unpacked: Path | None, port: int = 0
    ) -> None:
        """Start it. `archive` is ours; where it is `unpacked`, its code is on the path."""
        self.log = folder / "log.txt"
        path = [str(ROOT), *([str(unpacked)] if unpacked else [])]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path),
            "ARCHIVE": str(unpacked or archive),
            "PORT": str(port),
            "HF_HUB_OFFLINE": "1",
        }
        with self.log.open("wb") as log:
            # In a session of its own, so that Ctrl-C reaches it once, through `stop`.
            self.popen = subprocess.Popen(
                [sys.executable, "-m", f"benchmarks.peers.{module}"],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if port == 0 else log,
                stderr=log,
                start_new_session=True,
            )

    def running(self) -> bool:
        """Whether it has not ended."""
        return self.popen.poll() is None

    def last_lines(self, count: int = 20) -> str:
        """The end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-count:])

    def stop(self) -> None:
        """Ask it to end, then its children, then insist."""
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
        for child in children:
            if child.is_running():
                child.terminate()
        _, alive = psutil.wait_procs(children, timeout=STOP_SECONDS)
        for child in alive:
            child.kill()
