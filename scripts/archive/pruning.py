"""Leave out what no logit depends on: most of the last layer, for the tokens that the head ignores.

A classifier's head reads one token of each text, after the last layer. So what that layer does to
each token by itself, which is all but its attention, need be done to those tokens only.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from onnx import GraphProto, ModelProto, NodeProto

from scripts.archive.quantization import attribute

# Operators that treat each number by itself.
_ELEMENTWISE = {"Add", "Sub", "Mul", "Div", "Erf", "Gelu", "Relu", "Sigmoid", "Tanh"}


def select_early(model: ModelProto) -> None:
    """Select the tokens that the head reads as early as possible, in place.

    The selection moves up past nodes that treat each token by itself, and whose results nothing
    else reads. A graph in which this is not understood stays as it is.
    """
    graph = model.graph
    nodes = list(graph.node)
    ranks = {weight.name: len(weight.dims) for weight in graph.initializer}
    selection = _selection(nodes, ranks)
    if not selection:
        return
    passed, early = _passed(nodes, selection, ranks)
    hidden, selected = nodes[selection[0]].input[0], nodes[selection[-1]].output[0]
    if not passed or not _alike(graph, {hidden, *early}):
        return
    names = {name: f"{name}_selected" for name in early}
    moved = [
        *(copy for name in names for copy in _copies(nodes, selection, name, names[name])),
        *(_renamed(nodes[index], names | {hidden: selected}) for index in passed),
    ]
    before, after = nodes[: selection[-1]], nodes[selection[-1] + 1 :]
    kept = [node for i, node in enumerate(before) if i not in {*selection, *passed}]
    del graph.node[:], graph.value_info[:]  # the shapes have changed
    graph.node.extend([*kept, *moved, *after])


def _selection(nodes: Sequence[NodeProto], ranks: Mapping[str, int]) -> list[int]:
    """Indices of the nodes that select tokens of [rows, width, size]; [] if there are none.

    They gather tokens, mostly of flattened rows, or one and the same token of each row.
    """
    gathers = [index for index, node in enumerate(nodes) if node.op_type == "GatherND"]
    for index in reversed(gathers):
        before = [i for i in range(index) if nodes[i].output[0] == nodes[index].input[0]]
        return [*(i for i in before if nodes[i].op_type == "Reshape"), index]
    for index, node in reversed([*enumerate(nodes)]):
        if (
            node.op_type == "Gather"
            and attribute(node, "axis") == 1
            and ranks.get(node.input[1]) == 0
        ):
            return [index]
    return []


def _passed(
    nodes: Sequence[NodeProto], selection: Sequence[int], ranks: Mapping[str, int]
) -> tuple[list[int], list[str]]:
    """Indices of the nodes that the selection moves past, and the names of what it selects then."""
    readers: dict[str, set[int]] = defaultdict(set)
    for index, node in enumerate(nodes):
        for name in node.input:
            readers[name].add(index)
    passed: set[int] = set()
    early = {nodes[selection[0]].input[0]}
    for index in reversed(range(selection[0])):
        node = nodes[index]
        (output, *_) = node.output
        alone = readers[output] <= {*passed, *selection}
        if output in early and alone and _by_token(node, ranks):
            passed.add(index)
            early = early - {output} | {name for name in node.input if name not in ranks}
    return sorted(passed), sorted(early)


def _alike(graph: GraphProto, names: set[str]) -> bool:
    """Whether all these are [rows, width, size], of the same size."""
    known = {value.name: value.type.tensor_type.shape.dim for value in graph.value_info}
    shapes = [known.get(name, []) for name in names]
    return (
        all(len(dims) == 3 for dims in shapes) and len({dims[2].dim_value for dims in shapes}) == 1
    )


def _by_token(node: NodeProto, ranks: Mapping[str, int]) -> bool:
    """Whether a node with a result [..., size] treats each token by itself, with constants."""
    if node.op_type == "MatMul":
        return node.input[0] not in ranks and ranks.get(node.input[1]) == 2
    if node.op_type == "LayerNormalization":
        return node.input[0] not in ranks and attribute(node, "axis") == -1
    return node.op_type in _ELEMENTWISE and all(ranks.get(name, 0) <= 1 for name in node.input)


def _copies(
    nodes: Sequence[NodeProto], selection: Sequence[int], data: str, selected: str
) -> list[NodeProto]:
    """The nodes of the selection for other data."""
    *before, last = (nodes[index] for index in selection)
    rows = f"{data}_rows" if before else data
    return [
        *(_renamed(node, {node.input[0]: data, node.output[0]: rows}) for node in before),
        _renamed(last, {last.input[0]: rows, last.output[0]: selected}),
    ]


def _renamed(node: NodeProto, names: Mapping[str, str]) -> NodeProto:
    """A copy of a node that reads and writes by other names."""
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = [names.get(name, name) for name in node.input]
    copy.output[:] = [names.get(name, name) for name in node.output]
    copy.name = f"{copy.output[0]}_node"
    return copy
