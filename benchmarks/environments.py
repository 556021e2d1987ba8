"""Environments of the peers whose packages clash with ours: `.venv/peers/NAME`, pinned."""

import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers import Server
from scripts.failure import Failure
from scripts.paths import ROOT

PACKAGES = ROOT / "benchmarks" / "peers" / "packages"
ENVIRONMENTS = ROOT / ".venv" / "peers"


def python(server: Server) -> Path:
    """Return the Python that runs the peer."""
    if not server.own_packages:
        return Path(sys.executable)
    return ENVIRONMENTS / server.name / "bin" / "python"


def install(servers: Sequence[Server]) -> None:
    """Install what these peers need and lack; raises Failure."""
    for server in servers:
        if server.own_packages:
            _install(server)


def _install(server: Server) -> None:
    packages = PACKAGES / f"{server.name}.txt"
    wanted = packages.read_text(encoding="utf-8")
    folder = ENVIRONMENTS / server.name
    installed = folder / "installed.txt"
    if installed.exists() and installed.read_text(encoding="utf-8") == wanted:
        return
    print(f"Installing what {server.name} needs (minutes, the first time)", flush=True)
    venv.create(folder, clear=True, with_pip=True)
    pip: list[str | Path] = [
        python(server),
        "-m",
        "pip",
        "install",
        "-qq",
        "--disable-pip-version-check",
    ]
    if subprocess.run([*pip, "-r", packages], check=False).returncode:
        raise Failure(f"pip could not install {packages}; its messages are above.")
    # What Python runs whenever it starts in this environment.
    startup = packages.with_suffix(".pth")
    if startup.exists():
        (site_packages,) = folder.glob("lib/*/site-packages")
        shutil.copy(startup, site_packages)
    installed.write_text(wanted, encoding="utf-8")
