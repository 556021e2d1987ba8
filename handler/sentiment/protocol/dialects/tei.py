"""The dialect of Text Embeddings Inference, for clients with the base URL http://.../{model}.

{"inputs": "A lovely film.", "raw_scores": false, "truncate": null}
-> [{"score": 0.998, "label": "POSITIVE"}, ...]        a list of such lists for a list of texts

["a", "b"] and [["a"], ["b"]] are two texts, and [["a", "b"]] is a pair, for a model that takes
pairs. "truncate" is ignored: a long text is read in windows, and a long pair is truncated.
"""

from functools import partial
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from sentiment.errors import Unsupported, Validation, all_good
from sentiment.inference.options import Options
from sentiment.inference.prediction import Results
from sentiment.inference.tokens import Text
from sentiment.protocol.body import Body, Json, json_fields
from sentiment.protocol.dialects.operation import (
    A_TEXT,
    BASE,
    PAIRS_ONLY,
    SOME,
    Operation,
    TextField,
)
from sentiment.protocol.dialects.ranking import LabelScore, ranked
from sentiment.protocol.request import Request, check_all, check_pair, check_text
from sentiment.served_model import ServedModel
from sentiment.settings import Settings
from sentiment.validation import validate

_EXAMPLE = '{"inputs": "..."}'
_TEXT = {"type": "string"} | A_TEXT
_LIST = {"type": "array", "items": _TEXT}
_ITEMS = {
    "anyOf": [
        _TEXT,
        _LIST | {"minItems": 1, "maxItems": 1},
        _LIST | {"minItems": 2, "maxItems": 2, PAIRS_ONLY: True},
    ]
}
_OPTIONS = ("raw_scores", "truncate", "truncation_direction")


class TeiBody(Struct, forbid_unknown_fields=True):
    """Texts, each possibly in a list of its own, or pairs in lists; `raw_scores` returns logits."""

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
    texts = check_all(payload.inputs, model.settings, partial(_check_input, model=model))
    return Request(texts, Options("none" if payload.raw_scores else None), payload)


def encode(
    request: Request, results: Results, model: ServedModel
) -> list[LabelScore] | list[list[LabelScore]]:
    """All labels, best first; one such list per text of a list. Raises the first text's error."""
    is_list = isinstance(request.payload.inputs, list)
    rankings = [ranked(prediction) for prediction in all_good(results, indexed=is_list)]
    return rankings if is_list else rankings[0]


def _check_input(value: object, settings: Settings, *, model: ServedModel) -> Text:
    """A text, possibly in a list of its own, or a pair in a list."""
    match value:
        case [text]:
            return check_text(text, settings)
        case [text, text_pair]:
            return check_pair(text, text_pair, model)
        case []:
            raise Validation(f"There is no text in a list: send {_EXAMPLE}.")
        case list():
            raise Validation(
                f"There are {len(value)} texts in one list, which is neither a text nor a pair: "
                f"send {_EXAMPLE}."
            )
    return check_text(value, settings)
