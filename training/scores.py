"""Score texts with the handler's classifier: probabilities as served, and raw logits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from tqdm import tqdm

from scripts.failure import Failure
from sentiment.inference.classifier import Classifier
from sentiment.inference.options import DEFAULT, Options
from sentiment.inference.prediction import Prediction
from training.data import LABELS, NEUTRAL

# Texts per call: enough to fill rows, few enough that the progress bar moves.
_TEXTS_PER_CALL = 256
# Windows per text, as in handler/model-config.yaml.
MAX_WINDOWS = 16
_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Scores:
    """`probabilities` and `logits`: float64 [texts, labels], in the checkpoint's order of labels.

    `truncated`: bool [texts].
    """

    probabilities: NDArray[np.float64]
    logits: NDArray[np.float64]
    truncated: NDArray[np.bool_]


def check_checkpoint(folder: Path) -> None:
    """Raise Failure unless `folder` has the files of a checkpoint with a fast tokenizer."""
    missing = [name for name in _FILES if not (folder / name).exists()]
    if missing:
        raise Failure(
            f"{folder} has no {' and no '.join(missing)}: name a folder that save_pretrained "
            "wrote, with a fast tokenizer."
        )


def load_classifier(
    folder: Path, engine: str, max_tokens: int, max_windows: int = MAX_WINDOWS
) -> Classifier:
    """Load a checkpoint to score many texts, whole, with all cores; raises Failure."""
    check_checkpoint(folder)
    return Classifier(
        folder,
        max_tokens=max_tokens,
        max_windows=max_windows,
        tokens_per_microbatch=1_024,
        threads=64,
        engine=engine,
    )


def score(
    classifier: Classifier, texts: Sequence[str], name: str, *, truncate: bool = False
) -> Scores:
    """Score `texts`, in order, with a progress bar called `name`; raises Failure.

    A long text is read in windows, or truncated to the first one.
    """
    options = Options(max_tokens=classifier.max_tokens) if truncate else DEFAULT
    served_then_raw = (options, replace(options, activation="none"))
    served, raw = [], []
    for start in tqdm(range(0, len(texts), _TEXTS_PER_CALL), desc=name, leave=False):
        part = texts[start : start + _TEXTS_PER_CALL]
        tokens = classifier.tokenizer(part, [options] * len(part))
        # Texts with the same tokens are scored once, so the second activation costs nothing.
        outcomes = classifier.score(
            tokens * 2, options=[option for option in served_then_raw for _ in tokens]
        )
        predictions = [outcome for outcome in outcomes if isinstance(outcome, Prediction)]
        if len(predictions) < len(outcomes):
            raise Failure(f"{name}: the model has no score for a text; remove empty texts.")
        served += predictions[: len(tokens)]
        raw += predictions[len(tokens) :]
    return Scores(
        _array(served, len(classifier.labels)),
        _array(raw, len(classifier.labels)),
        np.array([prediction.truncated for prediction in served], bool),
    )


def label_columns(labels: Sequence[str]) -> list[int | None]:
    """Return the indices of NEGATIVE, NEUTRAL and POSITIVE in a checkpoint's labels, by name.

    Upper and lower case are the same. NEUTRAL may be missing. Raises Failure for other labels.
    """
    names = [label.upper() for label in labels]
    columns = [names.index(label) if label in names else None for label in LABELS]
    missing = {label for label, column in zip(LABELS, columns, strict=True) if column is None}
    if len(names) + len(missing) != len(LABELS) or not missing <= {LABELS[NEUTRAL]}:
        raise Failure(
            f"The model's labels are {', '.join(labels)}: name them NEGATIVE, POSITIVE and, if "
            "there is one, NEUTRAL in id2label of its config.json."
        )
    return columns


def in_order(probabilities: NDArray[np.float64], columns: list[int | None]) -> NDArray[np.float64]:
    """Return the probabilities of NEGATIVE, NEUTRAL and POSITIVE, [texts, 3].

    NEUTRAL has 0 for a checkpoint without it.
    """
    ordered = np.zeros((len(probabilities), len(columns)))
    for target, source in enumerate(columns):
        if source is not None:
            ordered[:, target] = probabilities[:, source]
    return ordered


def _array(predictions: list[Prediction], labels: int) -> NDArray[np.float64]:
    rows = [list(prediction.scores.values()) for prediction in predictions]
    return np.array(rows, np.float64).reshape(len(rows), labels)
