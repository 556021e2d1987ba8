"""The native dialect, many texts: each has its own answer or error.

{"texts": ["A lovely film.", ""]}
-> {"results": [{"sentiment": "POSITIVE", ...}, {"error": "...", "error_type": "Validation"}]}
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from sentiment.errors import RequestError
from sentiment.inference.prediction import Results
from sentiment.protocol.body import Body, json_fields
from sentiment.protocol.dialects.native import answer_of
from sentiment.protocol.dialects.operation import Operation, TextsField
from sentiment.protocol.reading import Reading
from sentiment.protocol.request import Request, check_texts
from sentiment.served_model import ServedModel
from sentiment.validation import validate

_RESULTS = {
    "items": {
        "anyOf": [
            {"$ref": "#/components/schemas/TextAnswer"},
            {"$ref": "#/components/schemas/ErrorAnswer"},
        ]
    }
}


class TextsBody(Reading, forbid_unknown_fields=True, kw_only=True):
    """Many texts, and how they are read."""

    texts: TextsField


class TextsAnswer(Struct):
    """An answer or an error per text, in order."""

    results: Annotated[list[Any], Meta(extra_json_schema=_RESULTS)]


OPERATION = Operation(
    name="predict_many",
    path="/predictions/{name}",
    summary="Many texts, each with its own answer or error",
    bodies=(TextsBody,),
    answers=(TextsAnswer,),
    example={"texts": ["Funny, warm and wise.", "A terrible, boring mess."]},
)


def recognise(body: Body) -> bool:
    """JSON with the key "texts"."""
    return "texts" in json_fields(body)


def decode(body: Body, model: ServedModel) -> Request:
    """Check every text; raises RequestError only for the list itself."""
    reading: TextsBody = validate(json_fields(body), TextsBody, '{"texts": ["...", "..."]}')
    return reading.request(check_texts(reading.texts, model.settings), model)


def encode(request: Request, results: Results, model: ServedModel) -> TextsAnswer:
    """One entry per text, in order."""
    least = request.payload.least(model)
    return TextsAnswer(
        [
            result.answer() if isinstance(result, RequestError) else answer_of(result, least)
            for result in results
        ]
    )
