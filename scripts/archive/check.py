"""Load the unpacked archive in the working folder as a worker does, and check its answers.

    python -m scripts.archive.check MODEL TEXTS

MODEL is the checkpoint that was packaged, a folder or a name on the hub, which `transformers`' own
pipeline scores for comparison; TEXTS is a file with one text per line. Run by `build.py`. Ends with
exit code 1 and the reason as its last line.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers import logging, pipeline

from scripts.archive.agreement import differences
from scripts.archive.loading import load_handler
from scripts.archive.odd_texts import odd_texts
from scripts.archive.texts import read_lines
from sentiment.inference.activation import activation_for
from sentiment.inference.checkpoint import Checkpoint
from sentiment.inference.classifier import Classifier
from sentiment.inference.prediction import Prediction

# Largest difference of a score. In fp32 only the order of sums differs; what computes in fewer bits
# was measured over many texts when it was exported.
FULL, REDUCED = 1e-3, 0.1
# How many of TEXTS are scored; all of them are tokenized.
SCORED = 12


def main() -> None:
    """Check the archive in the working folder."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model, texts = sys.argv[1], read_lines(Path(sys.argv[2]))
    folder = Path.cwd()
    handler = load_handler(folder)
    classifier = handler.classifier
    reference: Any = pipeline(
        "text-classification",
        model=model,
        dtype="float32",
        device="cpu",
        top_k=None,
        truncation=True,
        max_length=classifier.max_tokens,
        trust_remote_code=False,
    )
    # Short and long in one batch, so that padding is at work.
    scored = [*texts[:SCORED], *odd_texts(reference.tokenizer, texts)]
    compare_tokens(classifier, reference.tokenizer, [*texts, *scored])
    # What is served on this machine, and the reference of the engines that are served elsewhere.
    torch = Classifier(
        folder / "model",
        max_tokens=classifier.max_tokens,
        threads=handler.model.settings.threads,
        engine="torch",
    )
    scored = [text for text in scored if len(classifier.tokenizer([text])[0].ids)]
    expected = reference(scored)
    compare_scores(folder / "model", torch, scored, expected)
    compare_scores(folder / "model", classifier, scored, expected)


def compare_tokens(classifier: Classifier, tokenizer: Any, texts: Sequence[str]) -> None:
    """Exit where the handler makes other token ids of a text than the tokenizer it was made of."""
    for text, tokens in zip(texts, classifier.tokenizer(texts), strict=True):
        ids = tokenizer(text, truncation=True, max_length=classifier.max_tokens)["input_ids"]
        if tokens.ids.tolist() != ids:
            sys.exit(
                f"the tokenizer ({type(tokenizer).__name__}) makes other token ids in transformers "
                f"than its tokenizer.json alone, as of {text[:40]!a}: it is not supported"
            )


def compare_scores(
    model_dir: Path, classifier: Classifier, texts: Sequence[str], expected: Any
) -> None:
    """Exit where a score of `texts` is not that of `expected`, the pipeline's answers."""
    rows = []
    for result in classifier.classify(texts):
        if not isinstance(result, Prediction):
            sys.exit(f"the model gives no usable score: {result}")
        rows.append([result.scores[label] for label in classifier.labels])
    by_label = [{str(entry["label"]): entry["score"] for entry in entries} for entries in expected]
    wanted = np.array([[scores[label] for label in classifier.labels] for scores in by_label])
    checkpoint = Checkpoint.read(model_dir)
    function = activation_for(checkpoint.problem_type, len(checkpoint.labels))
    difference = differences(np.array(rows), wanted, function).max(axis=0)
    worst = int(difference.argmax())
    tolerance = FULL if classifier.engine in ("torch", "fp32") else REDUCED
    if not difference[worst] <= tolerance:
        sys.exit(
            f"the score of {classifier.labels[worst]} by the engine {classifier.engine} differs by "
            f"{difference[worst]:.4f} from that of transformers' pipeline: this architecture is "
            "not supported"
        )


if __name__ == "__main__":
    main()
