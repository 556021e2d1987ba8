"""Load the handler of an unpacked archive without a running TorchServe."""

import json
from pathlib import Path
from typing import Any

from ts.context import Context
from ts.utils.util import get_yaml_config


def load_handler(folder: Path) -> Any:
    """The `SentimentHandler` of an unpacked archive, initialized as TorchServe does on a CPU.

    The archive, or `handler/`, must be on the import path.
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
