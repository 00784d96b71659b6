"""Weights in 8 bits."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from seqpipe.errors import ExtraMissing


def rounded(graph: bytes) -> bytes:
    """The same graph with products in integers, whose other factor is rounded as it comes."""
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise ExtraMissing("onnx, which rounds weights,", "onnx") from error
    with TemporaryDirectory() as folder, _quiet():
        place = Path(folder) / "graph.onnx"
        quantize_dynamic(onnx.load_from_string(graph), place, weight_type=QuantType.QInt8)
        return place.read_bytes()


@contextmanager
def _quiet() -> Iterator[None]:
    """It asks for a pass over the graph that ours have no need of."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
