"""Whether a text holds both praise and criticism."""

from collections.abc import Sequence

from sentiment.inference.prediction import Sentence

# The least score of a sentence that counts, on both sides: measured by `training/documents.py`.
LEAST_SCORE = 0.5
_SIGNS = frozenset({"negative", "positive"})


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
