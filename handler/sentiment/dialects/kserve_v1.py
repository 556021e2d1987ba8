"""KServe's first protocol, which TensorFlow Serving began.

{"instances": ["A lovely film.", {"text": "Awful."}]}
-> {"predictions": [{"label": "POSITIVE", "score": 0.998}, {"label": "NEGATIVE", "score": 0.997}]}

An instance may also be {"data": "..."}, as in TorchServe's own examples.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from sentiment.body import Body, json_fields
from sentiment.dialects.operation import SOME, Operation, TextField
from sentiment.dialects.ranking import LabelScore, best
from sentiment.errors import Validation, all_good
from sentiment.fields import read
from sentiment.prediction import Results
from sentiment.request import Request, check_all
from sentiment.service import Service

_EXAMPLE = '{"instances": ["..."]}'


class Instance(Struct, forbid_unknown_fields=True):
    """A text by name: exactly one of the two."""

    text: TextField | UnsetType = UNSET
    data: TextField | UnsetType = UNSET


_OneOf = Annotated[Instance, Meta(extra_json_schema={"minProperties": 1, "maxProperties": 1})]


class InstancesBody(Struct, forbid_unknown_fields=True):
    """Texts, each by itself or by name."""

    instances: Annotated[list[TextField | _OneOf], Meta(extra_json_schema=SOME)]


class PredictionsAnswer(Struct):
    """The best label of each instance, in order."""

    predictions: list[LabelScore]


OPERATION = Operation(
    name="kserve_v1",
    path="/v1/models/{name}:predict",
    summary="KServe v1",
    body=InstancesBody,
    answers=(PredictionsAnswer,),
    example={"instances": ["I like you.", {"text": "I hate this."}]},
)


def recognise(body: Body) -> bool:
    """JSON with the key "instances"."""
    return "instances" in json_fields(body)


def decode(body: Body, service: Service) -> Request:
    """Find its texts; raises RequestError, for the first bad text too."""
    asked = read(json_fields(body), InstancesBody, _EXAMPLE)
    texts = [_text(index, instance) for index, instance in enumerate(asked.instances)]
    return Request(check_all(texts, service.settings))


def encode(request: Request, results: Results, service: Service) -> PredictionsAnswer:
    """The best label of each; raises the first text's error."""
    return PredictionsAnswer([best(prediction) for prediction in all_good(results, indexed=True)])


def _text(index: int, instance: str | Instance) -> str:
    if isinstance(instance, str):
        return instance
    match instance.text, instance.data:
        case (str(text), UnsetType()) | (UnsetType(), str(text)):
            return text
    raise Validation(f'At index {index}: Send one of "text" and "data", as in {_EXAMPLE}.')
