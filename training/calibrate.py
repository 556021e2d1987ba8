"""Fit the temperature of a checkpoint, so that a score of 0.8 is right in 80 % of cases.

PYTHONPATH=handler python -m training.calibrate --data DIR [--model DIR] [--max-tokens 512]
        [--engine torch]

DIR holds labelled texts that the model was not trained on: CSV files or JSON lines, as in
training/labelled.py, or the data of the default model, as in training/data.py. Each file is a set,
and all sets have the same weight, however large they are. `calibration.json` and `reliability.png`
are written next to the checkpoint.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.failure import Failure, reports_failures
from sentiment.inference.checkpoint import Checkpoint
from training import arguments
from training.data import EvaluationSet, evaluation_sets
from training.labelled import labelled_sets
from training.metrics import (
    accuracy_at_coverage,
    calibration_error,
    calibration_floor,
    reliability,
    top,
)
from training.scaling import fit_temperature, fit_vector, loss, scale_vector, softmax
from training.scores import check_checkpoint, label_columns, load_classifier, score

# With fewer texts, chance would decide.
FEWEST_TEXTS = 100

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
# Fits on (logits, labels, weights), and returns what scales logits.
Method = Callable[[Array, Labels, Array], Callable[[Array], Array]]


@dataclass(frozen=True)
class ScoredSet:
    """Raw `logits`, float64 [texts, labels], and the right `labels`, int64 [texts]."""

    name: str
    logits: Array
    labels: Labels


def unscaled(logits: Array, labels: Labels, weights: Array) -> Callable[[Array], Array]:
    """No calibration: the logits as they are."""
    return lambda raw: raw


def by_temperature(logits: Array, labels: Labels, weights: Array) -> Callable[[Array], Array]:
    """Temperature scaling: one number for all logits, which changes no label."""
    temperature = fit_temperature(logits, labels, weights)
    return lambda raw: raw / temperature


def by_vector(logits: Array, labels: Labels, weights: Array) -> Callable[[Array], Array]:
    """Vector scaling: two numbers per label, which may change labels."""
    scale, shift = fit_vector(logits, labels, weights)
    return lambda raw: scale_vector(raw, scale, shift)


METHODS: dict[str, Method] = {
    "none": unscaled,
    "temperature": by_temperature,
    "vector": by_vector,
}


def main() -> None:
    """Print the calibration error of each set by each method, and write the temperature."""
    parser = arguments.parser("training.calibrate", __doc__)
    parser.add_argument("--max-tokens", type=int, default=512, metavar="N")
    args = parser.parse_args()
    check_checkpoint(args.model)
    checkpoint = Checkpoint.read(args.model)
    if len(checkpoint.labels) < 2 or checkpoint.problem_type not in (
        None,
        "single_label_classification",
    ):
        raise Failure(
            f"{args.model} has no probabilities that sum to 1: name a checkpoint with two or more "
            "labels of which one is right."
        )
    sets = held_out_sets(args.data, checkpoint.labels)
    classifier = load_classifier(args.model, args.engine, args.max_tokens)
    scored = [
        ScoredSet(
            rows.name,
            readable(score(classifier, rows.texts, rows.name).logits, rows, checkpoint.labels),
            np.array(rows.labels, np.int64),
        )
        for rows in sets
    ]
    print_comparison(scored)
    calibration = calibrate(scored)
    path = args.model / "calibration.json"
    path.write_text(json.dumps(calibration, indent=1) + "\n", encoding="utf-8")
    draw(scored, calibration, args.model / "reliability.png")
    print(f"\nWrote {path}: temperature {calibration['temperature']}")


def held_out_sets(folder: Path, labels: Sequence[str]) -> list[EvaluationSet]:
    """Return the sets to fit on, with indices of `labels`; raises OSError and Failure.

    Of the default model's data, the sets that are not trained on, except those that only measure:
    SST's test sentences and `measure/`, whose licences forbid that weights depend on them. Neutral
    texts are left out for a model without NEUTRAL.
    """
    if (folder / "sst_dev.jsonl.gz").exists():
        columns = label_columns(labels)
        sets = [
            EvaluationSet(
                rows.name,
                [text for text, label in _pairs(rows) if columns[label] is not None],
                [column for _, label in _pairs(rows) if (column := columns[label]) is not None],
            )
            for rows in evaluation_sets(folder)
            # SST-2 is a part of SST-3.
            if not rows.name.startswith(("measure/", "sst2-", "sst3-test"))
        ]
        sets = [rows for rows in sets if rows.texts]
    else:
        sets = labelled_sets(folder, labels)
    texts = sum(len(rows.texts) for rows in sets)
    if texts < FEWEST_TEXTS:
        raise Failure(
            f"{folder} has {texts} labelled texts: put at least {FEWEST_TEXTS} there, as *.csv or "
            "*.jsonl with the columns text and label."
        )
    return sets


def readable(logits: Array, rows: EvaluationSet, labels: Sequence[str]) -> Array:
    """Return the logits with -inf for NEUTRAL if no text of the set is neutral.

    The softmax is then over the other labels, as in `training.metrics.as_read`.
    """
    names = [label.upper() for label in labels]
    if "NEUTRAL" in names and names.index("NEUTRAL") not in rows.labels:
        logits = logits.copy()
        logits[:, names.index("NEUTRAL")] = -np.inf
    return logits


def calibrate(sets: Sequence[ScoredSet]) -> dict[str, Any]:
    """Fit the temperature on `sets` and return the contents of `calibration.json`.

    `calibration_error` is the mean over the sets, "after" with the temperature of the other half.
    `reliability` has [confidence, accuracy, texts] and `coverage` [share of texts, accuracy], of
    the texts of all sets together.
    """
    logits, labels, weights = _joined(sets)
    temperature = fit_temperature(logits, labels, weights)
    confidence, correct = top(softmax(logits / temperature), labels)
    bins = reliability(confidence, correct)
    return {
        "temperature": round(temperature, 4),
        "fitted_on": [rows.name for rows in sets],
        "texts": len(labels),
        "calibration_error": {
            moment: round(float(np.mean(errors(sets, METHODS[method]))), 4)
            for moment, method in (("before", "none"), ("after", "temperature"))
        },
        "reliability": [[round(b.confidence, 4), round(b.accuracy, 4), b.texts] for b in bins],
        "coverage": [list(pair) for pair in accuracy_at_coverage(confidence, correct)],
    }


def errors(sets: Sequence[ScoredSet], method: Method) -> list[float]:
    """Return each set's calibration error, cross-fitted."""
    return [
        calibration_error(*top(softmax(logits), rows.labels))
        for rows, logits in zip(sets, cross_fitted(sets, method), strict=True)
    ]


