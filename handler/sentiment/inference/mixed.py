"""Whether a text holds both praise and criticism."""

from collections.abc import Sequence

from sentiment.inference.prediction import Sentence

# The least score of a sentence that counts, on both sides: measured by `training/documents.py`.
LEAST_SCORE = 0.5
_SIGNS = frozenset({"negative", "positive"})


def mixed_score(sentences: Sequence[Sentence]) -> float:
    """How sure it is that one sentence is NEGATIVE and another POSITIVE; 0 unless `is_mixed`.

    It is the lower of the best scores on both sides.
    """
    if not is_mixed(sentences):
        return 0.0
    best = dict.fromkeys(_SIGNS, 0.0)
    for sentence in sentences:
        label = sentence.prediction.label.lower()
        best[label] = max(best.get(label, 0.0), sentence.prediction.score)
    return min(best[sign] for sign in _SIGNS)


def is_mixed(sentences: Sequence[Sentence]) -> bool:
    """Whether one sentence is NEGATIVE and another POSITIVE, each with at least LEAST_SCORE.

    Always false for a model without labels of these names.
    """
    clear = {
        sentence.prediction.label.lower()
        for sentence in sentences
        if sentence.prediction.score >= LEAST_SCORE
    }
    return clear >= _SIGNS
