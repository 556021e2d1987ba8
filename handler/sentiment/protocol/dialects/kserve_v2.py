"""KServe's second protocol, the Open Inference Protocol.

{"id": "42", "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["Awful."]}]}
-> {"model_name": "sentiment", "model_version": "1.0", "id": "42", "outputs": [
       {"name": "label", "shape": [1], "datatype": "BYTES", "data": ["NEGATIVE"]},
       {"name": "score", "shape": [1], "datatype": "FP32", "data": [0.997]}]}

The tensor may have any name and shape, and may follow the JSON as binary data. The answer is always
JSON. Source: the protocol's "inference request JSON object" and its binary tensor extension.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType

from sentiment.errors import Malformed, TooLarge, Unsupported, Validation, all_good
from sentiment.inference.prediction import Results
from sentiment.protocol.body import Body, Json, json_fields
from sentiment.protocol.dialects.operation import Operation
from sentiment.protocol.dialects.ranking import rounded
from sentiment.protocol.request import Request, check_all
from sentiment.served_model import ServedModel
from sentiment.validation import validate

_EXAMPLE = (
    '{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["..."]}]}, '
    'or {"instances": ["..."]} in the first version of the protocol'
)
# In binary data, each text follows its length in bytes, a little-endian integer of this size.
_LENGTH_BYTES = 4
# More than any tensor that fits into a request.
_MAX_DIMENSIONS, _MAX_SIZE = 8, 2**31 - 1


class InputTensor(Struct, forbid_unknown_fields=True):
    """Texts; `data` is flat or nested, and absent only if it follows the JSON as binary data."""

    name: str
    shape: Annotated[
        list[Annotated[int, Meta(ge=0, le=_MAX_SIZE)]], Meta(max_length=_MAX_DIMENSIONS)
    ]
    datatype: Literal["BYTES"]
    data: list[Any] | UnsetType = UNSET
    parameters: dict[str, Any] | None = None


class RequestedOutput(Struct, forbid_unknown_fields=True):
    """An output to return; without any, both are returned."""

    name: Literal["label", "score"]
    parameters: dict[str, Any] | None = None


class InferBody(Struct, forbid_unknown_fields=True):
    """One tensor of texts. The content of `parameters` is ignored."""

    inputs: Annotated[list[InputTensor], Meta(min_length=1, max_length=1)]
    id: str | None = None
    model_name: str | None = None
    model_version: str | None = None
    outputs: Annotated[list[RequestedOutput], Meta(max_length=2)] | None = None
    parameters: dict[str, Any] | None = None


class _Payload(NamedTuple):
    """What `encode` needs of a body; its texts are dropped, since they may be large."""

    id: str | None
    outputs: list[str]


class OutputTensor(Struct):
    """`label` holds strings, `score` numbers: one per text, in order."""

    name: Literal["label", "score"]
    shape: list[int]
    datatype: Literal["BYTES", "FP32"]
    data: list[str | float]


class InferAnswer(Struct):
    """The best label of each text and its score; `id` is the request's, if it has one."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str | UnsetType = UNSET


OPERATION = Operation(
    name="kserve_v2",
    path="/v2/models/{name}/infer",
    summary="KServe v2, the Open Inference Protocol",
    bodies=(InferBody,),
    answers=(InferAnswer,),
    example={
        "id": "42",
        "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["I like you."]}],
    },
)


def recognise(body: Body) -> bool:
    """JSON whose "inputs" are objects, as tensors are."""
    inputs = json_fields(body).get("inputs")
    return isinstance(inputs, list) and any(isinstance(entry, dict) for entry in inputs)


def decode(body: Body, model: ServedModel) -> Request:
    """Read the texts; raises RequestError, also for the first bad text."""
    if not isinstance(body, Json):
        raise Unsupported(f"Send JSON, with Content-Type: application/json, such as {_EXAMPLE}.")
    payload = validate(body.value, InferBody, _EXAMPLE)
    (tensor,) = payload.inputs
    if tensor.data is UNSET:
        _check_size(tensor, body.binary)
        max_texts = model.settings.max_texts_per_request
        texts: list[object] = list(_unpacked(body.binary, max_texts))
    elif body.binary:
        raise Validation('There is both binary data and "inputs[0].data": send one of them.')
    else:
        texts = list(_flat(tensor.data))
    if (size := math.prod(tensor.shape)) != len(texts):
        raise Validation(
            f'"inputs[0].shape" has {size} texts and the data {len(texts)}: make them agree.'
        )
    outputs = [output.name for output in payload.outputs or ()]
    if any("classification" in (output.parameters or {}) for output in payload.outputs or ()):
        raise Validation(
            'The "classification" of an output is not supported: leave it out, and the best label '
            "comes with its score."
        )
    return Request(check_all(texts, model.settings), payload=_Payload(payload.id, outputs))


def encode(request: Request, results: Results, model: ServedModel) -> InferAnswer:
    """Label and score of each text, or the requested output; raises the first text's error."""
    payload: _Payload = request.payload
    predictions = all_good(results, indexed=True)
    shape = [len(predictions)]
    outputs = {
        "label": OutputTensor("label", shape, "BYTES", [p.label for p in predictions]),
        "score": OutputTensor("score", shape, "FP32", [rounded(p.score) for p in predictions]),
    }
    return InferAnswer(
        model_name=model.name,
        model_version=model.version,
        outputs=[outputs[name] for name in dict.fromkeys(payload.outputs or outputs)],
        id=UNSET if payload.id is None else payload.id,
    )


def _flat(data: list[Any]) -> Iterator[object]:
    left = data[::-1]  # a stack, since JSON can be nested more deeply than Python calls
    while left:
        entry = left.pop()
        if isinstance(entry, list):
            left.extend(reversed(entry))
        else:
            yield entry


def _check_size(tensor: InputTensor, binary: bytes) -> None:
    if (tensor.parameters or {}).get("binary_data_size", len(binary)) != len(binary):
        raise Malformed(
            f'"binary_data_size" is not the {len(binary)} bytes that follow: make them agree.'
        )


def _unpacked(binary: bytes, max_texts: int) -> Iterator[str]:
    """Read the texts of binary data; raises Malformed, or TooLarge beyond `max_texts`."""
    if not binary:
        raise Validation(f'"inputs[0].data" is missing: send {_EXAMPLE}.')
    count = at = 0
    while at < len(binary):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(binary[at:start], "little")
        if at > len(binary) or start > len(binary):
            raise Malformed(
                "The binary data ends within a text: send four bytes of length before each text."
            )
        count += 1
        if count > max_texts:
            raise TooLarge(f"The tensor has more than {max_texts:,} texts: send it in parts.")
        try:
            yield binary[start:at].decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed(f"At index {count - 1}: The text is not UTF-8: send UTF-8.") from None
