"""The native dialect, one text.

"A lovely film."                      as text/plain, or without a content type
{"text": "A lovely film."}            as JSON, with the options of `Reading`
text=A+lovely+film.                   as a form, urlencoded or multipart; or data=...
-> {"sentiment": "POSITIVE", "score": 0.998, "scores": {...}, "tokens": 6, "windows": 1,
    "truncated": false}
"""

from msgspec import UNSET, Struct, UnsetType

from sentiment.errors import all_good
from sentiment.inference.mixed import is_mixed
from sentiment.inference.prediction import Prediction, Results
from sentiment.protocol.body import EXAMPLE, Body, Form, Json, Text, json_fields
from sentiment.protocol.dialects.operation import DecidedLabel, Operation, TextField
from sentiment.protocol.dialects.ranking import rounded
from sentiment.protocol.reading import UNCERTAIN, Reading
from sentiment.protocol.request import Request, check_text
from sentiment.served_model import ServedModel
from sentiment.validation import validate


class TextBody(Reading, forbid_unknown_fields=True, kw_only=True):
    """One text, and how it is read."""

    text: TextField


class TextForm(Struct, forbid_unknown_fields=True):
    """One text, as a form."""

    text: TextField


class DataForm(Struct, forbid_unknown_fields=True):
    """One text, as a form whose field is called "data"."""

    data: TextField


class SentenceAnswer(Struct):
    """The best label of the characters from `start` to `end` (exclusive), with its score."""

    start: int
    end: int
    sentiment: DecidedLabel
    score: float


class WordAnswer(Struct):
    """How much less the label scores without the characters from `start` to `end` (exclusive)."""

    start: int
    end: int
    weight: float


class TextAnswer(Struct):
    """The best label with its score, all scores, and how much of the text was scored.

    `truncated` means that the text goes on after the last of its overlapping `windows`. `mixed`
    means that some sentences are clearly positive and others clearly negative.
    """

    sentiment: DecidedLabel
    score: float
    scores: dict[str, float]
    tokens: int
    windows: int
    truncated: bool
    mixed: bool | UnsetType = UNSET
    sentences: list[SentenceAnswer] | UnsetType = UNSET
    words: list[WordAnswer] | UnsetType = UNSET


OPERATION = Operation(
    name="predict",
    path="/predictions/{name}",
    summary="One text",
    bodies=(TextBody,),
    answers=(TextAnswer,),
    example={"text": "A gripping, beautifully shot film."},
    others={
        "text/plain": (TextField,),
        "application/x-www-form-urlencoded": (TextForm, DataForm),
        "multipart/form-data": (TextForm, DataForm),
    },
)


def recognise(body: Body) -> bool:
    """A text, a form, or JSON with the key "text"."""
    return not isinstance(body, Json) or "text" in json_fields(body)


def decode(body: Body, model: ServedModel) -> Request:
    """Read the text of the request; raises RequestError."""
    reading = Reading()
    match body:
        case Text(text):
            pass
        case Form(fields) if "data" in fields:
            text = validate(fields, DataForm, 'one field, "text" or "data"').data
        case Form(fields):
            text = validate(fields, TextForm, 'one field, "text" or "data"').text
        case Json(value):
            reading = validate(value, TextBody, EXAMPLE)
            text = reading.text
    return reading.request([check_text(text, model.settings)], model)


def encode(request: Request, results: Results, model: ServedModel) -> TextAnswer:
    """The answer; raises the text's error, if any."""
    (prediction,) = all_good(results, indexed=False)
    return answer_of(prediction, request.payload.least(model))


def answer_of(prediction: Prediction, least: float) -> TextAnswer:
    """The answer for one text; a label whose score is below `least` is UNCERTAIN."""
    answer = TextAnswer(
        sentiment=_decided(prediction, least),
        score=rounded(prediction.score),
        scores={label: rounded(score) for label, score in prediction.scores.items()},
        tokens=prediction.tokens,
        windows=prediction.windows,
        truncated=prediction.truncated,
    )
    if prediction.sentences is not None:
        answer.mixed = is_mixed(prediction.sentences)
        answer.sentences = [
            SentenceAnswer(
                sentence.start,
                sentence.end,
                _decided(sentence.prediction, least),
                rounded(sentence.prediction.score),
            )
            for sentence in prediction.sentences
        ]
    if prediction.words is not None:
        answer.words = [
            WordAnswer(word.start, word.end, rounded(word.weight)) for word in prediction.words
        ]
    return answer


def _decided(prediction: Prediction, least: float) -> str:
    return prediction.label if prediction.score >= least else UNCERTAIN
