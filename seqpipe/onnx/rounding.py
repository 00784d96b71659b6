"""Weights in 8 bits.

They are held by rows with a scale each, those of a product by its columns. Products of what comes
with such a weight are taken in integers; what is made of weights alone, such as a table of
embeddings times a weight, is made of floats when the file is opened: to look it up costs as much in
8 bits as in 32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import ExtraMissing

_SMALLEST = 1024  # numbers: fewer are not worth their scales
_NARROWEST = 16  # columns of a product: fewer are computed sooner than what comes is rounded
_FLOAT = 1  # of TensorProto
_OURS = "com.microsoft"  # what ONNX Runtime has besides the standard


def rounded(graph: bytes) -> bytes:
    """The same graph with weights in integers."""
    try:
        import onnx
    except ImportError as error:
        raise ExtraMissing("onnx, which rounds weights,", "onnx") from error
    model = onnx.load_from_string(graph)
    if any(opset.domain == _OURS for opset in model.opset_import):
        return graph  # they are already
    model.opset_import.append(onnx.helper.make_opsetid(_OURS, 1))
    _Rounding(model.graph).apply()
    data: bytes = model.SerializeToString()
    return data


class _Rounding:
    """Of one file, whose weights are all in its outermost graph."""

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self._graph = graph
        self._weights: dict[str, NDArray[Any]] = {
            one.name: numpy_helper.to_array(one)
            for one in graph.initializer
            if one.data_type == _FLOAT and len(one.dims) > 1 and np.prod(one.dims) >= _SMALLEST
        }
        self._constant = {one.name for one in graph.initializer}
        self._turned: dict[str, str] = {}  # weights that are transposed, by what that is called
        self._by_columns: dict[str, bool] = {}
        for node in graph.node:
            if node.input and self._constant.issuperset(node.input):
                self._constant.update(node.output)
                if node.op_type == "Transpose" and node.input[0] in self._weights:
                    self._turned[node.output[0]] = node.input[0]
        for node in _nodes(graph):  # a product wants a scale for each of its columns
            name, turned = self._factor(node)
            self._by_columns.setdefault(name, not turned)

    def apply(self) -> None:
        self._replace(self._graph)
        floats = [node for name in self._weights for node in self._hold(name)]
        nodes = [*floats, *self._graph.node]
        asked = {one.name for one in self._graph.output}
        asked.update(name for node in _nodes(self._graph) for name in node.input)
        del self._graph.node[:]
        for node in reversed(nodes):  # without what nobody asks for now
            if asked.intersection(node.output):
                asked.update(node.input)
                self._graph.node.insert(0, node)

    def _factor(self, node: Any) -> tuple[str, bool]:
        """The weight that a product is one with, and whether transposed."""
        if node.op_type not in ("MatMul", "Gemm"):
            return "", False
        turned = any(one.name == "transB" and one.i for one in node.attribute)
        name = node.input[1]
        return (self._turned[name], True) if name in self._turned else (name, turned)

    def _replace(self, graph: Any) -> None:
        nodes = [*graph.node]
        del graph.node[:]
        for node in nodes:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    self._replace(attribute.g)
            graph.node.extend(self._in_integers(node) or [node])

    def _in_integers(self, node: Any) -> list[Any]:
        """A product of what comes and a weight; nothing where it is none."""
        from onnx import helper

        name, turned = self._factor(node)
        weight = self._weights.get(name, np.zeros(0))
        if weight.ndim != 2 or self._by_columns[name] == turned:
            return []
        if node.input[0] in self._constant or weight.shape[0 if turned else 1] < _NARROWEST:
            return []
        made = node.output[0]
        values, flat, scale = (f"{made}.{part}" for part in ("values", "flat", "scale"))
        bias = node.input[2] if len(node.input) > 2 else ""
        given = [node.input[0], values, scale, "", bias]
        return [
            # made as the file is opened, and so by the product's own graph, which alone packs it
            helper.make_node("Transpose", [f"{name}.int8"], [values], perm=[1, 0]),
            helper.make_node("Flatten", [f"{name}.scale"], [flat], axis=0),
            helper.make_node("Squeeze", [flat], [scale]),
            helper.make_node("DynamicQuantizeMatMul", given, [made], domain=_OURS),
        ]

    def _hold(self, name: str) -> list[Any]:
        """Puts integers and their scale in the place of floats, and says how those come back."""
        from onnx import helper, numpy_helper

        turned = self._weights[name].ndim == 2 and self._by_columns.get(name, False)
        weight = self._weights[name].T if turned else self._weights[name]
        highest = np.abs(weight).max(axis=-1, keepdims=True)
        scale = np.maximum(highest / 127, 1e-30).astype(np.float32)
        held = self._graph.initializer
        place = [one.name for one in held].index(name)
        values = np.ascontiguousarray(np.round(weight / scale).astype(np.int8))
        held[place].CopyFrom(numpy_helper.from_array(values, f"{name}.int8"))
        held.append(numpy_helper.from_array(scale, f"{name}.scale"))
        whole = f"{name}.rows" if turned else name
        floats = [
            helper.make_node("Cast", [f"{name}.int8"], [f"{name}.float"], to=_FLOAT),
            helper.make_node("Mul", [f"{name}.float", f"{name}.scale"], [whole]),
        ]
        back = helper.make_node("Transpose", [whole], [name], perm=[1, 0])
        return [*floats, back] if turned else floats


def _nodes(graph: Any) -> Iterator[Any]:
    """Those of graphs within it as well."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)
