"""Which engine serves a checkpoint: what the settings ask for, or the best there is."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sentiment.inference.engines.cpu import has_bf16
from sentiment.inference.engines.engine import Engine
from sentiment.inference.engines.onnx_engine import OnnxEngine
from sentiment.inference.engines.openvino_engine import OpenvinoEngine
from sentiment.inference.engines.torch_engine import TorchEngine

# What each engine that runs the exported model reads.
FILES: Mapping[str, str] = {
    "bf16": "model.xml",
    "int8": "model.int8.onnx",
    "fp32": "model.xml",
}
# Beside them: the engines that agreed with the torch engine when the archive was built, and how
# well. `scripts/archive/export.py` writes it.
MEASURED = "engines.json"


def choose(name: str, model_dir: Path, gpu: int | None) -> str:
    """What "auto" stands for: the best that this machine has and the build found to agree."""
    if name != "auto":
        return name
    if gpu is not None and torch.cuda.is_available():
        return "torch"
    measured = _measured(model_dir)
    if "bf16" in measured and has_bf16():
        return "bf16"
    return next((name for name in ("int8", "fp32") if name in measured), "torch")


def load(name: str, model_dir: Path, pad: int, threads: int, gpu: int | None = None) -> Engine:
    """Load the engine of that name, which is not "auto"; raises ValueError where it is not there.

    `threads` are no more than there are cores; `pad` is an id to fill short texts up with.
    """
    threads = min(threads, len(os.sched_getaffinity(0)))
    if name == "torch":
        return TorchEngine(model_dir, pad, threads, gpu if torch.cuda.is_available() else None)
    path = model_dir / FILES[name]
    if not path.exists():
        raise ValueError(
            f"model-config.yaml: the archive holds no model for handler.engine {name!r}: "
            "'auto' takes the best that it has."
        )
    if name == "int8":
        return OnnxEngine(path, pad, threads)
    return OpenvinoEngine(path, "bf16" if name == "bf16" else "f32", pad, threads)


def _measured(model_dir: Path) -> dict[str, Any]:
    path = model_dir / MEASURED
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
