"""SageMaker's dialect for Hugging Face models: a call of `transformers`' pipeline as JSON.

{"inputs": "A lovely film.", "parameters": {"top_k": 2}}
-> [{"label": "POSITIVE", "score": 0.998}, {"label": "NEGATIVE", "score": 0.002}]

Without "top_k" there is the best label of each text; with it, all or the best k, in a list a text
where the texts are a list. Source: `TextClassificationPipeline.__call__`.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sentiment.errors import Validation, all_good
from sentiment.inference.prediction import Results
from sentiment.protocol.body import Body, json_fields, query_of
from sentiment.protocol.dialects.operation import Operation, TextField, TextsField
from sentiment.protocol.dialects.ranking import LabelScore, best, ranked
from sentiment.protocol.request import Request, check_all
from sentiment.protocol.validation import validate
from sentiment.served_model import ServedModel

# Parameters of the URL by which TorchServe itself finds the model.
_ROUTING = {"model_name", "model_version"}
_EXAMPLE = '{"inputs": "...", "parameters": {"top_k": 1, "function_to_apply": "softmax"}}'


class PipelineParameters(Struct, forbid_unknown_fields=True):
    """What the pipeline is called with. `top_k` null asks for all labels.

    Texts are always truncated, so that `truncation` may be asked for and not be forbidden.
    """

    top_k: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET
    function_to_apply: Literal["softmax", "sigmoid", "none"] | None = None
    truncation: Literal[True] | None = None


class SageMakerBody(Struct, forbid_unknown_fields=True):
    """One text or many, never a pair of sentences."""

    inputs: TextField | TextsField
    parameters: PipelineParameters | None = None


OPERATION = Operation(
    name="sagemaker",
    path="/invocations",
    summary="SageMaker; without `parameters`, the same as Text Embeddings Inference",
    body=SageMakerBody,
    answers=(list[LabelScore], list[list[LabelScore]]),
    example={"inputs": ["I like you.", "I hate this."], "parameters": {}},
)


def recognise(body: Body) -> bool:
    """JSON with the key "parameters", or sent with a query, which only /invocations asks for."""
    return "parameters" in json_fields(body) or bool(query_of(body))


def decode(body: Body, service: ServedModel) -> Request:
    """Find its texts; raises RequestError, for the first bad text too."""
    if unknown := sorted(query_of(body).keys() - _ROUTING):
        raise Validation(
            f'The URL has an unknown parameter, "{unknown[0][:40]}": send it in "parameters".'
        )
    asked = validate(json_fields(body), SageMakerBody, _EXAMPLE)
    asked.parameters = asked.parameters or PipelineParameters()
    texts = check_all(asked.inputs, service.settings)
    return Request(texts, asked.parameters.function_to_apply, asked)


def encode(
    request: Request, results: Results, service: ServedModel
) -> list[LabelScore] | list[list[LabelScore]]:
    """What the pipeline would return; raises the first text's error."""
    listed = isinstance(request.asked.inputs, list)
    top_k = request.asked.parameters.top_k
    predictions = all_good(results, indexed=listed)
    if top_k is UNSET:
        return [best(prediction) for prediction in predictions]
    rankings = [ranked(prediction, top_k) for prediction in predictions]
    return rankings if listed else rankings[0]
