"""The native dialect, one text.

"A lovely film."                      as text/plain, or without a content type
{"text": "A lovely film."}            as JSON
text=A+lovely+film.                   as a form, urlencoded or multipart; or data=...
-> {"sentiment": "POSITIVE", "score": 0.998, "scores": {...}, "tokens": 6, "truncated": false}
"""

from msgspec import Struct

from sentiment.errors import all_good
from sentiment.inference.prediction import Prediction, Results
from sentiment.protocol.body import EXAMPLE, Body, Form, Json, Text, json_fields
from sentiment.protocol.dialects.operation import Label, Operation, TextField
from sentiment.protocol.dialects.ranking import rounded
from sentiment.protocol.request import Request, check_text
from sentiment.served_model import ServedModel
from sentiment.validation import validate


class TextBody(Struct, forbid_unknown_fields=True):
    """One text, as JSON or as a form."""

    text: TextField


class DataForm(Struct, forbid_unknown_fields=True):
    """One text, as a form whose field is called "data"."""

    data: TextField


class TextAnswer(Struct):
    """The best label with its score, all scores, and how much of the text was scored."""

    sentiment: Label
    score: float
    scores: dict[str, float]
    tokens: int
    truncated: bool


OPERATION = Operation(
    name="predict",
    path="/predictions/{name}",
    summary="One text",
    body=TextBody,
    answers=(TextAnswer,),
    example={"text": "A gripping, beautifully shot film."},
    others={
        "text/plain": (TextField,),
        "application/x-www-form-urlencoded": (TextBody, DataForm),
        "multipart/form-data": (TextBody, DataForm),
    },
)


def recognise(body: Body) -> bool:
    """A text, a form, or JSON with the key "text"."""
    return not isinstance(body, Json) or "text" in json_fields(body)


def decode(body: Body, model: ServedModel) -> Request:
    """Read the text of the request; raises RequestError."""
    match body:
        case Text(text):
            pass
        case Form(fields) if "data" in fields:
            text = validate(fields, DataForm, 'one field, "text" or "data"').data
        case Form(fields):
            text = validate(fields, TextBody, 'one field, "text" or "data"').text
        case Json(value):
            text = validate(value, TextBody, EXAMPLE).text
    return Request([check_text(text, model.settings)])


def encode(request: Request, results: Results, model: ServedModel) -> TextAnswer:
    """The answer; raises the text's error, if any."""
    (prediction,) = all_good(results, indexed=False)
    return answer_of(prediction)


def answer_of(prediction: Prediction) -> TextAnswer:
    """The answer for one text."""
    return TextAnswer(
        sentiment=prediction.label,
        score=rounded(prediction.score),
        scores={label: rounded(score) for label, score in prediction.scores.items()},
        tokens=prediction.tokens,
        truncated=prediction.truncated,
    )
