"""The dialect of Text Embeddings Inference, for clients with the base URL http://.../{model}.

{"inputs": "A lovely film.", "raw_scores": false, "truncate": null}
-> [{"score": 0.998, "label": "POSITIVE"}, ...]        a list of such lists for a list of texts

["a", "b"] and [["a"], ["b"]] are two texts; pairs of sentences are not supported. "truncate" is
ignored: a long text is read in windows.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from sentiment.errors import Unsupported, Validation, all_good
from sentiment.inference.options import Options
from sentiment.inference.prediction import Results
from sentiment.protocol.body import Body, Json, json_fields
from sentiment.protocol.dialects.operation import A_TEXT, BASE, SOME, Operation, TextField
from sentiment.protocol.dialects.ranking import LabelScore, ranked
from sentiment.protocol.request import Request, check_all
from sentiment.served_model import ServedModel
from sentiment.validation import validate

_EXAMPLE = '{"inputs": "..."}'
_TEXT = {"type": "string"} | A_TEXT
_ITEMS = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 1}]}
_OPTIONS = ("raw_scores", "truncate", "truncation_direction")


class TeiBody(Struct, forbid_unknown_fields=True):
    """One text or many, each possibly in a list of its own; `raw_scores` returns logits."""

    inputs: TextField | Annotated[list[Any], Meta(extra_json_schema=SOME | {"items": _ITEMS})]
    raw_scores: bool = False
    truncate: bool | None = None
    truncation_direction: Literal["Right", "right"] | None = None


OPERATION = Operation(
    name="tei",
    path="/{name}/predict",
    summary="Text Embeddings Inference",
    bodies=(TeiBody,),
    answers=(list[LabelScore], list[list[LabelScore]]),
    example={"inputs": "I like you.", "raw_scores": False},
    aliases=(f"{BASE}/predict",),
)


def recognise(body: Body) -> bool:
    """JSON with an option that no other dialect has, or with each text in a list."""
    fields = json_fields(body)
    inputs = fields.get("inputs")
    nested = isinstance(inputs, list) and any(isinstance(entry, list) for entry in inputs)
    return nested or not fields.keys().isdisjoint(_OPTIONS)


def decode(body: Body, model: ServedModel) -> Request:
    """Read the texts; raises RequestError, also for the first bad text."""
    if not isinstance(body, Json):
        raise Unsupported(f"Send JSON such as {_EXAMPLE}, and Content-Type: application/json.")
    payload = validate(body.value, TeiBody, _EXAMPLE)
    inputs = payload.inputs
    if isinstance(inputs, list):
        inputs = [_unwrapped(index, entry) for index, entry in enumerate(inputs)]
    texts = check_all(inputs, model.settings)
    return Request(texts, Options("none" if payload.raw_scores else None), payload)


def encode(
    request: Request, results: Results, model: ServedModel
) -> list[LabelScore] | list[list[LabelScore]]:
    """All labels, best first; one such list per text of a list. Raises the first text's error."""
    is_list = isinstance(request.payload.inputs, list)
    rankings = [ranked(prediction) for prediction in all_good(results, indexed=is_list)]
    return rankings if is_list else rankings[0]


def _unwrapped(index: int, entry: object) -> object:
    if not isinstance(entry, list):
        return entry
    if len(entry) != 1:
        raise Validation(
            f"At index {index}: There are {len(entry)} texts in one list, and pairs are not "
            f"scored: send {_EXAMPLE}."
        )
    return entry[0]
