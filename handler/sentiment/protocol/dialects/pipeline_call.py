"""Calls of `transformers`' text-classification pipeline, as Hugging Face clients send them.

A pair of texts is {"text": "...", "text_pair": "..."}, for a model that takes pairs.

Source: `TextClassificationPipeline.__call__`, whose other keyword arguments go to the tokenizer.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sentiment.errors import Validation
from sentiment.inference.activation import Activation
from sentiment.inference.options import Options
from sentiment.inference.pairs import Truncation
from sentiment.inference.tokens import Text
from sentiment.protocol.body import Body, json_fields
from sentiment.protocol.dialects.operation import PairField, TextField, TextsOrPairsField
from sentiment.protocol.request import Request, check_all, check_pair, check_text
from sentiment.served_model import ServedModel
from sentiment.settings import Settings
from sentiment.validation import validate

_EXAMPLE = '{"inputs": "...", "parameters": {"top_k": 1, "function_to_apply": "softmax"}}'
Padding = Literal["longest", "max_length", "do_not_pad"]


class PipelineParameters(Struct, forbid_unknown_fields=True):
    """`top_k` null means all labels; `max_length` truncates to fewer tokens than the model takes.

    `padding` and the fields after it are ignored, since they change no score. A long text without
    `max_length` is read in windows; `truncation` false only switches off `max_length`. A pair that
    is too long is always truncated, at its longer text unless `truncation` names the other.
    """

    top_k: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET
    function_to_apply: Activation | None = None
    return_all_scores: bool | None = None
    truncation: bool | Literal[Truncation, "do_not_truncate"] | None = None
    max_length: Annotated[int, Meta(extra_json_schema={"minimum": "min_tokens"})] | None = None
    padding: bool | Padding | None = None
    pad_to_multiple_of: int | None = None
    stride: int | None = None
    batch_size: int | None = None
    num_workers: int | None = None
    verbose: bool | None = None

    def max_tokens(self, model: ServedModel) -> int | None:
        """The limit of tokens per text; raises Validation if `max_length` is below `min_tokens`."""
        if self.max_length is None:
            return None
        if self.max_length < model.min_tokens:
            raise Validation(
                f'"max_length" must be at least {model.min_tokens}, since the model adds '
                f"{model.min_tokens - 1} tokens of its own: send a larger one, or leave it out."
            )
        return None if self.truncation in (False, "do_not_truncate") else self.max_length

    @property
    def truncation_of_pairs(self) -> Truncation:
        """Which text of a pair is cut; if none may be, the longer one is nevertheless."""
        match self.truncation:
            case "only_first" | "only_second" as strategy:
                return strategy
        return "longest_first"


class PipelineBody(Struct, forbid_unknown_fields=True):
    """The fields of a call; a dialect gives them the name of its own."""

    inputs: TextField | PairField | TextsOrPairsField
    parameters: PipelineParameters | None = None
    options: dict[str, Any] | None = None


def decode_call(body: Body, schema: type[PipelineBody], model: ServedModel) -> Request:
    """Read the texts of a call; raises RequestError, also for the first bad text.

    The payload of the request is a `schema` that always has `parameters`.
    """
    payload = validate(_lower_case_activation(json_fields(body)), schema, _EXAMPLE)
    payload.parameters = parameters = payload.parameters or PipelineParameters()
    texts = check_all(payload.inputs, model.settings, partial(_check_input, model=model))
    options = Options(
        parameters.function_to_apply,
        max_tokens=parameters.max_tokens(model),
        truncation=parameters.truncation_of_pairs,
    )
    return Request(texts, options, payload)


def _check_input(value: object, settings: Settings, *, model: ServedModel) -> Text:
    """A text, or a pair as an object with "text" and "text_pair"."""
    if not isinstance(value, dict):
        return check_text(value, settings)
    if model.takes_pairs and value.keys() != {"text", "text_pair"}:
        raise Validation('A pair has the fields "text" and "text_pair", and no others: send both.')
    return check_pair(value.get("text"), value.get("text_pair"), model)


def _lower_case_activation(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body's fields with "SIGMOID" as "sigmoid", since the pipeline accepts both."""
    match fields.get("parameters"):
        case {"function_to_apply": str(name), **others}:
            return {**fields, "parameters": {**others, "function_to_apply": name.lower()}}
    return fields
