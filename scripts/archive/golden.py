"""The golden texts of an archive, on which a worker tries the engines on its own CPU.

See `handler/sentiment/inference/trial.py`. They are never a user's texts: an archive may be passed
on.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentiment.inference.activation import Activation
from sentiment.inference.trial import GOLDEN_FILE

# Enough for calls of the engine as under load; a trial then takes about a second per engine.
_TEXTS, _MAX_TOKENS = 64, 128


def save_golden(
    folder: Path,
    texts: Sequence[NDArray[np.int32]],
    logits: NDArray[np.float32],
    activation: Activation,
) -> None:
    """Write the clearest of `texts`, token ids [tokens], with the torch engine's `logits`.

    An engine that changes the label of such a text is wrong. `logits` are [texts, labels].
    """
    short = [index for index, text in enumerate(texts) if len(text) <= _MAX_TOKENS]
    lead = _lead(logits, activation)
    clearest = sorted(sorted(short, key=lead.__getitem__)[-_TEXTS:])
    chosen = [texts[index] for index in clearest]
    np.savez(
        folder / GOLDEN_FILE,
        ids=np.concatenate(chosen),
        ends=np.cumsum([len(text) for text in chosen]),
        logits=logits[clearest],
    )


def _lead(logits: NDArray[np.float32], activation: Activation) -> NDArray[np.float32]:
    """How far the logits [texts, labels] are from other labels, as [texts]."""
    if activation == "softmax":
        lead = np.diff(np.sort(logits)[:, -2:]).ravel()
    else:
        lead = np.abs(logits).min(axis=1)
    return lead.astype(np.float32)
