"""Labels with their scores, best first: what most dialects answer with."""

from msgspec import Struct

from sentiment.inference.prediction import Prediction
from sentiment.protocol.dialects.operation import Label


class LabelScore(Struct):
    """A label, and its score."""

    label: Label
    score: float


def best(prediction: Prediction) -> LabelScore:
    """The best label alone."""
    return LabelScore(prediction.label, prediction.score)


def ranked(prediction: Prediction, top_k: int | None = None) -> list[LabelScore]:
    """All labels, or the best `top_k` of them; the model's order decides between equals."""
    order = sorted(prediction.scores.items(), key=lambda item: item[1], reverse=True)
    return [LabelScore(label, score) for label, score in order[:top_k]]
