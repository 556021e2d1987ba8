"""SageMaker's dialect for Hugging Face models: a call of `transformers`' pipeline as JSON.

{"inputs": "A lovely film.", "parameters": {"top_k": 2}}
-> [{"label": "POSITIVE", "score": 0.998}, {"label": "NEGATIVE", "score": 0.002}]

Without "top_k" the answer is the best label of each text. With it, the answer is all labels or the
best k, and a list of such lists for a list of texts. Source: `TextClassificationPipeline.__call__`.
"""

from msgspec import UNSET

from sentiment.errors import Validation, all_good
from sentiment.inference.prediction import Results
from sentiment.protocol.body import Body, json_fields, query_of
from sentiment.protocol.dialects.operation import Operation
from sentiment.protocol.dialects.pipeline_call import PipelineBody, decode_call
from sentiment.protocol.dialects.ranking import LabelScore, best, in_model_order, ranked
from sentiment.protocol.request import Request
from sentiment.served_model import ServedModel

# URL parameters by which TorchServe itself finds the model.
_ROUTING = {"model_name", "model_version"}


class SageMakerBody(PipelineBody):
    """Texts or pairs of texts. `options` of the hosted API are ignored."""


OPERATION = Operation(
    name="sagemaker",
    path="/invocations",
    summary="SageMaker; without `parameters`, the same as Text Embeddings Inference",
    bodies=(SageMakerBody,),
    answers=(LabelScore, list[LabelScore], list[list[LabelScore]]),
    example={"inputs": ["I like you.", "I hate this."], "parameters": {}},
)


def recognise(body: Body) -> bool:
    """JSON with "parameters" or "options", a pair as an object, or a query."""
    fields = json_fields(body)
    inputs = fields.get("inputs")
    entries = inputs if isinstance(inputs, list) else [inputs]
    return (
        not fields.keys().isdisjoint({"parameters", "options"})
        or any(isinstance(entry, dict) for entry in entries)
        or bool(query_of(body))  # TorchServe passes it on only here
    )


def decode(body: Body, model: ServedModel) -> Request:
    """Read the texts; raises RequestError, also for the first bad text."""
    check_query(body)
    return decode_call(body, SageMakerBody, model)


def check_query(body: Body) -> None:
    """Raise Validation if the URL has a parameter that TorchServe does not read."""
    if unknown := sorted(query_of(body).keys() - _ROUTING):
        raise Validation(
            f'The URL has an unknown parameter, "{unknown[0][:40]}": send it in "parameters".'
        )


def encode(
    request: Request, results: Results, model: ServedModel
) -> LabelScore | list[LabelScore] | list[list[LabelScore]]:
    """What the pipeline would return; raises the first text's error.

    Without `top_k`, the answer to one text is in a list, and that to one pair is not.
    """
    inputs = request.payload.inputs
    is_list, is_pair = isinstance(inputs, list), not isinstance(inputs, list | str)
    parameters = request.payload.parameters
    predictions = all_good(results, indexed=is_list)
    if parameters.top_k is not UNSET:
        rankings = [ranked(prediction, parameters.top_k) for prediction in predictions]
        return rankings if is_list else rankings[0]
    if parameters.return_all_scores:  # deprecated in the pipeline: one unsorted list per text
        every = [in_model_order(prediction) for prediction in predictions]
        return every[0] if is_pair else every
    bests = [best(prediction) for prediction in predictions]
    return bests[0] if is_pair else bests
