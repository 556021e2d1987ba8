"""What the model gives for one text: a prediction, or why there is none."""

from dataclasses import dataclass

from sentiment.errors import RequestError


@dataclass(frozen=True)
class Prediction:
    """`scores` holds every label's score, unrounded, in the model's order; `label` is the best one.

    `tokens` counts what was scored, special tokens included; `truncated` means that the text has
    more of them than were scored.
    """

    label: str
    score: float
    scores: dict[str, float]
    tokens: int
    truncated: bool


@dataclass(frozen=True)
class EngineFailure:
    """The engine fails on this text alone: it raises `error`, or its logits are not finite."""

    error: Exception | None = None


# Of one request, a result per text in the client's order.
Results = list[Prediction | RequestError]
