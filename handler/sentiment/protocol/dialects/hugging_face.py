"""The Hugging Face inference API, for `huggingface_hub` and its JavaScript counterpart.

{"inputs": "A lovely film.", "parameters": {"top_k": 1, "function_to_apply": "softmax"}}
-> [[{"label": "POSITIVE", "score": 0.998}]]

The answer is always a list of lists, since those clients take its first element.
"""

from msgspec import UNSET

from sentiment.errors import all_good
from sentiment.inference.prediction import Results
from sentiment.protocol.body import Body, json_fields
from sentiment.protocol.dialects.operation import Operation
from sentiment.protocol.dialects.pipeline_call import PipelineBody, decode_call
from sentiment.protocol.dialects.ranking import LabelScore, ranked
from sentiment.protocol.request import Request
from sentiment.served_model import ServedModel


class HuggingFaceBody(PipelineBody):
    """Texts or pairs of texts. `options` of the hosted API are ignored."""


OPERATION = Operation(
    name="hugging_face",
    path="/predictions/{name}",
    summary="Hugging Face inference API",
    bodies=(HuggingFaceBody,),
    answers=(list[list[LabelScore]],),
    example={"inputs": "I like you. I love you.", "parameters": {"top_k": 1}},
)


def recognise(body: Body) -> bool:
    """JSON with the key "inputs"."""
    return "inputs" in json_fields(body)


def decode(body: Body, model: ServedModel) -> Request:
    """Read the texts; raises RequestError, also for the first bad text."""
    return decode_call(body, HuggingFaceBody, model)


def encode(request: Request, results: Results, model: ServedModel) -> list[list[LabelScore]]:
    """One list of labels per text; raises the first text's error."""
    parameters = request.payload.parameters
    top_k = parameters.top_k
    if top_k is UNSET:
        top_k = 1 if parameters.return_all_scores is False else None
    predictions = all_good(results, indexed=isinstance(request.payload.inputs, list))
    return [ranked(prediction, top_k) for prediction in predictions]
