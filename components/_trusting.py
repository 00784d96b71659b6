"""How pairs come to be remembered, and how much is made of them; this needs torch."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, List, Optional, Tuple

import numpy as np

from seqpipe.components._memory import PairMemory, Room
from seqpipe.components._trust import USUAL, Case, Fit, fit_trust, room_of
from seqpipe.search.recalling import Trust, squared
from seqpipe.text.batches import collate_answers, restore
from seqpipe.text.codec import Ids
from seqpipe.text.rows import Rows

if TYPE_CHECKING:
    from torch import Tensor

_SEEN = 4000  # pairs that the room is made from
_FITTED = 2000  # pairs that trust is fitted to, at most
_AT_ONCE = 1024  # pieces whose scores stand in memory


@dataclass(frozen=True)
class Encoded:
    """Pairs by their texts and by the pieces of both sides."""

    pairs: List[Tuple[str, str]]
    rows: List[Ids]
    answers: List[Ids]

    def pick(self, places: Iterable[int]) -> "Encoded":
        at = list(places)
        pairs = [self.pairs[i] for i in at]
        return Encoded(pairs, [self.rows[i] for i in at], [self.answers[i] for i in at])


# Batches of a run over pairs: their places, and for each the vectors (T, D') before its pieces and
# what the net `alone` says of those (T,), where that is asked for.
Told = Iterator[Tuple[np.ndarray, List[Tuple[np.ndarray, np.ndarray]]]]
Run = Callable[..., Told]


def telling(
    answers: Sequence[Ids], *, alone: bool
) -> Callable[..., List[Tuple[np.ndarray, np.ndarray]]]:
    """What `predict_rows` of a holder asks the net for."""
    import torch

    def told(
        net: Any, ids: "Tensor", lengths: "Tensor", places: np.ndarray
    ) -> List[Tuple[np.ndarray, np.ndarray]]:
        targets = torch.from_numpy(collate_answers(answers, places)).to(ids.device)
        vectors, _ = net(ids, lengths, targets)
        real = targets >= 0
        vectors, right = vectors[real].float(), targets[real]
        says = vectors.new_zeros(0)
        if alone:
            weight, bias = net.output_weight().t(), net.bias
            parts = zip(vectors.split(_AT_ONCE), right[:, None].split(_AT_ONCE), strict=True)
            chances = [torch.addmm(bias, x, weight).log_softmax(1).gather(1, y) for x, y in parts]
            says = torch.cat(chances)[:, 0]
        ends = np.cumsum(real.sum(dim=1).cpu().numpy())[:-1]
        sides = (np.split(x.cpu().numpy(), ends) for x in (vectors, says))
        return list(zip(*sides, strict=True))

    return told


def remembering(run: Run, before: Optional[PairMemory], new: Encoded, *, beside: int) -> PairMemory:
    """What was remembered before, and these pairs behind it."""
    room = before.room if before else _room(run, new)
    sources, targets = (Rows.of(side) for side in (new.rows, new.answers))
    keys = np.zeros((len(targets.ids), room.basis.shape[1]), np.int8)
    for places, found in run(new, alone=False):
        for i, (vectors, _) in zip(places, found, strict=True):
            keys[targets.offsets[i] : targets.offsets[i + 1]] = room.kept(vectors)
    if before is None:
        return PairMemory(new.pairs, sources, targets, keys, room, USUAL, beside)
    return PairMemory(
        [*before.pairs, *new.pairs],
        Rows.of([*before.sources, *sources]),
        Rows.of([*before.targets, *targets]),
        np.concatenate([before.keys, keys]),
        room,
        before.trust,
        beside,
    )


def _room(run: Run, pairs: Encoded) -> Room:
    """The directions that vectors of a net differ most in, seen on some pairs."""
    some = pairs.pick(np.random.default_rng(0).permutation(len(pairs.rows))[:_SEEN])
    told = restore(run(some, alone=False), len(some.rows))
    return room_of(np.concatenate([vectors for vectors, _ in told]))


def fitted(run: Run, memory: PairMemory, held: Encoded) -> Tuple[Trust, Fit]:
    """The trust under which pairs that are not remembered are likeliest."""
    held = held.pick(range(min(len(held.rows), _FITTED)))
    cases: List[Case] = []
    for places, found in run(held, alone=True):
        for i, (vectors, says) in zip(places, found, strict=True):
            remembered = memory.of([held.rows[i]])
            pieces = remembered.pieces[0]
            apart = squared(memory.within(vectors), remembered.keys)
            alike = np.where(pieces < 0, 0, remembered.alike[0])[None].repeat(len(says), axis=0)
            right = pieces == held.answers[i][:, None]
            same = bool(remembered.alike.max() >= 1)
            cases.append(Case(says, apart, alike, right, same))
    return fit_trust(cases, held=len(held.rows))