def cross_fitted(sets: Sequence[ScoredSet], method: Method) -> list[Array]:
    """Return each set's logits, each half scaled by what was fitted on the other half."""
    halves = [np.random.default_rng(0).permutation(len(rows.labels)) % 2 == 0 for rows in sets]
    scaled = [rows.logits.copy() for rows in sets]
    for side in (True, False):
        fitted = method(
            *_joined(
                [
                    ScoredSet(rows.name, rows.logits[half == side], rows.labels[half == side])
                    for rows, half in zip(sets, halves, strict=True)
                ]
            )
        )
        for rows, half, target in zip(sets, halves, scaled, strict=True):
            target[half != side] = fitted(rows.logits[half != side])
    return scaled


def print_comparison(sets: Sequence[ScoredSet]) -> None:
    """Print each set's calibration error by each method, their means and the mean loss."""
    print(f"{'calibration error':24} {'texts':>6} ", *(f"{name:>12}" for name in METHODS), " floor")
    columns = {name: errors(sets, method) for name, method in METHODS.items()}
    floors = [calibration_floor(top(softmax(rows.logits), rows.labels)[0]) for rows in sets]
    for number, rows in enumerate(sets):
        values = (f"{column[number]:12.4f}" for column in columns.values())
        print(f"{rows.name:24} {len(rows.labels):6,} ", *values, f"{floors[number]:6.3f}")
    texts = sum(len(rows.labels) for rows in sets)
    values = (f"{np.mean(column):12.4f}" for column in columns.values())
    print(f"{'mean':24} {texts:6,} ", *values, f"{np.mean(floors):6.3f}")
    _, labels, weights = _joined(sets)
    values = (
        f"{loss(np.concatenate(cross_fitted(sets, method)), labels, weights):12.4f}"
        for method in METHODS.values()
    )
    print(f"{'negative log-likelihood':24} {'':6} ", *values)
    print(
        "Cross-fitted: each half of a set with the fit of the other halves. floor: the error of a "
        "perfectly\ncalibrated model on as many texts."
    )


def draw(sets: Sequence[ScoredSet], calibration: dict[str, Any], path: Path) -> None:
    """Plot accuracy against confidence, before and after, and accuracy against coverage."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    logits, labels, _ = _joined(sets)
    before = [(b.confidence, b.accuracy) for b in reliability(*top(softmax(logits), labels))]
    after = [(confidence, accuracy) for confidence, accuracy, _ in calibration["reliability"]]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 4), layout="constrained")
    left.plot([0, 1], [0, 1], color="0.8", linewidth=1)
    left.plot(*zip(*before, strict=True), "o--", label="before", color="0.6")
    left.plot(
        *zip(*after, strict=True), "o-", label=f"temperature {calibration['temperature']:.2f}"
    )
    left.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    left.legend()
    right.plot(*zip(*calibration["coverage"], strict=True), "o-")
    right.set(xlabel="coverage, most confident first", ylabel="accuracy", xlim=(0, 1))
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _joined(sets: Sequence[ScoredSet]) -> tuple[Array, Labels, Array]:
    """Logits, labels and weights of all texts; the weights of each set have the same sum."""
    sizes = [len(rows.labels) for rows in sets]
    return (
        np.concatenate([rows.logits for rows in sets]),
        np.concatenate([rows.labels for rows in sets]),
        np.concatenate([np.full(size, 1 / (max(size, 1) * len(sets))) for size in sizes]),
    )


def _pairs(rows: EvaluationSet) -> list[tuple[str, int]]:
    return list(zip(rows.texts, rows.labels, strict=True))


if __name__ == "__main__":
    raise SystemExit(reports_failures(os_error="A file cannot be read or written")(main)())
