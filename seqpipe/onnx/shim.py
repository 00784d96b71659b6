"""Graphs as the part of a thinc model that holds the net."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from seqpipe.errors import CheckpointError, GraphsLacking, NotInitialized, TorchNeeded
from seqpipe.held import GRAPH, WEIGHTS, HeldNet, Making
from seqpipe.onnx.sessions import Session


class GraphShim(HeldNet):
    """Graphs with what asks them; drawn from weights, or read as an export has left them."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.graphs: Mapping[str, bytes] = {}
        self._opened = False

    def open(self, **sizes: Any) -> None:
        self.sizes = sizes
        self.graphs, self._model, self._opened = {}, None, True

    def stays_for(self, device: str) -> bool:
        return self.ready and device in ("auto", "cpu")

    @property
    def _settings(self) -> dict[str, Any]:
        return {**self.making.settings, **self.sizes}

    def hold(self, graphs: Mapping[str, bytes]) -> None:
        """Asks these from now on."""
        if self.making.drawing is None:
            raise GraphsLacking("this kind of net")
        self.graphs = dict(graphs)
        sessions = {name: Session(name, data) for name, data in self.graphs.items()}
        self._model = self.making.drawing.run(sessions, **self._settings)

    def files(self) -> Mapping[str, Callable[[], bytes]]:
        return {f"model.{n}{GRAPH}": partial(bytes, data) for n, data in self.graphs.items()}

    def from_files(self, files: Mapping[str, bytes]) -> None:
        graphs = {
            name.removeprefix("model.").removesuffix(GRAPH): data
            for name, data in files.items()
            if name.endswith(GRAPH)
        }
        if graphs:
            self.hold(graphs)
        else:
            self.from_bytes(files[WEIGHTS])

    def to_bytes(self) -> bytes:
        """A safetensors file of files."""
        if not self.ready:
            raise NotInitialized("this model")
        files = {f"{n}{GRAPH}": np.frombuffer(data, np.uint8) for n, data in self.graphs.items()}
        return safetensors.save(files)

    def from_bytes(self, data: bytes) -> GraphShim:
        """Graphs of `to_bytes`, or the weights of a net, from which they are drawn."""
        if not self._opened:
            raise NotInitialized("this model")
        try:
            held = safetensors.load(data)
        except SafetensorError as error:
            raise CheckpointError(WEIGHTS, f"it does not fit ({error})") from error
        if all(name.endswith(GRAPH) for name in held):
            self.hold({n.removesuffix(GRAPH): part.tobytes() for n, part in held.items()})
            return self
        if self.making.drawing is None:
            raise GraphsLacking("this kind of net")
        try:
            self.hold(self.making.drawing.draw(held, **self._settings))
        except KeyError as error:
            raise CheckpointError(WEIGHTS, f"it does not fit (it has no {error})") from error
        return self

    @property
    def net(self) -> Any:
        if self._opened and not self.ready:
            raise TorchNeeded("be initialized")
        return super().net
