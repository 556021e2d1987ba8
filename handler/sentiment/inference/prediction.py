"""The model's result for one text: a prediction, or a failure."""

from dataclasses import dataclass

from sentiment.errors import RequestError


@dataclass(frozen=True)
class Prediction:
    """`label` is the best label, and `score` its score.

    `scores` holds the score of each label to choose from, unrounded, in the model's order.
    `tokens` is the number of scored tokens, special tokens included, in `windows` windows that
    overlap; `truncated` means that the text goes on after them. `sentences` and `words` are None
    unless they were requested.
    """

    label: str
    score: float
    scores: dict[str, float]
    tokens: int
    windows: int = 1
    truncated: bool = False
    sentences: "tuple[Sentence, ...] | None" = None
    words: "tuple[Word, ...] | None" = None


@dataclass(frozen=True)
class Sentence:
    """The prediction for the characters from `start` to `end` (exclusive) of the text."""

    start: int
    end: int
    prediction: Prediction


@dataclass(frozen=True)
class Word:
    """`weight` is how much less the text's best label scores without these characters."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class EngineFailure:
    """The engine fails even on this text alone: it raises `error`, or its logits are not finite."""

    error: Exception | None = None


# The results of one request, one per text, in the client's order.
Results = list[Prediction | RequestError]
