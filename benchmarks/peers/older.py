"""For peers with transformers 4 and Optimum 1.27; imported before Optimum.

Its import needs PyTorch's former ONNX exporter, which PyTorch 2.9 removed. Nothing calls it here:
these peers do not export with Optimum.
"""

import json
import shutil
import sys
from pathlib import Path
from unittest.mock import MagicMock

from scripts.paths import MODEL

sys.modules["torch.onnx.symbolic_opset14"] = MagicMock()


def copy_model(folder: Path) -> None:
    """Copy the model to `folder`, with the class of the tokenizer that transformers 4 knows."""
    shutil.copytree(MODEL, folder)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(settings | {"tokenizer_class": "BertTokenizerFast"}))
