"""Quantize an exported fp32 model, so that its matrices are multiplied in int8.

Weights have one scale per column. Activations are quantized dynamically, with one scale per token.
ONNX Runtime's own quantizer has one scale per batch: a score would depend on the other texts of the
batch, and three times as many labels would change.

The output of GELU is almost all above zero, and never below -0.17. There only 32 of the 256 steps
are for what is below zero, so that the rest has nearly twice as many.

Attention is written so that a text gets the same score, to the last bit, in any batch. The softmax
of ONNX Runtime adds up a row in an order that depends on where in the row a text stands. It also
takes ten times as long where the probability of a hidden token is a denormal number.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

# Zero points: u8 times s8 is fast, so activations are stored shifted by this. Those after GELU have
# steps of at least a ZERO_OF_GELU-th of its lowest value.
ZERO, ZERO_OF_GELU = 128, 32
LOWEST_OF_GELU = 0.17
# Logits of attention are raised to this, below the largest one of their row. exp(-60) is 1e-26: too
# small to change a sum in fp32, and large enough that products with it are not denormal either.
HIDDEN = -60
# Parts of a column's largest weight that are tried as the largest that int8 can hold.
CLIPS = np.linspace(0.7, 1, 16, dtype=np.float32)


def quantize(model: ModelProto) -> ModelProto:
    """Compute every product with a constant matrix in int8; attention products stay in fp32."""
    weights: dict[str, NDArray[Any]] = {
        weight.name: numpy_helper.to_array(weight) for weight in model.graph.initializer
    }
    constants: dict[str, NDArray[Any]] = {
        "int8_one": np.array(1, np.float32),
        "int8_most": np.array(127, np.float32),
        "int8_least": np.array(1e-9, np.float32),  # for a row of zeros
        "int8_axis": np.array([-1], np.int64),
        "int8_zero": np.array(ZERO, np.uint8),
        "gelu_most": np.array(255 - ZERO_OF_GELU, np.float32),
        "gelu_least": np.array((255 - ZERO_OF_GELU) * LOWEST_OF_GELU / ZERO_OF_GELU, np.float32),
        "gelu_zero": np.array(ZERO_OF_GELU, np.uint8),
        "softmax_hidden": np.array(HIDDEN, np.float32),
    }
    after_gelu = {
        name for node in model.graph.node if node.op_type == "Gelu" for name in node.output
    }
    nodes: list[Any] = []
    rows: set[str] = set()
    softmaxes = _softmaxes_of_attention(model.graph.node)
    for node in model.graph.node:
        if node.op_type == "Softmax" and node.output[0] in softmaxes:
            nodes += _exponentials(node)
            continue
        if node.op_type == "MatMul" and node.input[0] in softmaxes:
            nodes += _weighted_mean(node)
            continue
        if node.op_type != "MatMul" or getattr(weights.get(node.input[1]), "ndim", 0) != 2:
            nodes.append(node)
            continue
        (x, weight), (y,) = node.input, node.output
        kind = "gelu" if x in after_gelu else "int8"
        row = f"{x}_row"
        if row not in rows:  # query, key and value share their input
            rows.add(row)
            nodes += _quantized_rows(x, row, kind)
        if f"{weight}_int8" not in constants:
            whole, scale = _columns(weights[weight])
            constants |= {f"{weight}_int8": whole, f"{weight}_scale": scale}
        product = [f"{row}_int8", f"{weight}_int8", "int8_one", f"{weight}_scale", f"{kind}_zero"]
        nodes += [
            _node("MatMulIntegerToFloat", product, f"{y}_by_row", domain="com.microsoft"),
            _node("Mul", [f"{y}_by_row", f"{row}_scale"], y),
        ]
    weights |= constants
    _halve(nodes, weights)
    used = {name for node in nodes for name in node.input}
    kept = [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items() if k in used]
    graph = model.graph
    quantized = helper.make_graph(nodes, graph.name, graph.input, graph.output, kept)
    opsets = [*model.opset_import, helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(quantized, opset_imports=opsets, ir_version=model.ir_version)


def _quantized_rows(x: str, row: str, kind: str) -> list[Any]:
    """Nodes that quantize x [..., columns] to u8 of that shape, and their scale [..., 1].

    After GELU, the largest value of a row is also its largest absolute value, or near 0.
    """
    size = x if kind == "gelu" else f"{row}_abs"
    return [
        *([] if kind == "gelu" else [_node("Abs", [x], size)]),
        _node("ReduceMax", [size, "int8_axis"], f"{row}_max", keepdims=1),
        _node("Max", [f"{row}_max", f"{kind}_least"], f"{row}_most"),
        _node("Div", [f"{kind}_most", f"{row}_most"], f"{row}_inverse"),
        _node("Div", [f"{row}_most", f"{kind}_most"], f"{row}_scale"),
        _node("Mul", [x, f"{row}_inverse"], f"{row}_steps"),
        _node("QuantizeLinear", [f"{row}_steps", "int8_one", f"{kind}_zero"], f"{row}_int8"),
    ]


def attribute(node: Any, name: str) -> Any:
    """The value of an attribute of a node; None if it is not given."""
    values = [helper.get_attribute_value(item) for item in node.attribute if item.name == name]
    return values[0] if values else None


def _softmaxes_of_attention(nodes: Iterable[Any]) -> set[str]:
    """The outputs of softmaxes over the last axis that are only the weights of a product."""
    found: set[str] = set()
    for node in nodes:
        if node.op_type == "Softmax" and attribute(node, "axis") == -1:
            found |= set(node.output)
        else:
            found -= set(node.input[1:] if node.op_type == "MatMul" else node.input)
    return found


def _exponentials(softmax: Any) -> list[Any]:
    """Nodes that compute what a softmax divides by its sum: exp(x - max), 1e-26 or more."""
    (x,), (y,) = softmax.input, softmax.output
    return [
        _node("ReduceMax", [x, "int8_axis"], f"{y}_largest", keepdims=1),
        _node("Sub", [x, f"{y}_largest"], f"{y}_below"),
        _node("Clip", [f"{y}_below", "softmax_hidden"], f"{y}_clipped"),
        _node("Exp", [f"{y}_clipped"], y),
    ]


def _weighted_mean(product: Any) -> list[Any]:
    """Nodes that divide exponentials @ values by the sum of the exponentials.

    The sum is a product, too, since products add up a row from its first element to its last: what
    stands before and after a text adds nothing to it.
    """
    (weights, values), (y,) = product.input, product.output
    return [
        _node("Shape", [values], f"{y}_shape", start=-2),
        _node("Expand", ["int8_one", f"{y}_shape"], f"{y}_ones"),
        _node("MatMul", [weights, f"{y}_ones"], f"{y}_sum"),
        _node("MatMul", [weights, values], f"{y}_product"),
        _node("Div", [f"{y}_product", f"{y}_sum"], y),
    ]


def _columns(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantize a weight [rows, columns] to int8 of that shape and scales [columns].

    Of the scales that are tried, each column has the one with the least squared error.
    """
    largest = np.abs(weight).max(axis=0) / np.float32(127)
    largest[largest == 0] = 1
    scales = CLIPS[:, None] * largest
    errors = [((_whole(weight, scale) * scale - weight) ** 2).sum(axis=0) for scale in scales]
    scale = scales[np.argmin(errors, axis=0), np.arange(len(largest))]
    return _whole(weight, scale).astype(np.int8), scale


def _whole(weight: NDArray[np.float32], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(np.round(weight / scale), -127, 127)


def _node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> Any:
    return helper.make_node(kind, inputs, [output], name=f"{output}_node", **attributes)


def _halve(nodes: list[Any], weights: dict[str, NDArray[Any]]) -> None:
    """Store embeddings as fp16 if that is exact; rows are cast back after the lookup."""
    for name, values in list(weights.items()):
        readers = [node for node in nodes if name in node.input]
        looked_up = all(node.op_type == "Gather" and node.input[0] == name for node in readers)
        if not readers or not looked_up or not fits_half(values):
            continue
        weights[f"{name}_half"] = weights.pop(name).astype(np.float16)
        for node in readers:
            row = node.output[0]
            node.input[0], node.output[0] = f"{name}_half", f"{row}_half"
            cast = _node("Cast", [f"{row}_half"], row, to=TensorProto.FLOAT)
            nodes.insert(nodes.index(node) + 1, cast)


def fits_half(values: NDArray[Any]) -> bool:
    """Whether these are fp32 values that fp16 represents exactly."""
    if values.dtype != np.float32:
        return False
    with np.errstate(over="ignore"):
        return bool((values.astype(np.float16).astype(np.float32) == values).all())
