"""The model's result for one text: a prediction, or a failure."""

from dataclasses import dataclass

from sentiment.errors import RequestError


@dataclass(frozen=True)
class Prediction:
    """`label` is the best label, and `score` its score.

    `scores` holds every label's score, unrounded, in the model's order. `tokens` is the number of
    scored tokens, special tokens included; `truncated` means that the text has more.
    """

    label: str
    score: float
    scores: dict[str, float]
    tokens: int
    truncated: bool


@dataclass(frozen=True)
class EngineFailure:
    """The engine fails even on this text alone: it raises `error`, or its logits are not finite."""

    error: Exception | None = None


# The results of one request, one per text, in the client's order.
Results = list[Prediction | RequestError]
