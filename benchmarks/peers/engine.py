"""Our own engine without TorchServe: the one place that knows how it is loaded.

It is loaded from the unpacked archive, by the handler itself, with the settings that ship: what is
measured here is what the service runs, whichever engine that is.
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
    """The handler's `Classifier`, warmed up."""
    # Of the archive, which is on the path of whoever imports this module.
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
    """How many workers the service has."""
    (versions,) = Properties.read(ROOT / "config.properties").models.values()
    (settings,) = versions.values()
    return int(settings["minWorkers"])


def answer(prediction: Any) -> dict[str, Any]:
    """One text's answer, with all that the service says of it."""
    return dataclasses.asdict(prediction)
