"""An ONNX graph as it is drawn: each operator gives the name of what it makes.

The graphs are drawn from the weights by hand, rather than traced by an exporter: ours are few and
small, ONNX has the recurrent layers as operators of its own, and so a graph says what it does, is
exact for any batch and length, and drawing it takes neither torch nor what its exporter needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqpipe.errors import ExtraMissing

OPSET = 17
_IR = 8  # the oldest that has all of it: old runtimes read it too
_NUMBERS = {"float32": 1, "int32": 6, "int64": 7, "bool": 9, "uint64": 13}  # of TensorProto

Weights: TypeAlias = Mapping[str, NDArray[np.float32]]  # by torch's names
Shape: TypeAlias = Sequence[int | str | None] | None


class Graph:
    """Nodes, weights, inputs and outputs; one `within` another is what an operator of that runs,
    and sees all that was made there."""

    def __init__(self, name: str, *, within: Graph | None = None) -> None:
        try:
            import onnx  # noqa: F401 - nothing can be drawn without it
        except ImportError as error:
            raise ExtraMissing("onnx, which draws graphs,", "onnx") from error
        self.name = name
        # what weights make of weights belongs there: it is computed as the file is opened
        self.root: Graph = within.root if within else self
        self._nodes: list[Any] = []
        self._weights: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._renamed: dict[str, str] = {}  # what is an output, by what it was called before
        self._known: dict[tuple[Any, ...], str] = {}  # small constants, which come again and again

    def input(
        self, name: str, kind: str, shape: Shape, *, default: NDArray[Any] | None = None
    ) -> str:
        """One with a `default` need not be given."""
        self._inputs.append(_value(name, kind, shape))
        return name if default is None else self.weight(default, name)

    def output(self, made: str, kind: str, shape: Shape, *, name: str = "") -> None:
        """One that has a `name` of its own is found by it."""
        made = self._renamed.get(made, made)
        is_output = any(made == output.name for output in self._outputs)
        if name and any(made in node.output for node in self._nodes) and not is_output:
            self._rename(made, name)  # copying it would cost as much as some operators do
        elif name:
            from onnx import helper

            self._nodes.append(helper.make_node("Identity", [made], [name]))
        self._outputs.append(_value(name or made, kind, shape))

    def _rename(self, made: str, name: str) -> None:
        self._renamed[made] = name
        for node in self._nodes:
            for names in (node.input, node.output):
                for i, one in enumerate(names):
                    if one == made:
                        names[i] = name

    def weight(self, value: NDArray[Any], name: str = "") -> str:
        """A constant; one with a name of its own is found by it in the file, and there once."""
        from onnx import numpy_helper

        held = self.root._weights
        name = name or f"constant{len(held)}"
        if name not in held:
            held[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def number(self, value: float) -> str:
        return self._small(np.array(value, np.float32))

    def integers(self, *values: int) -> str:
        return self._small(np.array(values, np.int64))

    def integer(self, value: int) -> str:
        return self._small(np.array(value, np.int64))

    def _small(self, value: NDArray[Any]) -> str:
        key = (value.dtype.str, value.shape, *value.ravel().tolist())
        known = self.root._known
        if key not in known:
            known[key] = self.weight(value)
        return known[key]

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """One node with one output."""
        return self.ops(kind, *inputs, outputs=1, **attributes)[0]

    def ops(self, kind: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """One node with several."""
        from onnx import helper

        own = "" if self.root is self else f"{self.name}."
        made = [f"{own}{kind.lower()}{len(self._nodes)}_{i}" for i in range(outputs)]
        given = [self._renamed.get(name, name) for name in inputs]
        self._nodes.append(helper.make_node(kind, given, made, **attributes))
        return made

    def cast(self, made: str, kind: str) -> str:
        return self.op("Cast", made, to=_NUMBERS[kind])

    def body(self) -> Any:
        """The graph by itself, as an operator takes one."""
        from onnx import helper

        weights = [*self._weights.values()]
        return helper.make_graph(
            self._nodes, self.name, self._inputs, self._outputs, initializer=weights
        )

    def model(self, facts: Mapping[str, str] | None = None) -> bytes:
        """The file."""
        from onnx import helper

        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(self.body(), opset_imports=[opset], producer_name="seqpipe")
        model.ir_version = _IR
        helper.set_model_props(model, dict(facts or {}))
        data: bytes = model.SerializeToString()
        return data


def _value(name: str, kind: str, shape: Shape) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, _NUMBERS[kind], shape)
