"""Argument types for the command lines of `benchmarks` and `tuning`."""

import argparse
import re
from pathlib import Path


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def milliseconds(text: str) -> float:
    """Parse a duration such as 50ms or 0.2s."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+) ?(ms|s)", text.strip(), re.ASCII)
    value = float(match[1]) * (1e3 if match[2] == "s" else 1) if match else 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be a duration such as 50ms or 0.2s, not {text!r}")
    return value


def add_texts(parser: argparse.ArgumentParser) -> None:
    """Add the option `--texts FILE ...`, a list of paths that is empty by default."""
    parser.add_argument(
        "--texts",
        nargs="+",
        type=Path,
        metavar="FILE",
        default=[],
        help="files with one text per line (default: the bundled corpus)",
    )
