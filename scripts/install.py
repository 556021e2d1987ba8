"""Create `.venv` and install the client and one dependency group of pyproject.toml into it, pinned.

    python3 scripts/install.py serve

Runs on any Python 3 without packages, so that it can say what is missing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST, NEWEST = (3, 11), (3, 13)
# Disk space per group, with a CPU build of PyTorch; a CUDA build takes several times as much.
FREE_BYTES = {
    "runtime": 2_000_000_000,
    "serve": 2_500_000_000,
    "train": 500_000_000,
    "bench": 1_000_000_000,
}
# Dependency groups need pip 25.1, and Python 3.11 and 3.12 come with an older one.
PIP = "pip==26.3"


def main() -> None:
    """Install the group named on the command line; on failure exit with a sentence."""
    if len(sys.argv) != 2:
        sys.exit("Name one dependency group, as in 'python3 scripts/install.py serve'.")
    group = sys.argv[1]
    use_supported_python()
    python = VENV / "bin" / "python"
    needed = FREE_BYTES.get(group, 200_000_000)
    free = shutil.disk_usage(ROOT).free
    if free < needed:
        sys.exit(
            f"Only {free / 1e9:.1f} GB are free at {ROOT}, and installing takes "
            f"{needed / 1e9:.1f} GB: make room and run it again."
        )
    if not python.exists():
        print("Creating .venv", flush=True)
        if subprocess.run([sys.executable, "-m", "venv", str(VENV)]).returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            sys.exit("Python cannot create .venv: on Debian or Ubuntu, install python3-venv.")
    print(f"Installing what '{group}' needs (minutes, the first time)", flush=True)
    if not pip_install(group):
        left = shutil.disk_usage(ROOT).free / 1e9
        sys.exit(
            "pip could not install the dependencies; its messages are above "
            f"({left:.1f} GB are free at {ROOT})."
        )


def pip_install(group: str) -> bool:
    """Install the client and a dependency group into `.venv`; False where pip failed."""
    return _pip(PIP) and _pip("-e", ".", "--group", group)


def _pip(*arguments: str) -> bool:
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "-qq"]
    options = ["--disable-pip-version-check", "-c", "constraints.txt"]
    return subprocess.run([*pip, *options, *arguments], cwd=ROOT).returncode == 0


def use_supported_python() -> None:
    """Run this file again with a supported Python, if this one is not."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    for minor in range(OLDEST[1], NEWEST[1] + 1):
        python = shutil.which(f"python3.{minor}")
        works = [python or "", "-c", ""]
        if python and subprocess.run(works, stderr=subprocess.DEVNULL).returncode == 0:
            os.execv(python, [python, *sys.argv])
    sys.exit(
        "Python {}.{} to {}.{} is needed, and this is {}.{}: install one, or name it, as in "
        "'make serve PYTHON=/path/to/python3.11'.".format(*OLDEST, *NEWEST, *sys.version_info[:2])
    )


if __name__ == "__main__":
    main()
