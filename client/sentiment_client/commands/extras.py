"""Load what needs an extra, when a command runs that needs it."""

from importlib import import_module
from typing import Any


def load(module: str, extra: str) -> Any:
    """Import a module; raises ImportError with the command that installs the `extra`."""
    try:
        return import_module(f"sentiment_client.{module}")
    except ModuleNotFoundError as missing:
        raise ImportError(
            f"This command needs {missing.name}: pip install 'torchserve-sentiment[{extra}]'."
        ) from missing
