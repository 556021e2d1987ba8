"""The Hugging Face inference API's dialect, which `huggingface_hub` and its JavaScript twin speak.

{"inputs": "A lovely film.", "parameters": {"top_k": 1, "function_to_apply": "softmax"}}
-> [[{"label": "POSITIVE", "score": 0.998}]]

Always a list of lists, since those clients take the first element of whatever comes.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sentiment.errors import all_good
from sentiment.inference.prediction import Results
from sentiment.protocol.body import Body, json_fields
from sentiment.protocol.dialects.operation import Operation, TextField, TextsField
from sentiment.protocol.dialects.ranking import LabelScore, ranked
from sentiment.protocol.request import Request, check_all
from sentiment.protocol.validation import validate
from sentiment.served_model import ServedModel

_EXAMPLE = '{"inputs": "...", "parameters": {"top_k": 1, "function_to_apply": "softmax"}}'


class Parameters(Struct, forbid_unknown_fields=True):
    """How many labels, best first (all, if none is said), and what makes scores of logits."""

    top_k: Annotated[int, Meta(ge=1)] | None = None
    function_to_apply: Literal["softmax", "sigmoid", "none"] | None = None


class HuggingFaceBody(Struct, forbid_unknown_fields=True):
    """One text or many, never a pair of sentences."""

    inputs: TextField | TextsField
    parameters: Parameters | None = None


OPERATION = Operation(
    name="hugging_face",
    path="/predictions/{name}",
    summary="Hugging Face inference API",
    body=HuggingFaceBody,
    answers=(list[list[LabelScore]],),
    example={"inputs": "I like you. I love you.", "parameters": {"top_k": 1}},
)


def recognise(body: Body) -> bool:
    """JSON with the key "inputs"."""
    return "inputs" in json_fields(body)


def decode(body: Body, service: ServedModel) -> Request:
    """Find its texts; raises RequestError, for the first bad text too."""
    asked = validate(json_fields(body), HuggingFaceBody, _EXAMPLE)
    asked.parameters = asked.parameters or Parameters()
    texts = check_all(asked.inputs, service.settings)
    return Request(texts, asked.parameters.function_to_apply, asked)


def encode(request: Request, results: Results, service: ServedModel) -> list[list[LabelScore]]:
    """One list of labels a text; raises the first text's error."""
    asked = request.asked
    predictions = all_good(results, indexed=isinstance(asked.inputs, list))
    return [ranked(prediction, asked.parameters.top_k) for prediction in predictions]
