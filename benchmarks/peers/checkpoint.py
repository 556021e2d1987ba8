"""The default model in fp32, loaded as `transformers` documents it; the peers 1 to 6 serve it.

PyTorch uses all cores by default, so no peer sets its threads.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
from transformers.utils.logging import disable_progress_bar

from scripts.paths import MODEL

MAX_TOKENS = 512
# Texts per call. A batch has up to as many requests, each of which may have as many texts.
MAX_TEXTS = 32

Scored = dict[str, Any]


def load_pipeline() -> Any:
    """Return `transformers`' own pipeline, which scores one text at a time."""
    disable_progress_bar()
    return pipeline(
        "text-classification", model=str(MODEL), dtype="float32", device="cpu", truncation=True
    )


class Checkpoint:
    """Tokenizer and model, for the peers that batch."""

    def __init__(self) -> None:
        disable_progress_bar()
        self.tokenizer = AutoTokenizer.from_pretrained(MODEL)
        model: Any = AutoModelForSequenceClassification.from_pretrained(MODEL, dtype=torch.float32)
        self.model = model.eval()

    @torch.inference_mode()
    def score(self, texts: Sequence[str]) -> list[Scored]:
        """Score all texts in one call, padded to the longest."""
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
        """Score the texts of all requests, `MAX_TEXTS` per call; return the answers per request."""
        flat = [text for texts in requests for text in texts]
        starts = range(0, len(flat), MAX_TEXTS)
        scored = iter([s for i in starts for s in self.score(flat[i : i + MAX_TEXTS])])
        return [[next(scored) for _ in texts] for texts in requests]


def texts_of(body: Mapping[str, Any]) -> list[str]:
    """Return the texts of one request's JSON."""
    return list(body["texts"]) if "texts" in body else [body["text"]]
