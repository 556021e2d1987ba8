"""Quantize an exported fp32 model, so that its matrices are multiplied in int8.

Weights have one scale per column. Activations are quantized dynamically, with one scale per token.
ONNX Runtime's own quantizer has one scale per batch: a score would depend on the other texts of the
batch, and three times as many labels would change.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

# Zero point: u8 times s8 is fast, so activations of -127..127 are stored shifted by this.
ZERO = 128


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
    }
    nodes: list[Any] = []
    rows: set[str] = set()
    for node in model.graph.node:
        if node.op_type != "MatMul" or getattr(weights.get(node.input[1]), "ndim", 0) != 2:
            nodes.append(node)
            continue
        (x, weight), (y,) = node.input, node.output
        if x not in rows:  # query, key and value share their input
            rows.add(x)
            nodes += _rows(x)
        if f"{weight}_int8" not in constants:
            whole, scale = _columns(weights[weight])
            constants |= {f"{weight}_int8": whole, f"{weight}_scale": scale}
        product = [f"{x}_int8", f"{weight}_int8", "int8_one", f"{weight}_scale", "int8_zero"]
        nodes += [
            _node("MatMulIntegerToFloat", product, f"{y}_by_row", domain="com.microsoft"),
            _node("Mul", [f"{y}_by_row", f"{x}_scale"], y),
        ]
    weights |= constants
    _halve(nodes, weights)
    used = {name for node in nodes for name in node.input}
    kept = [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items() if k in used]
    graph = model.graph
    quantized = helper.make_graph(nodes, graph.name, graph.input, graph.output, kept)
    opsets = [*model.opset_import, helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(quantized, opset_imports=opsets, ir_version=model.ir_version)


def _rows(x: str) -> list[Any]:
    """Nodes that quantize x [..., columns] to x_int8, u8 of that shape, and x_scale [..., 1]."""
    return [
        _node("Abs", [x], f"{x}_abs"),
        _node("ReduceMax", [f"{x}_abs", "int8_axis"], f"{x}_max", keepdims=1),
        _node("Max", [f"{x}_max", "int8_least"], f"{x}_most"),
        _node("Div", ["int8_most", f"{x}_most"], f"{x}_inverse"),
        _node("Div", [f"{x}_most", "int8_most"], f"{x}_scale"),
        _node("Mul", [x, f"{x}_inverse"], f"{x}_scaled"),
        _node("QuantizeLinear", [f"{x}_scaled", "int8_one", "int8_zero"], f"{x}_int8"),
    ]


def _columns(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantize a weight [rows, columns] to int8 of that shape and scales [columns]."""
    scale = np.abs(weight).max(axis=0) / np.float32(127)
    scale[scale == 0] = 1
    return np.round(weight / scale).astype(np.int8), scale


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
