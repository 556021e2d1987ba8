"""What a launcher in the foreground prints, which no full disk may keep from its work."""

import os
import sys
from pathlib import Path


def say(message: str) -> None:
    """Print a line on stdout, if it can be written."""
    try:
        print(message, flush=True)
    except OSError:
        # The line stays in the buffer, and would make Python fail when it exits.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
