"""The default model in fp32, as people load it: every framework is compared with this one.

PyTorch takes all cores by itself, so no peer sets its threads.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
from transformers.utils.logging import disable_progress_bar

FOLDER = Path(__file__).resolve().parents[2] / "model"
MAX_TOKENS = 512
# Of a call. Those who batch requests join as many, each of which may have as many texts.
MOST_TEXTS = 32

Scored = dict[str, Any]


def load_pipeline() -> Any:
    """`transformers`' own pipeline: texts in, labels and scores out, one text at a time."""
    disable_progress_bar()
    return pipeline(
        "text-classification", model=str(FOLDER), dtype="float32", device="cpu", truncation=True
    )


class Checkpoint:
    """Tokenizer and model, for those who batch."""

    def __init__(self) -> None:
        disable_progress_bar()
        self.tokenizer = AutoTokenizer.from_pretrained(FOLDER)
        model: Any = AutoModelForSequenceClassification.from_pretrained(FOLDER, dtype=torch.float32)
        self.model = model.eval()

    @torch.inference_mode()
    def score(self, texts: Sequence[str]) -> list[Scored]:
        """All texts in one call, padded to the longest."""
        encoded = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        best = self.model(**encoded).logits.softmax(dim=-1).max(dim=-1)
        labels = self.model.config.id2label
        return [
            {"label": labels[index], "score": score}
            for index, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def score_requests(self, requests: Sequence[Sequence[str]]) -> list[list[Scored]]:
        """The texts of all requests, so many a call, and each request's own answers."""
        flat = [text for texts in requests for text in texts]
        starts = range(0, len(flat), MOST_TEXTS)
        scored = iter([each for i in starts for each in self.score(flat[i : i + MOST_TEXTS])])
        return [[next(scored) for _ in texts] for texts in requests]


def texts_of(body: Mapping[str, Any]) -> list[str]:
    """The texts of one request's JSON."""
    return list(body["texts"]) if "texts" in body else [body["text"]]
