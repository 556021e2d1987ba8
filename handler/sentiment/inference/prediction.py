"""What the model says of one text."""

from dataclasses import dataclass

from sentiment.errors import RequestError


@dataclass(frozen=True)
class Prediction:
    """`scores` holds every label's score, in the model's order; `label` is the best one.

    `tokens` counts what was scored, special tokens included; `truncated` says that the text had
    more of them than the model takes.
    """

    label: str
    score: float
    scores: dict[str, float]
    tokens: int
    truncated: bool


Results = list[Prediction | RequestError]
