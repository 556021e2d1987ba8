"""Create `.venv` and install one of the project's extras into it, pinned.

    python3 scripts/install.py serve

Runs on whatever Python there is, with nothing installed, to be able to say what is missing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST, NEWEST = (3, 11), (3, 13)
# What a CPU build of PyTorch and the rest unpack to; a CUDA build takes several times that.
FREE_BYTES = {"serve": 2_500_000_000, "train": 500_000_000, "bench": 1_000_000_000}


def main() -> None:
    """Install the extra named on the command line; exit with a sentence where that fails."""
    extra = sys.argv[1]
    use_supported_python()
    python = VENV / "bin" / "python"
    needed = FREE_BYTES.get(extra, 200_000_000)
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
    print(f"Installing what '{extra}' needs (the first time takes minutes)", flush=True)
    if not pip_install(extra):
        left = shutil.disk_usage(ROOT).free / 1e9
        sys.exit(
            "pip could not install the dependencies: its own words are above "
            f"({left:.1f} GB are free at {ROOT})."
        )


def pip_install(extra: str) -> bool:
    """Install one extra into `.venv`; False when pip could not, and said why."""
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "-qq"]
    options = ["--disable-pip-version-check", "-c", "constraints.txt", "-e", f".[{extra}]"]
    return subprocess.run([*pip, *options], cwd=ROOT).returncode == 0


def use_supported_python() -> None:
    """Run this file again by a Python that is supported, if this one is not."""
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
