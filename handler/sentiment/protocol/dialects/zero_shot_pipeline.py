"""Zero-shot classification as `transformers`' pipeline answers it, which SageMaker returns.

{"inputs": "A lovely film.", "parameters": {"candidate_labels": ["film", "food"]}}
-> {"sequence": "A lovely film.", "labels": ["film", "food"], "scores": [0.97, 0.03]}
                                                       a list of these for a list of texts

Otherwise the same as `zero_shot`.
"""

from typing import Any

from msgspec import Struct

from sentiment.inference.prediction import Results
from sentiment.protocol.body import Body
from sentiment.protocol.dialects import zero_shot
from sentiment.protocol.dialects.operation import Operation
from sentiment.protocol.dialects.sagemaker import check_query
from sentiment.protocol.request import Request
from sentiment.served_model import ServedModel


class ZeroShotAnswer(Struct):
    """A text, and the labels of the request with their scores, best first."""

    sequence: str
    labels: list[str]
    scores: list[float]


OPERATION = Operation(
    name="zero_shot_pipeline",
    path="/invocations",
    summary="SageMaker zero-shot classification",
    bodies=zero_shot.OPERATION.bodies,
    answers=(ZeroShotAnswer, list[ZeroShotAnswer]),
    example=zero_shot.OPERATION.example,
    offered=zero_shot.offered,
)

recognise = zero_shot.recognise


def decode(body: Body, model: ServedModel) -> Request:
    """See `zero_shot.decode`; raises Validation also for an unknown parameter in the URL."""
    check_query(body)
    return zero_shot.decode(body, model)


def encode(request: Request, results: Results, model: ServedModel) -> Any:
    """What the pipeline would return; raises the first error of a pair."""
    inputs = request.payload.inputs
    texts = inputs if isinstance(inputs, list) else [inputs]
    answers = [
        ZeroShotAnswer(text, [entry.label for entry in ranking], [entry.score for entry in ranking])
        for text, ranking in zip(
            texts, zero_shot.ranked_labels(request, results, model), strict=True
        )
    ]
    return answers if isinstance(inputs, list) else answers[0]
