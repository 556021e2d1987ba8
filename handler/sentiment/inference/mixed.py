"""Whether a text holds both praise and criticism."""

from collections.abc import Sequence

from sentiment.inference.prediction import Sentence

# The least score of a sentence that counts, on both sides: measured by `training/documents.py`.
LEAST_SCORE = 0.5
_SIGNS = ("negative", "positive")


def mixed_score(sentences: Sequence[Sentence]) -> float:
    """How sure it is that one sentence is NEGATIVE and another POSITIVE.

    It is the lower of the best scores on both sides, or 0 if that is below LEAST_SCORE, as always
    for a model without labels of these names.
    """
    best = dict.fromkeys(_SIGNS, 0.0)
    for sentence in sentences:
        label = sentence.prediction.label.lower()
        if label in best:
            best[label] = max(best[label], sentence.prediction.score)
    lower = min(best.values())
    return lower if lower >= LEAST_SCORE else 0.0


def is_mixed(sentences: Sequence[Sentence]) -> bool:
    """Whether one sentence is NEGATIVE and another POSITIVE, each with at least LEAST_SCORE."""
    return mixed_score(sentences) > 0
