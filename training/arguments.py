"""The arguments that the programs for measuring share."""

import argparse
from pathlib import Path
from typing import get_args

from scripts.paths import MODEL
from sentiment.settings import EngineName


def parser(program: str, document: str, *, engine: bool = True) -> argparse.ArgumentParser:
    """A parser with --data, --model and, if the program runs any `engine`, --engine.

    `document` is the program's docstring, whose first line says what it does.
    """
    result = argparse.ArgumentParser(
        prog=f"python -m {program}", description=document.splitlines()[0]
    )
    result.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="labelled texts")
    result.add_argument("--model", type=Path, default=MODEL, metavar="FOLDER")
    if engine:
        result.add_argument("--engine", choices=get_args(EngineName), default="torch")
    return result
