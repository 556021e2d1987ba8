"""The model's result for one text: a prediction, or a failure."""

from msgspec import Struct

from sentiment.errors import RequestError


class Prediction(Struct, frozen=True):
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


class Sentence(Struct, frozen=True):
    """The prediction for the characters from `start` to `end` (exclusive) of the text."""

    start: int
    end: int
    prediction: Prediction


class Word(Struct, frozen=True):
    """`weight` is how much less the text's best label scores without these characters."""

    start: int
    end: int
    weight: float


class EngineFailure(Struct, frozen=True):
    """The engine fails even on this text alone: it raises `error`, or its logits are not finite."""

    error: Exception | None = None


# The results of one request, one per text, in the client's order.
Results = list[Prediction | RequestError]
