"""A stage that goes on with texts, and tells what they cost, beside texts that it remembers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, List, Optional, Tuple

import numpy as np

from seqpipe.components._memory import MEMORY
from seqpipe.components._mindful import Mindful
from seqpipe.components._text_memory import TextMemory
from seqpipe.components._trust import USUAL, Case, Fit, fit_trust, room_of
from seqpipe.errors import DataEmpty
from seqpipe.search import arrays
from seqpipe.search.recalling import squared
from seqpipe.search.reminded import Reminded, RemindedState, nats_beside
from seqpipe.text.codec import EOS, Ids
from seqpipe.text.rows import Rows

_BESIDE = 128  # places in the texts that each piece is told beside
_STRETCH = 512  # pieces of a long text that are read at a time
_WARM = 64  # pieces before a stretch, from which the net knows where it is
_SEEN = 60_000  # pieces that the room is made from
_FITTED = 20_000  # pieces that trust is fitted to, at most


@dataclass(frozen=True, eq=False)
class RemindedCarry:
    """What a net carries from one part of texts to the next, and the pieces that came last."""

    inner: Any
    recent: np.ndarray  # (R, G)

    @property
    def last(self) -> Any:
        return self.inner.last

    def tensors(self) -> Mapping[str, Any]:
        """To be kept in a file; the inverse is `like`."""
        return {**self.inner.tensors(), "recent": self.recent}

    def like(self, tensors: Mapping[str, Any]) -> "RemindedCarry":
        """Of the same model."""
        inner = {name: tensor for name, tensor in tensors.items() if name != "recent"}
        return RemindedCarry(self.inner.like(inner), tensors["recent"])


# Of some stretches of texts: for each the states (T, H) before its pieces and their nats (T,).
Read = List[Tuple[np.ndarray, np.ndarray]]


class RemindedStage(Mindful):
    """What it remembers is saved with it."""

    memory: Optional[TextMemory] = None
    extras = MappingProxyType({"memory": MEMORY})

    def load_extra(self, name: str, data: bytes) -> None:
        self.memory = TextMemory.from_bytes(data) if data else None

    def remember(
        self,
        texts: Iterable[str],
        *,
        held_out: Iterable[str] = (),
        beside: Optional[int] = None,
    ) -> Optional[Fit]:
        """From now on each piece is told beside what followed on the like in these texts, and in
        all that were remembered before: `beside` says in how many places (128).

        How much is made of that is fitted to texts that are held out; without such it stays as it
        was. Learning changes what this rests on: a stage that learns forgets.
        """
        most = self.how_many(beside, usual=_BESIDE)
        before = self.memory
        rows = self._ended(texts)
        if not rows and not before:
            raise DataEmpty("what is to be remembered", "text")
        memory = self._added(before, rows, beside=most)
        held, fit = self._ended(held_out), None
        if held:
            trust, fit = fit_trust([*self._cases(memory, held)], held=len(held))
            memory = replace(memory, trust=trust)
        self.memory = memory
        return fit

    def _ended(self, texts: Iterable[str]) -> List[Ids]:
        rows = self._codec().encode([text for text in texts if text])
        return [np.append(ids, np.int32(EOS)) for ids in rows]

    def _added(self, before: Optional[TextMemory], rows: List[Ids], *, beside: int) -> TextMemory:
        read = [vectors for vectors, _ in self._read_rows(rows)]
        if before is None:
            room = room_of(np.concatenate(read)[:: max(1, sum(map(len, read)) // _SEEN)])
            before = TextMemory(
                Rows.of([]),
                np.zeros((0, room.basis.shape[1]), np.int8),
                room,
                USUAL,
                beside,
                len(self._codec()),
            )
        keys = [before.keys, *map(before.room.kept, read)]
        texts = Rows.of([*before.texts, *rows])
        return replace(before, texts=texts, keys=np.concatenate(keys), beside=beside)

    def _cases(self, memory: TextMemory, rows: List[Ids]) -> Iterator[Case]:
        """Of texts that are held out, the first so many pieces."""
        left = _FITTED
        for ids, (vectors, nats) in zip(rows, self._read_rows(rows, most=left), strict=False):
            some = slice(min(left, len(nats)))
            left -= some.stop
            if not some.stop:
                return
            row = ids[None].astype(np.int64)
            contexts = _contexts(_nothing(1, memory.context), row)[0, some]
            beside = memory.of(contexts)
            apart = squared(memory.within(vectors[some]), beside.keys)
            alike = np.where(beside.pieces < 0, 0, beside.alike)
            yield Case(-nats[some], apart, alike, beside.pieces == ids[some, None])

    def _read_rows(self, rows: Sequence[Ids], *, most: int = 0) -> Iterator[Tuple[Any, Any]]:
        """The states before the pieces of each row, and their nats; of the first `most` pieces."""
        if most:
            ends = np.cumsum([0, *map(len, rows)])
            rows = [row[: max(most - at, 0)] for row, at in zip(rows, ends.tolist(), strict=False)]
            rows = [row for row in rows if len(row)]
        cuts = [(i, at) for i, row in enumerate(rows) for at in range(0, len(row), _STRETCH)]
        parts = [rows[i][max(0, at - _WARM) : at + _STRETCH] for i, at in cuts]
        found = iter(zip(cuts, self.run_rows(parts, _vectors_and_nats), strict=True))
        for row in rows:
            own = [next(found) for _ in range(0, len(row), _STRETCH)]
            kept = [[x[min(at, _WARM) :] for x in both] for (_, at), both in own]
            vectors, nats = (np.concatenate(sides) for sides in zip(*kept, strict=True))
            yield vectors, nats

    # What a stage asks instead of its net ---------------------------------------------------

    def begun(self, net: Any, rows: int = 1) -> Any:
        """So many texts of which nothing is read."""
        inner = net.begin(rows)
        memory = self.memory
        return RemindedCarry(inner, _nothing(rows, memory.context)) if memory else inner

    def told(self, model: Any, ids: Any, lengths: Any, carry: Any) -> Tuple[Any, Any]:
        """The nats of the pieces of rows (B, S), and what is carried on."""
        memory = self.memory
        if memory is None or not isinstance(carry, RemindedCarry) or not ids.shape[1]:
            plain: Tuple[Any, Any] = model.measure(ids, lengths, carry)
            return plain
        nats, vectors, inner = model.told(ids, lengths, carry.inner)
        own, rows = arrays.array(nats), arrays.array(ids)
        sizes = arrays.array(lengths)
        contexts = _contexts(carry.recent, rows)
        real = np.arange(rows.shape[1]) < sizes[:, None]
        states = arrays.array(vectors())[real]
        found = np.zeros(own.shape, np.float32)
        found[real] = nats_beside(memory, own[real], states, contexts[real], rows[real])
        every = np.concatenate([carry.recent, rows], axis=1)
        recent = np.take_along_axis(every, sizes[:, None] + np.arange(memory.context), axis=1)
        return found, RemindedCarry(inner, recent)

    def seen(self, teller: Any, carry: Any) -> Tuple[Any, Any]:
        """A net that writes and what it begins with, as a search sees them."""
        if self.memory is None or not isinstance(carry, RemindedCarry):
            return self.shim.seen(teller, carry)
        net, state = self.shim.seen(teller, carry.inner)
        # the search gives the piece read last once more
        recent = np.concatenate([_nothing(len(carry.recent), 1), carry.recent[:, :-1]], axis=1)
        return Reminded(net, self.memory), RemindedState(state, recent)

    def alone(self, teller: Any, carry: Any) -> Optional[Callable[[int], Any]]:
        """One step of a text by itself, where that is quicker."""
        found: Optional[Callable[[int], Any]] = None if self.memory else teller.alone(carry)
        return found


def _vectors_and_nats(net: Any, ids: Any, lengths: Any, places: np.ndarray) -> Read:
    nats, vectors, _ = net.told(ids, lengths, net.begin(len(ids)))
    sides = zip(arrays.array(vectors()), arrays.array(nats), lengths.tolist(), strict=True)
    return [(states[:length].copy(), own[:length].copy()) for states, own, length in sides]


def _nothing(rows: int, context: int) -> np.ndarray:
    return np.full((rows, context), EOS, np.int64)


def _contexts(recent: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """What stands before each piece of rows (B, S) behind others (B, G): (B, S, G)."""
    every = np.concatenate([recent, rows], axis=1)[:, :-1]
    return np.lib.stride_tricks.sliding_window_view(every, recent.shape[1], axis=1)
