"""Our own dialect, one text.

"A lovely film."                      as text/plain, or with no content type
{"text": "A lovely film."}            as JSON
text=A+lovely+film.                   as a form, urlencoded or multipart; "data" for "text"
-> {"sentiment": "POSITIVE", "score": 0.998, "scores": {...}, "tokens": 6, "truncated": false}
"""

from sentiment.body import EXAMPLE, Body, Form, Json, Text, type_name
from sentiment.errors import RequestError, Validation
from sentiment.prediction import Prediction
from sentiment.request import Request, check_text, only_field
from sentiment.settings import Settings

_FORM_FIELDS = ("text", "data")


def recognise(body: Body) -> bool:
    """Whatever no other dialect claims is taken for ours, so that its error is ours too."""
    return True


def decode(body: Body, settings: Settings) -> Request:
    """Find the one text of the request; raises RequestError."""
    match body:
        case Text(text):
            value: object = text
        case Form(fields):
            value = only_field(fields, _FORM_FIELDS)
        case Json(dict() as fields):
            value = only_field(fields, ("text",))
        case Json(other):
            raise Validation(
                f"The JSON must be an object such as {EXAMPLE}, not {type_name(other)}."
            )
    return Request([check_text(value, settings)])


def encode(results: list[Prediction | RequestError]) -> object:
    """The answer as JSON; raises the text's error if it has one."""
    (result,) = results
    if isinstance(result, RequestError):
        raise result
    return as_json(result)


def as_json(prediction: Prediction) -> dict[str, object]:
    """One text's answer."""
    return {
        "sentiment": prediction.label,
        "score": prediction.score,
        "scores": prediction.scores,
        "tokens": prediction.tokens,
        "truncated": prediction.truncated,
    }
