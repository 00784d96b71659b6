"""Graphs in memory, ready to be asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from seqpipe.errors import CheckpointError, ExtraMissing


class Session:
    """One graph."""

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._data = data
        self._owner = 0  # the process that it was opened in
        self._threads = _threads()
        self._opened: Any = None

    def run(self, inputs: Mapping[str, NDArray[Any]], *outputs: str) -> list[Any]:
        """The outputs of these names."""
        found: list[Any] = self._ready().run(outputs, inputs)
        return found

    def gives(self, output: str) -> bool:
        return output in {found.name for found in self._ready().get_outputs()}

    def _ready(self) -> Any:
        # a fork does not copy the threads that compute, and would wait for them for ever
        if self._opened is None or (self._threads > 1 and self._owner != os.getpid()):
            self._opened = self._open()
            self._owner = os.getpid()
        return self._opened

    def _open(self) -> Any:
        try:
            import onnxruntime
        except ImportError as error:
            raise ExtraMissing("onnxruntime, which runs graphs,", "onnx") from error
        how = onnxruntime.SessionOptions()
        how.intra_op_num_threads = self._threads
        how.inter_op_num_threads = 1
        how.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(self._data, how, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own have no root but this
            reason = str(error).splitlines()[0].rstrip(".")
            raise CheckpointError(f"model.{self._name}.onnx", reason) from error


def _threads() -> int:
    """One, unless OMP_NUM_THREADS asks for more: see `seqpipe.pipelines.one_thread`."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(int(asked), 1) if asked.isdigit() else 1
