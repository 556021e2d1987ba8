"""KServe's first protocol, which is TensorFlow Serving's.

{"instances": ["A lovely film.", {"text": "Awful."}]}
-> {"predictions": [{"label": "POSITIVE", "score": 0.998}, {"label": "NEGATIVE", "score": 0.997}]}

An instance may also be {"data": "..."}, as in TorchServe's own examples. "signature_name", which
TensorFlow's clients send, is ignored.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from sentiment.errors import Validation, all_good
from sentiment.inference.prediction import Results
from sentiment.protocol.body import Body, Json, json_fields
from sentiment.protocol.dialects.operation import A_TEXT, SOME, Operation
from sentiment.protocol.dialects.ranking import LabelScore, best
from sentiment.protocol.request import Request, check_all
from sentiment.served_model import ServedModel
from sentiment.validation import validate

_EXAMPLE = '{"instances": ["...", {"text": "..."}]}'


_TEXT = {"type": "string"} | A_TEXT
_NAMED = {
    "type": "object",
    "properties": {"text": _TEXT, "data": _TEXT},
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}


class InstancesBody(Struct, forbid_unknown_fields=True):
    """Texts, each as a string or as an object with one field."""

    instances: Annotated[
        list[Any], Meta(extra_json_schema=SOME | {"items": {"anyOf": [_TEXT, _NAMED]}})
    ]
    signature_name: str | None = None


class PredictionsAnswer(Struct):
    """The best label of each instance, in order."""

    predictions: list[LabelScore]


OPERATION = Operation(
    name="kserve_v1",
    path="/v1/models/{name}:predict",
    summary="KServe v1",
    bodies=(InstancesBody,),
    answers=(PredictionsAnswer,),
    example={"instances": ["I like you.", {"text": "I hate this."}]},
)


def recognise(body: Body) -> bool:
    """JSON with the key "instances"."""
    return "instances" in json_fields(body)


def decode(body: Body, model: ServedModel) -> Request:
    """Read the texts; raises RequestError, also for the first bad text."""
    if isinstance(body, Json) and body.binary:
        raise Validation(f"Binary data belongs to version 2 of the protocol: send {_EXAMPLE}.")
    payload = validate(json_fields(body), InstancesBody, _EXAMPLE)
    texts = [_text(index, instance) for index, instance in enumerate(payload.instances)]
    return Request(check_all(texts, model.settings))


def encode(request: Request, results: Results, model: ServedModel) -> PredictionsAnswer:
    """The best label of each text; raises the first text's error."""
    return PredictionsAnswer([best(prediction) for prediction in all_good(results, indexed=True)])


def _text(index: int, instance: object) -> object:
    """The text of an instance, unchecked."""
    if not isinstance(instance, dict):
        return instance
    if len(instance) == 1 and instance.keys() <= {"text", "data"}:
        return next(iter(instance.values()))
    raise Validation(f'At index {index}: Send one of "text" and "data", as in {_EXAMPLE}.')
