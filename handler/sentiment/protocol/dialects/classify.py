"""The classification API of vLLM and SGLang, and that of Infinity on the same path.

{"input": ["A lovely film."]}
-> {"id": "classify-...", "object": "list", "created": 1790000000, "model": "sentiment",
    "data": [{"index": 0, "label": "POSITIVE", "probs": [0.0, 0.01, 0.99], "num_classes": 3}],
    "usage": {"prompt_tokens": 6, "total_tokens": 6, "completion_tokens": 0}}

Infinity's clients send "raw_scores", and get {"data": [[{"label": ..., "score": ...}]], ...}.
"""

import time
import uuid
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from sentiment.errors import all_good
from sentiment.inference.options import Options
from sentiment.inference.prediction import Results
from sentiment.protocol.body import Body, json_fields
from sentiment.protocol.dialects.openai_error import fail
from sentiment.protocol.dialects.operation import BASE, Label, Operation, TextField, TextsField
from sentiment.protocol.dialects.ranking import LabelScore, ranked, rounded
from sentiment.protocol.request import Request, check_all
from sentiment.served_model import ServedModel
from sentiment.validation import validate


class ClassifyBody(Struct, forbid_unknown_fields=True):
    """One text or many; `use_activation` false, or `raw_scores` true, answers with logits.

    `activation` is its older name. The other fields are ignored.
    """

    input: TextField | TextsField
    use_activation: bool | None = None
    activation: bool | None = None
    raw_scores: bool | UnsetType = UNSET
    model: str | None = None
    user: str | None = None
    request_id: str | None = None
    priority: int | None = None
    truncate_prompt_tokens: Literal[-1] | None = None


class Classification(Struct):
    """The best label of the text at `index`; `probs` are in the model's order of labels."""

    index: int
    label: Label
    probs: list[float]
    num_classes: int


class Usage(Struct):
    """Tokens that were scored."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int = 0


class ClassifyAnswer(Struct, kw_only=True):
    """One entry per text, in order; `created` is in Unix seconds."""

    id: str
    object: Literal["list"] = "list"
    created: int
    model: str
    data: list[Classification]
    usage: Usage


class InfinityAnswer(ClassifyAnswer, kw_only=True):
    """All labels of each text, best first."""

    object: Literal["classify"] = "classify"  # type: ignore[assignment]
    data: list[list[LabelScore]]  # type: ignore[assignment]


OPERATION = Operation(
    name="classify",
    path=f"{BASE}/classify",
    summary="vLLM, SGLang and Infinity",
    bodies=(ClassifyBody,),
    answers=(ClassifyAnswer, InfinityAnswer),
    example={"input": ["I like you.", "I hate this."]},
    aliases=(f"{BASE}/v1/classify",),
    fail=fail,
)


def decode(body: Body, model: ServedModel) -> Request:
    """Read the texts; raises RequestError, also for the first bad text."""
    payload = validate(json_fields(body), ClassifyBody, '{"input": "..."}')
    logits = payload.raw_scores is True or False in (payload.use_activation, payload.activation)
    texts = check_all(payload.input, model.settings)
    return Request(texts, Options("none" if logits else None), payload)


def encode(
    request: Request, results: Results, model: ServedModel
) -> ClassifyAnswer | InfinityAnswer:
    """One entry per text; raises the first text's error."""
    predictions = all_good(results, indexed=isinstance(request.payload.input, list))
    tokens = sum(prediction.tokens for prediction in predictions)
    id_, created = f"classify-{uuid.uuid4().hex}", int(time.time())
    usage = Usage(tokens, tokens)
    if request.payload.raw_scores is not UNSET:
        rankings = [ranked(prediction) for prediction in predictions]
        return InfinityAnswer(id=id_, created=created, model=model.name, data=rankings, usage=usage)
    entries = [
        Classification(index, p.label, list(map(rounded, p.scores.values())), len(p.scores))
        for index, p in enumerate(predictions)
    ]
    return ClassifyAnswer(id=id_, created=created, model=model.name, data=entries, usage=usage)
