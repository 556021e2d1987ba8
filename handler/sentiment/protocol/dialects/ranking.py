"""Labels with their scores, best first: the answer of most dialects.

Labels are ranked by unrounded scores.
"""

from msgspec import Struct

from sentiment.inference.prediction import Prediction
from sentiment.protocol.dialects.operation import Label

# Decimal places of a score in an answer, more than any engine's precision. A score below _SMALL, as
# a regression may have, keeps as many significant digits.
_PLACES, _SMALL = 6, 1e-3


class LabelScore(Struct):
    """A label and its score."""

    label: Label
    score: float


def rounded(score: float) -> float:
    """A score as answers show it."""
    return round(score, _PLACES) if abs(score) >= _SMALL else float(f"{score:.{_PLACES}g}")


def best(prediction: Prediction) -> LabelScore:
    """The best label and its score."""
    return LabelScore(prediction.label, rounded(prediction.score))


def ranked(prediction: Prediction, top_k: int | None = None) -> list[LabelScore]:
    """All labels, or the best `top_k` of them; ties keep the model's order."""
    order = sorted(prediction.scores.items(), key=lambda item: item[1], reverse=True)
    return [LabelScore(label, rounded(score)) for label, score in order[:top_k]]


def in_model_order(prediction: Prediction) -> list[LabelScore]:
    """All labels, in the order of the model's logits."""
    return [LabelScore(label, rounded(score)) for label, score in prediction.scores.items()]
