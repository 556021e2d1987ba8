"""What TorchServe's own Hugging Face example does, in our words: the handler of peer 3.

Each text is padded to `MAX_TOKENS`, which is the example's 150: longer texts are cut there. The
texts of a batch are joined and the model runs once. What the example logs of each text is left
out, which is to its advantage.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from ts.torch_handler.base_handler import BaseHandler

MAX_TOKENS = 150


class ExampleHandler(BaseHandler):
    """`BaseHandler.handle` calls the three steps, one after another."""

    def initialize(self, context: Any) -> None:
        """Load the checkpoint from the unpacked archive."""
        folder = context.system_properties["model_dir"]
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
        self.model = model.eval()
        self.initialized = True

    def preprocess(self, data: Sequence[Mapping[str, Any]]) -> Any:
        """Tokenise text by text; `sizes` has the number of texts of each request."""
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
            torch.cat([each["input_ids"] for each in encoded]),
            torch.cat([each["attention_mask"] for each in encoded]),
        )

    @torch.inference_mode()
    def inference(self, data: Any, *args: Any, **kwargs: Any) -> list[str]:
        """One call of the model, and the label of each text."""
        logits = self.model(*data).logits
        return [self.model.config.id2label[index] for index in logits.argmax(dim=1).tolist()]

    def postprocess(self, data: list[str]) -> list[Any]:
        """One answer a request."""
        labels = iter(data)
        return [{"labels": [next(labels) for _ in range(size)]} for size in self.sizes]
