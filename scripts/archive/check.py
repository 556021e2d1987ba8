"""Load the unpacked archive in the working folder as a worker does, and check its answers.

Run by `archive.py`. Ends with exit code 1 and the reason as its last line.
"""

import json
import sys
from pathlib import Path
from typing import Any

from transformers import pipeline
from ts.context import Context
from ts.utils.util import get_yaml_config

from sentiment.inference.classifier import Classifier
from sentiment.inference.prediction import Prediction
from sentiment_handler import SentimentHandler

# Short and long in one batch, so that padding is at work; the last one has to be cut, and it
# shows at which end.
TEXTS = (
    "Good.",
    "The acting is wooden and the plot makes no sense at all.",
    "Superb! " * 1_000 + "Awful. " * 1_000,
)
# Largest difference of a score. In fp32 it is that of the order of sums alone. What computes in
# fewer bits has been measured, as it was exported, over many texts.
FULL, REDUCED = 1e-3, 0.1


def main() -> None:
    """Check the archive in the working folder."""
    folder = Path.cwd()
    manifest = json.loads((folder / "MAR-INF" / "MANIFEST.json").read_text(encoding="utf-8"))
    config = get_yaml_config(folder / manifest["model"]["configFile"])
    handler = SentimentHandler()
    handler.initialize(
        Context(
            manifest["model"]["modelName"],
            str(folder),
            manifest,
            batch_size=1,
            gpu=None,
            mms_version="",
            model_yaml_config=config,
        )
    )
    (tokens,) = handler.classifier.tokenizer([TEXTS[1]])
    if len(set(tokens.ids.tolist())) < 6:
        sys.exit("the tokenizer knows no words: save the checkpoint's own beside it")
    reference: Any = pipeline(
        "text-classification",
        model=str(folder / "model"),
        dtype="float32",
        device="cpu",
        top_k=None,
        truncation=True,
        max_length=handler.classifier.max_tokens,
    )
    # What is served here, and what the engines that are served elsewhere were measured against.
    torch = Classifier(
        folder / "model",
        max_tokens=handler.classifier.max_tokens,
        threads=handler.model.settings.threads,
        engine="torch",
    )
    expected = reference(list(TEXTS))
    compare(torch, expected)
    compare(handler.classifier, expected)


def compare(classifier: Classifier, expected: Any) -> None:
    """Exit with the reason where a score of TEXTS is not as the pipeline has it."""
    tolerance = FULL if classifier.engine in ("torch", "fp32") else REDUCED
    for got, entries in zip(classifier.classify(TEXTS), expected, strict=True):
        if not isinstance(got, Prediction):
            sys.exit(f"the model gives no usable score: {got}")
        for entry in entries:
            difference = abs(got.scores[entry["label"]] - entry["score"])
            if difference > tolerance:
                sys.exit(
                    f"the score of {entry['label']} by the engine {classifier.engine} differs by "
                    f"{difference:.4f} from that of transformers' pipeline: this architecture is "
                    "not supported"
                )


if __name__ == "__main__":
    main()
