"""Loads the handler of an unpacked archive without TorchServe's server."""

import json
from pathlib import Path
from typing import Any

from ts.context import Context
from ts.utils.util import get_yaml_config


def load_handler(folder: Path) -> Any:
    """Return the `SentimentHandler` of an unpacked archive, warmed up, as TorchServe does on a CPU.

    The archive, or `handler/`, must be importable.
    """
    from sentiment_handler import SentimentHandler

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
    return handler
