"""Load the service's engine without TorchServe.

The handler in the unpacked archive loads it, with the settings that ship, so that the peers measure
the engine that the service runs on this machine.
"""

import os
from pathlib import Path
from typing import Any

import msgspec

from scripts.archive.loading import load_handler
from scripts.launcher.properties import Properties
from scripts.paths import ROOT


def load() -> Any:
    """Return the handler's `Classifier`, warmed up."""
    return load_handler(Path(os.environ["ARCHIVE"])).classifier


def workers() -> int:
    """Return the number of workers that the service starts."""
    (versions,) = Properties.read(ROOT / "config.properties").models.values()
    (settings,) = versions.values()
    return int(settings["minWorkers"])


def answer(prediction: Any) -> dict[str, Any]:
    """Return one text's answer, with every field that the service has."""
    return msgspec.structs.asdict(prediction)
