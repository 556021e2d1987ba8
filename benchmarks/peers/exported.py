"""The model as PyTorch exports it, and in int8 as ONNX Runtime documents it: `quantize_dynamic`.

python -m benchmarks.peers.exported FOLDER
"""

import sys
from pathlib import Path
from typing import Any

import torch
from onnxruntime.quantization import quantize_dynamic
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from benchmarks.peers.checkpoint import MAX_TOKENS
from scripts.paths import MODEL

INPUTS = ("input_ids", "attention_mask")
EXPORTED, QUANTIZED = "model.onnx", "model_quantized.onnx"


def export(folder: Path) -> None:
    """Write `EXPORTED` and `QUANTIZED` to `folder`, for any number of texts and tokens."""
    disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model: Any = AutoModelForSequenceClassification.from_pretrained(MODEL, dtype=torch.float32)
    example = tokenizer(["Good.", "A good film."], padding=True, return_tensors="pt")
    texts, tokens = torch.export.Dim("texts"), torch.export.Dim("tokens", max=MAX_TOKENS)
    torch.onnx.export(
        model.eval(),
        kwargs={name: example[name] for name in INPUTS},
        f=folder / EXPORTED,
        dynamic_shapes={name: {0: texts, 1: tokens} for name in INPUTS},
        output_names=["logits"],
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    quantize_dynamic(folder / EXPORTED, folder / QUANTIZED)


if __name__ == "__main__":
    export(Path(sys.argv[1]))
