"""The handler of peer 3, which does what TorchServe's own Hugging Face example does.

Each text is padded or truncated to `MAX_TOKENS`, the example's 150. The texts of a batch are
concatenated, and the model runs once. Unlike the example, it does not log each text, which makes it
faster.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from ts.torch_handler.base_handler import BaseHandler

MAX_TOKENS = 150


class ExampleHandler(BaseHandler):
    """`BaseHandler.handle` calls preprocess, inference and postprocess."""

    def initialize(self, context: Any) -> None:
        """Load the checkpoint from the unpacked archive."""
        folder = context.system_properties["model_dir"]
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
        self.model = model.eval()
        self.initialized = True

    def preprocess(self, data: Sequence[Mapping[str, Any]]) -> Any:
        """Tokenize text by text; `sizes` gets the number of texts per request."""
        encoded = []
        self.sizes = []
        for row in data:
            body = row.get("data") or row["body"]
            texts = body["texts"] if "texts" in body else [body["text"]]
            self.sizes.append(len(texts))
            encoded += [
                self.tokenizer(
                    text,
                    max_length=MAX_TOKENS,
                    padding="max_length",
                    truncation=True,
                    return_tensors="pt",
                )
                for text in texts
            ]
        return (
            torch.cat([text["input_ids"] for text in encoded]),
            torch.cat([text["attention_mask"] for text in encoded]),
        )

    @torch.inference_mode()
    def inference(self, data: Any, *args: Any, **kwargs: Any) -> list[str]:
        """Run the model once; return the label of each text."""
        logits = self.model(*data).logits
        return [self.model.config.id2label[index] for index in logits.argmax(dim=1).tolist()]

    def postprocess(self, data: list[str]) -> list[Any]:
        """Return one answer per request."""
        labels = iter(data)
        return [{"labels": [next(labels) for _ in range(size)]} for size in self.sizes]
