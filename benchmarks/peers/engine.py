"""Loads the service's engine without TorchServe.

The handler in the unpacked archive loads it, with the settings that ship, so that the peers measure
the engine that the service runs on this machine.
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from ts.context import Context
from ts.utils.util import get_yaml_config

from scripts.launcher.properties import Properties
from scripts.paths import ROOT


def load() -> Any:
    """Return the handler's `Classifier`, warmed up."""
    # The archive's own module: `PeerProcess` puts the unpacked archive on the path.
    from sentiment_handler import SentimentHandler

    folder = Path(os.environ["ARCHIVE"])
    manifest = json.loads((folder / "MAR-INF" / "MANIFEST.json").read_text(encoding="utf-8"))
    handler = SentimentHandler()
    handler.initialize(
        Context(
            manifest["model"]["modelName"],
            str(folder),
            manifest,
            batch_size=1,
            gpu=None,
            mms_version="",
            model_yaml_config=get_yaml_config(folder / manifest["model"]["configFile"]),
        )
    )
    return handler.classifier


def workers() -> int:
    """Return the number of workers that the service starts."""
    (versions,) = Properties.read(ROOT / "config.properties").models.values()
    (settings,) = versions.values()
    return int(settings["minWorkers"])


def answer(prediction: Any) -> dict[str, Any]:
    """Return one text's answer, with every field that the service has."""
    return dataclasses.asdict(prediction)
