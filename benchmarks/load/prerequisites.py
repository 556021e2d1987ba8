"""Checks before a measurement."""

import shutil
from pathlib import Path

from scripts.failure import Failure


def check_wrk() -> None:
    """Raise Failure, with the command that installs it, if wrk is missing."""
    if shutil.which("wrk") is None:
        raise Failure("wrk makes the load, and is missing: install it, as in 'apt install wrk'.")


def check_archive(archive: Path) -> None:
    """Raise Failure if the archive has not been built."""
    if not archive.exists():
        raise Failure(f"{archive} is missing: build it with 'make archive'.")
