"""The exported graph computes its last layer only for the tokens that the head reads."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from scripts.archive.pruning import select_early

SIZE = 4
DRAW = np.random.default_rng(0)
WEIGHTS: dict[str, NDArray[Any]] = {
    "matrix": DRAW.normal(size=(SIZE, SIZE)).astype(np.float32),
    "bias": DRAW.normal(size=SIZE).astype(np.float32),
    "flat": np.array([-1, SIZE], np.int64),
    "zero": np.array(0, np.int64),
    "mask": DRAW.normal(size=(2, 3, SIZE)).astype(np.float32),
}
X = DRAW.normal(size=(2, 3, SIZE)).astype(np.float32)
TOKENS = np.array([[0], [2], [3]], np.int64)

FLATTENED = [
    helper.make_node("Reshape", ["hidden", "flat"], ["rows"]),
    helper.make_node("GatherND", ["rows", "tokens"], ["logits"]),
]
FIRST = [helper.make_node("Gather", ["hidden", "zero"], ["logits"], axis=1)]


def graph(layer: Sequence[NodeProto], selection: Sequence[NodeProto]) -> ModelProto:
    """A model that softens x, applies the layer to it, and selects tokens of `hidden`."""
    nodes = [helper.make_node("Softmax", ["x"], ["soft"], axis=-1), *layer, *selection]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", "width", SIZE]),
        helper.make_tensor_value_info("tokens", TensorProto.INT64, ["texts", 1]),
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)]
    weights = [numpy_helper.from_array(value, name) for name, value in WEIGHTS.items()]
    made = helper.make_graph(nodes, "model", inputs, outputs, weights)
    return onnx.shape_inference.infer_shapes(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)])
    )


def run(model: ModelProto) -> NDArray[np.float32]:
    onnx.checker.check_model(model)
    (logits,) = ReferenceEvaluator(model).run(None, {"x": X, "tokens": TOKENS})
    return np.asarray(logits)


LAYER = [
    helper.make_node("MatMul", ["soft", "matrix"], ["product"]),
    helper.make_node("Add", ["bias", "product"], ["biased"]),
    helper.make_node("Gelu", ["biased"], ["active"]),
    helper.make_node("Add", ["active", "soft"], ["sum"]),
    helper.make_node("LayerNormalization", ["sum", "bias"], ["hidden"], axis=-1),
]


@pytest.mark.parametrize("selection", [FLATTENED, FIRST])
def test_tokens_are_selected_before_what_treats_each_by_itself(
    selection: Sequence[NodeProto],
) -> None:
    model = graph(LAYER, selection)
    expected = run(model)
    select_early(model)
    assert [node.op_type for node in model.graph.node] == [
        "Softmax",
        *(node.op_type for node in selection),
        *(node.op_type for node in LAYER),
    ]
    np.testing.assert_array_equal(run(model), expected)


def test_what_all_tokens_need_is_computed_for_all() -> None:
    layer = [
        helper.make_node("Mul", ["soft", "bias"], ["scaled"]),
        helper.make_node("Softmax", ["scaled"], ["mixed"], axis=1),
        helper.make_node("Add", ["scaled", "mixed"], ["hidden"]),
    ]
    model = graph(layer, FIRST)
    expected = run(model)
    select_early(model)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds == ["Softmax", "Mul", "Softmax", "Gather", "Gather", "Add"]
    np.testing.assert_array_equal(run(model), expected)


@pytest.mark.parametrize(
    "layer",
    [
        # It adds another constant to each token.
        [helper.make_node("Add", ["soft", "mask"], ["hidden"])],
        # It mixes tokens.
        [helper.make_node("Softmax", ["soft"], ["hidden"], axis=1)],
        # Normalizes over tokens, too.
        [helper.make_node("LayerNormalization", ["soft", "mask"], ["hidden"], axis=1)],
        # A scale of one number per token cannot be selected as the others are.
        [
            helper.make_node("ReduceMax", ["soft"], ["most"], keepdims=0),
            helper.make_node("Div", ["soft", "most"], ["hidden"]),
        ],
    ],
)
def test_other_graphs_stay_as_they_are(layer: Sequence[NodeProto]) -> None:
    model = graph(layer, FIRST)
    before = model.SerializeToString()
    select_early(model)
    assert model.SerializeToString() == before
