"""Measure the accuracy of a checkpoint with the classifier of the handler.

PYTHONPATH=handler python -m training.evaluate --data DIR [--model DIR] [--max-tokens 256 512]
        [--engine torch]
"""

import argparse
from pathlib import Path
from typing import get_args

from tqdm import tqdm

from scripts.paths import MODEL
from sentiment.inference.classifier import Classifier
from sentiment.inference.prediction import Prediction
from sentiment.settings import EngineName
from training.data import EvaluationSet, evaluation_sets

# Texts per call: enough to fill rows, few enough that the progress bar moves.
_TEXTS_PER_CALL = 256


def main() -> None:
    """Print one line per data set and maximum length."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FOLDER", help="see training/data.py"
    )
    parser.add_argument("--model", type=Path, default=MODEL, metavar="FOLDER")
    parser.add_argument("--engine", choices=get_args(EngineName), default="torch")
    parser.add_argument("--max-tokens", type=int, nargs="+", default=[256, 512], metavar="N")
    args = parser.parse_args()
    try:
        sets = evaluation_sets(args.data)
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}; training/data.py lists the files")
    print(f"{'data set':16} {'rows':>6} {'max tokens':>11} {'accuracy':>9} {'truncated':>10}")
    for max_tokens in args.max_tokens:
        classifier = Classifier(
            args.model,
            max_tokens=max_tokens,
            tokens_per_microbatch=1_024,
            threads=64,
            engine=args.engine,
        )
        for rows in sets:
            accuracy, truncated = measure(classifier, rows)
            print(
                f"{rows.name:16} {len(rows.texts):6,} {max_tokens:11} {accuracy:9.2%} "
                f"{truncated:10.1%}",
                flush=True,
            )


def measure(classifier: Classifier, rows: EvaluationSet) -> tuple[float, float]:
    """Return the shares, from 0 to 1, of correct labels and of truncated texts."""
    correct = truncated = 0
    starts = range(0, len(rows.texts), _TEXTS_PER_CALL)
    for start in tqdm(starts, desc=rows.name, leave=False):
        part = slice(start, start + _TEXTS_PER_CALL)
        results = classifier.classify(rows.texts[part])
        for result, label in zip(results, rows.labels[part], strict=True):
            assert isinstance(result, Prediction), result  # noqa: S101 (an error is a defect here)
            correct += result.label == classifier.labels[label]
            truncated += result.truncated
    return correct / len(rows.texts), truncated / len(rows.texts)


if __name__ == "__main__":
    main()
