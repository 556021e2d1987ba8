"""The dialect of Text Embeddings Inference, for clients with the base URL http://.../{model}.

{"inputs": "A lovely film.", "raw_scores": false, "truncate": null}
-> [{"score": 0.998, "label": "POSITIVE"}, ...]        a list of these for a list

["a", "b"] and [["a"], ["b"]] are two texts; a pair of sentences, which TEI would make of the
former, is not spoken here. Texts are always truncated, whatever "truncate" says, and where the
checkpoint's tokenizer says, which is on the right as a rule.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from sentiment.errors import Unsupported, Validation, all_good
from sentiment.inference.prediction import Results
from sentiment.protocol.body import Body, Json, json_fields
from sentiment.protocol.dialects.operation import A_TEXT, SOME, Operation, TextField
from sentiment.protocol.dialects.ranking import LabelScore, ranked
from sentiment.protocol.request import Request, check_all
from sentiment.protocol.validation import validate
from sentiment.served_model import ServedModel

_EXAMPLE = '{"inputs": "..."}'
_TEXT = {"type": "string"} | A_TEXT
_ITEMS = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 1}]}
_OPTIONS = ("raw_scores", "truncate", "truncation_direction")


class TeiBody(Struct, forbid_unknown_fields=True):
    """One text or many, each perhaps in a list of its own; `raw_scores` asks for logits."""

    inputs: TextField | Annotated[list[Any], Meta(extra_json_schema=SOME | {"items": _ITEMS})]
    raw_scores: bool = False
    truncate: bool | None = None
    truncation_direction: Literal["Right", "right"] | None = None


OPERATION = Operation(
    name="tei",
    path="/{name}/predict",
    summary="Text Embeddings Inference",
    body=TeiBody,
    answers=(list[LabelScore], list[list[LabelScore]]),
    example={"inputs": "I like you.", "raw_scores": False},
)


def recognise(body: Body) -> bool:
    """JSON with an option of this dialect alone, or with texts in lists of their own."""
    fields = json_fields(body)
    inputs = fields.get("inputs")
    nested = isinstance(inputs, list) and any(isinstance(entry, list) for entry in inputs)
    return nested or not fields.keys().isdisjoint(_OPTIONS)


def decode(body: Body, service: ServedModel) -> Request:
    """Find its texts; raises RequestError, for the first bad text too."""
    if not isinstance(body, Json):
        raise Unsupported(f"Send JSON such as {_EXAMPLE}, and Content-Type: application/json.")
    asked = validate(body.value, TeiBody, _EXAMPLE)
    inputs = asked.inputs
    if isinstance(inputs, list):
        inputs = [_alone(index, entry) for index, entry in enumerate(inputs)]
    texts = check_all(inputs, service.settings)
    return Request(texts, "none" if asked.raw_scores else None, asked)


def encode(
    request: Request, results: Results, service: ServedModel
) -> list[LabelScore] | list[list[LabelScore]]:
    """All labels, best first, of the one text or of each; raises the first text's error."""
    listed = isinstance(request.asked.inputs, list)
    rankings = [ranked(prediction) for prediction in all_good(results, indexed=listed)]
    return rankings if listed else rankings[0]


def _alone(index: int, entry: object) -> object:
    if not isinstance(entry, list):
        return entry
    if len(entry) != 1:
        raise Validation(
            f"At index {index}: There are {len(entry)} texts in one list, and pairs are not "
            f"scored: send {_EXAMPLE}."
        )
    return entry[0]
