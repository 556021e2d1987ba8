"""Load the unpacked archive in the working folder as a worker does, and check its answers.

    python -m scripts.archive.check MODEL TEXTS

MODEL is the packaged checkpoint, a directory or a name on the hub, which `transformers`' pipeline
loads for comparison. TEXTS is a file with one text per line. `build.py` runs this. On failure the
exit code is 1, and the last line is the reason.
"""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers import logging, pipeline

from scripts.archive.loading import load_handler
from scripts.archive.odd_texts import odd_texts
from scripts.archive.texts import read_lines
from sentiment.inference.activation import activation_for
from sentiment.inference.agreement import differences
from sentiment.inference.checkpoint import Checkpoint
from sentiment.inference.classifier import Classifier
from sentiment.inference.options import Options
from sentiment.inference.prediction import Prediction
from sentiment.inference.tokens import SECOND, Pair, Text

# Largest difference of a score, for fp32, where only the order of sums differs, and for engines of
# lower precision, which the export has compared more strictly on many texts.
FULL, REDUCED = 1e-3, 0.1
# Number of TEXTS that are scored; all of them are tokenized.
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
    # Short and long texts in one batch, so that there is padding.
    scored = [*texts[:SCORED], *odd_texts(reference.tokenizer, texts)]
    pairs = [Pair(*both) for both in itertools.pairwise(scored)] if classifier.takes_pairs else []
    compare_tokens(classifier, reference.tokenizer, [*texts, *scored, *pairs])
    # `classifier` has the engine for this machine. Torch was the reference of all engines.
    torch = Classifier(
        folder / "model",
        max_tokens=classifier.max_tokens,
        threads=handler.model.settings.threads,
        engine="torch",
    )
    inputs: list[Text] = [*scored, *pairs]
    not_empty = [text for text in inputs if len(classifier.tokenizer([text])[0].ids)]
    expected = reference([as_input(text) for text in not_empty])
    compare_scores(folder / "model", torch, not_empty, expected)
    compare_scores(folder / "model", classifier, not_empty, expected)


def as_input(text: Text) -> str | dict[str, str]:
    """A text or a pair as the pipeline takes it."""
    return {"text": text.text, "text_pair": text.text_pair} if isinstance(text, Pair) else text


def compare_tokens(classifier: Classifier, tokenizer: Any, texts: Sequence[Text]) -> None:
    """Exit if the handler's token ids for a text differ from those of `transformers`' tokenizer."""
    for text, tokens in zip(texts, classifier.tokenizer(texts), strict=True):
        both = (text.text, text.text_pair) if isinstance(text, Pair) else (text,)
        ids = tokenizer(*both, truncation=True, max_length=classifier.max_tokens)["input_ids"]
        if (tokens.ids & (SECOND - 1)).tolist() != ids:
            sys.exit(
                f"the tokenizer ({type(tokenizer).__name__}) is not supported: the token ids of "
                f"{both[0][:40]!a} in transformers are not those of its tokenizer.json"
            )


def compare_scores(
    model_dir: Path, classifier: Classifier, texts: Sequence[Text], expected: Any
) -> None:
    """Exit if a score of `texts` differs from `expected`, the pipeline's answers."""
    rows = []
    # The pipeline truncates texts, and knows no calibration.
    classifier.temperature = 1.0
    for result in classifier.classify(texts, Options(max_tokens=classifier.max_tokens)):
        if not isinstance(result, Prediction):
            sys.exit(f"the model returns no usable score: {result}")
        rows.append([result.scores[label] for label in classifier.labels])
    by_label = [{str(entry["label"]): entry["score"] for entry in entries} for entries in expected]
    reference = np.array([[scores[label] for label in classifier.labels] for scores in by_label])
    checkpoint = Checkpoint.read(model_dir)
    activation = activation_for(checkpoint.problem_type, len(checkpoint.labels))
    difference = differences(np.array(rows), reference, activation).max(axis=0)
    worst = int(difference.argmax())
    tolerance = FULL if classifier.engine in ("torch", "fp32") else REDUCED
    if not difference[worst] <= tolerance:
        sys.exit(
            f"this architecture is not supported: the engine {classifier.engine} scores "
            f"{classifier.labels[worst]} differently from transformers' pipeline, by "
            f"{difference[worst]:.4f}"
        )


if __name__ == "__main__":
    main()
