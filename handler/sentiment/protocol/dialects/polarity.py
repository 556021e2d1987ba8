"""Negative, neutral and positive: what the sentiment APIs of hosted services answer."""

from typing import NamedTuple

from sentiment.errors import UnsupportedLanguage, Validation
from sentiment.inference.options import Options
from sentiment.inference.prediction import Prediction
from sentiment.protocol.dialects.ranking import rounded
from sentiment.served_model import ServedModel


class Polarity(NamedTuple):
    """The three scores, which add up to 1; `neutral` is 0 for a model without this label."""

    negative: float
    neutral: float
    positive: float

    @classmethod
    def of(cls, prediction: Prediction, share: float = 1.0) -> "Polarity":
        """The scores of a prediction with `polarity_options`, times `share`."""
        scores = {label.lower(): score for label, score in prediction.scores.items()}
        return cls(*(rounded(share * scores.get(name, 0.0)) for name in cls._fields))


def polarity_options(model: ServedModel) -> Options:
    """Options that choose among the three labels, and score each sentence as well.

    Raises Validation for a model without NEGATIVE and POSITIVE, whatever their case.
    """
    labels = tuple(label for label in model.labels if label.lower() in Polarity._fields)
    if not {"negative", "positive"} <= {label.lower() for label in labels}:
        raise Validation(
            "The model has no labels NEGATIVE and POSITIVE: send "
            f'{{"text": "..."}} to /predictions/{model.name}, which answers with any labels.'
        )
    return Options(labels=labels if len(labels) < len(model.labels) else None, sentences=True)


def check_language(code: str | None, model: ServedModel) -> None:
    """Raise UnsupportedLanguage unless the model reads the language; "en-US" counts as "en"."""
    languages = model.settings.languages
    if code and languages and code.lower().partition("-")[0] not in languages:
        raise UnsupportedLanguage(
            f"The model does not read this language: send texts in {' or '.join(languages)}."
        )
