"""The engines by name, and how the build measured them."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentiment.inference.checkpoint import Checkpoint
from sentiment.inference.engines.engine import Engine
from sentiment.inference.engines.onnx_engine import OnnxEngine
from sentiment.inference.engines.openvino_engine import OpenvinoEngine

# The file that each engine for the exported model reads.
MODEL_FILES: Mapping[str, str] = {
    "bf16": "model.xml",
    "int8": "model.int8.onnx",
    "fp32": "model.xml",
}
# Written next to them by `scripts/archive/export.py`: each engine that passed the checks of the
# build, with its row layout and how well it agreed with the torch engine.
AGREEMENT_FILE = "engines.json"


def load(
    name: str, model_dir: Path, pad_token_id: int, threads: int, gpu: int | None = None
) -> Engine:
    """Load the engine `name`, which is not "auto"; raises ValueError if the archive lacks it.

    `threads` is capped at the number of cores; `pad_token_id` pads short rows. Only the torch
    engine uses a `gpu`.
    """
    threads = min(threads, len(os.sched_getaffinity(0)))
    if name == "torch":
        # Here, since it imports PyTorch, which the trial of another engine does without.
        from sentiment.inference.engines.torch_engine import TorchEngine

        layout = read_record(model_dir).get("torch", {}).get("layout", "padded")
        token_types = Checkpoint.read(model_dir).token_types
        gpu = gpu if has_gpu(gpu) else None
        return TorchEngine(model_dir, layout, threads, gpu, token_types=token_types)
    path = model_dir / MODEL_FILES[name]
    if not path.exists():
        raise ValueError(
            f"model-config.yaml: the archive holds no model for handler.engine {name!r}: "
            "'auto' uses the best one that it has."
        )
    if name == "int8":
        return OnnxEngine(path, pad_token_id, threads)
    return OpenvinoEngine(path, "bf16" if name == "bf16" else "f32", pad_token_id, threads)


def has_gpu(gpu: int | None) -> bool:
    """Whether TorchServe assigned a GPU to this worker, and PyTorch can use it."""
    if gpu is None:
        return False
    import torch

    return torch.cuda.is_available()


def read_record(model_dir: Path) -> dict[str, Any]:
    """The content of `engines.json`: engine -> its record; empty for a bare checkpoint."""
    path = model_dir / AGREEMENT_FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
