"""What holds a net for a thinc model, wherever it runs: see `seqpipe.bridge` for torch and
`seqpipe.onnx` for graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from thinc.api import Optimizer
from thinc.shims import Shim

from seqpipe.errors import NotInitialized, TorchNeeded
from seqpipe.heap import keep_freed
from seqpipe.text.batches import Batch, collate, plan
from seqpipe.text.codec import Ids
from seqpipe.text.rows import Rows

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "model.safetensors"
GRAPH = ".onnx"  # what the name of a graph's file ends in

# What is made of a batch: of the net, ids (B, S), lengths (B,) and the places of its rows; both as
# the net takes them, tensors or arrays.
Predict = Callable[[Any, Any, Any, NDArray[np.int64]], Any]


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a net runs without torch: `draw(weights, **settings)` gives its graphs as files, by their
    names, and `run(sessions, **settings)` what a stage asks instead of the net."""

    draw: Callable[..., Mapping[str, bytes]]
    run: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Making:
    """How an architecture makes its net: in torch, and without, if it can be drawn; `settings` are
    those that are known before its sizes are."""

    build: Callable[..., nn.Module]
    settings: Mapping[str, Any]
    drawing: Drawing | None


class HeldNet(Shim):
    """A net, built when its sizes are known; what one cannot do where it runs, it refuses."""

    def __init__(self, making: Making) -> None:
        super().__init__(None)
        keep_freed()
        self.making = making
        self.sizes: Mapping[str, Any] = {}

    @property
    def ready(self) -> bool:
        return self._model is not None

    @property
    def net(self) -> Any:
        """What `predict` of a stage is given."""
        if self._model is None:
            raise NotInitialized("this model")
        return self._model

    def open(self, **sizes: Any) -> None:
        """Makes room for a net of these sizes."""
        raise NotImplementedError

    def place(self, device: str) -> None:
        """Asks for another device of its own kind."""

    def stays_for(self, device: str) -> bool:
        """Whether it is as good there as another kind of holder would be."""
        return False

    def to_device(self, device_type: str, device_id: int) -> None:
        """thinc's own request, made by `Model.to_gpu` and `to_cpu`."""

    def predict_rows(
        self,
        encoded: Sequence[Ids] | Rows,
        *,
        budget: int,
        rows: int,
        predict: Predict | None = None,
    ) -> Iterator[tuple[NDArray[np.int64], Any]]:
        """Runs the rows in length buckets; yields their places and what the net made of them."""
        net, wider = self.net, self.wider
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        for places in plan(lengths, budget=budget * wider, rows=rows * wider):
            yield places, self.ask(net, collate(encoded, places), predict)

    @property
    def wider(self) -> int:
        """How many times as wide a batch may be as one for a CPU."""
        return 1

    def ask(self, net: Any, batch: Batch, predict: Predict | None) -> Any:
        """What the net makes of one batch."""
        given = batch.ids, batch.lengths
        return predict(net, *given, batch.rows) if predict else net.predict(*given)

    def seen(self, net: Any, state: Any) -> tuple[Any, Any]:
        """A net that writes, and what it begins with, as a search wants to see them."""
        return net, state

    # Learning, which needs torch --------------------------------------------------------------

    @property
    def learner(self) -> Any:
        raise TorchNeeded("learn")

    @property
    def inside(self) -> Any:
        """The net, for whoever looks at its parts."""
        raise TorchNeeded("be looked into")

    @property
    def device(self) -> Any:
        raise TorchNeeded("be looked into")

    def learn(
        self,
        encoded: Sequence[Ids],
        answers: Sequence[NDArray[Any]],
        *,
        drop: float,
        budget: int,
        rows: int,
    ) -> float:
        raise TorchNeeded("learn")

    def learning(self, drop: float) -> AbstractContextManager[tuple[Any, Any]]:
        raise TorchNeeded("learn")

    def finish_update(self, optimizer: Optimizer, *, layer_decay: float = 1.0) -> Any:
        raise TorchNeeded("learn")

    # Saving -----------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """All of it in one; `from_bytes` of every kind of holder reads weights."""
        raise NotImplementedError

    def files(self) -> Mapping[str, Callable[[], bytes]]:
        """What `to_disk` of a stage writes, by name; each name begins with `model.`."""
        raise NotImplementedError

    def from_files(self, files: Mapping[str, bytes]) -> None:
        """Fills the net, which must have been opened with the same sizes."""
        raise NotImplementedError


def as_array(found: Any) -> NDArray[Any]:
    """Of what a net gives, wherever it runs."""
    return found if isinstance(found, np.ndarray) else np.asarray(found.cpu())
