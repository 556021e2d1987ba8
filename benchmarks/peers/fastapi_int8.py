"""6e. FastAPI with the batching loop of 2, and the model in ONNX Runtime's own int8."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from transformers import AutoConfig, AutoTokenizer

from benchmarks.peers.checkpoint import MAX_TOKENS, Scored
from benchmarks.peers.exported import INPUTS, QUANTIZED, export
from benchmarks.peers.fastapi_batching import serve
from scripts.paths import MODEL


class QuantizedCheckpoint:
    """Tokenizer and quantized model."""

    def __init__(self) -> None:
        export(Path.cwd())
        self.tokenizer = AutoTokenizer.from_pretrained(MODEL)
        self.labels = AutoConfig.from_pretrained(MODEL).id2label
        self.session = onnxruntime.InferenceSession(QUANTIZED)

    def score(self, texts: Sequence[str]) -> list[Scored]:
        """Score all texts in one call, padded to the longest."""
        encoded = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="np"
        )
        (logits,) = self.session.run(None, {name: encoded[name] for name in INPUTS})
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        scores = exponentials / exponentials.sum(axis=-1, keepdims=True)
        best = scores.argmax(axis=-1)
        return [
            {"label": self.labels[index], "score": float(row[index])}
            for index, row in zip(best.tolist(), scores, strict=True)
        ]


if __name__ == "__main__":
    serve(lambda: QuantizedCheckpoint().score)
