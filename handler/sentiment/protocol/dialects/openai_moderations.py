"""OpenAI's moderations, for `openai`, `litellm` and other clients with a base URL.

{"input": "A terrible, boring mess."}
-> {"id": "modr-...", "model": "sentiment", "results": [
       {"flagged": true, "categories": {"NEGATIVE": true, ...}, "category_scores": {...}}]}

A category is a label.
"""

import uuid

from msgspec import Struct

from sentiment.errors import all_good
from sentiment.inference.prediction import Prediction, Results
from sentiment.protocol.body import Body, json_fields
from sentiment.protocol.dialects.openai_error import fail
from sentiment.protocol.dialects.operation import BASE, Operation, TextField, TextsField
from sentiment.protocol.dialects.ranking import rounded
from sentiment.protocol.request import Request, check_all
from sentiment.served_model import ServedModel
from sentiment.validation import validate

# The score from which a category applies, if `threshold` is not higher.
_LEAST = 0.5
# Categories that are no reason to flag a text.
_HARMLESS = {"positive", "neutral"}


class ModerationsBody(Struct, forbid_unknown_fields=True):
    """One text or many. `model` is ignored: the address names it."""

    input: TextField | TextsField
    model: str | None = None


class Moderation(Struct):
    """`categories` are the labels that apply; `flagged`, whether one is not positive or neutral."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]


class ModerationsAnswer(Struct):
    """One result per text, in order."""

    id: str
    model: str
    results: list[Moderation]


OPERATION = Operation(
    name="openai_moderations",
    path=f"{BASE}/moderations",
    summary="OpenAI moderations",
    bodies=(ModerationsBody,),
    answers=(ModerationsAnswer,),
    example={"input": ["I like you.", "I hate this."]},
    aliases=(f"{BASE}/v1/moderations",),
    fail=fail,
)


def decode(body: Body, model: ServedModel) -> Request:
    """Read the texts; raises RequestError, also for the first bad text."""
    payload = validate(json_fields(body), ModerationsBody, '{"input": "..."}')
    return Request(check_all(payload.input, model.settings), payload=payload)


def encode(request: Request, results: Results, model: ServedModel) -> ModerationsAnswer:
    """One result per text; raises the first text's error."""
    predictions = all_good(results, indexed=isinstance(request.payload.input, list))
    least = max(_LEAST, model.settings.threshold)
    moderations = [_moderation(prediction, least) for prediction in predictions]
    return ModerationsAnswer(f"modr-{uuid.uuid4().hex}", model.name, moderations)


def _moderation(prediction: Prediction, least: float) -> Moderation:
    categories = {label: score >= least for label, score in prediction.scores.items()}
    return Moderation(
        any(applies and label.lower() not in _HARMLESS for label, applies in categories.items()),
        categories,
        {label: rounded(score) for label, score in prediction.scores.items()},
    )
