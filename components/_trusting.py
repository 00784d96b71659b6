"""How pairs come to be remembered, and how much is made of them; this needs torch."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, List, Optional, Tuple

import numpy as np

from seqpipe.components._memory import PairMemory, Room
from seqpipe.search.recalling import Trust
from seqpipe.text.batches import collate_answers, restore
from seqpipe.text.codec import Ids
from seqpipe.text.rows import Rows

if TYPE_CHECKING:
    from torch import Tensor

# What was fitted on the validation parts of Multi30k and Tatoeba lies around it.
USUAL = Trust(weight=4.5, reach=0.085, likeness=2.0, most=0.65)
WIDTH = 64  # numbers of a vector: more change little
_SEEN = 4000  # pairs that the room is made from
_FITTED = 2000  # pairs that trust is fitted to, at most
_SPREAD = 2.0  # of the fitted numbers around the usual ones, before any pair was seen
_MOST = 0.95  # the net is never silenced
_FLOOR = 1e-9
_AT_ONCE = 1024  # pieces whose scores stand in memory
_FAR = 1e6  # a distance at which nothing counts


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


@dataclass(frozen=True)
class Fit:
    """What trust was fitted to: pairs, their pieces, and the nats that a piece costs by the net
    alone and beside what it remembers."""

    pairs: int
    pieces: int
    alone: float
    beside: float


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
    seen = np.concatenate([vectors for vectors, _ in told]).astype(np.float64)
    mean = seen.mean(axis=0)
    apart = seen - mean
    spread, directions = np.linalg.eigh(apart.T @ apart / len(apart))
    spread, basis = spread[-WIDTH:], directions[:, -WIDTH:]
    basis = basis * np.where(basis.sum(axis=0) < 0, -1.0, 1.0)  # as good as its opposite
    basis = basis / np.sqrt(max(2 * spread.sum(), _FLOOR))
    step = max(float(np.abs(apart @ basis).max()), _FLOOR) / 127
    return Room(mean.astype(np.float32), basis.astype(np.float32), step)


def fitted(run: Run, memory: PairMemory, held: Encoded) -> Tuple[Trust, Fit]:
    """The trust under which pairs that are not remembered are likeliest."""
    import torch

    held = held.pick(range(min(len(held.rows), _FITTED)))
    own: List[Any] = []
    far: List[Any] = []
    right: List[Any] = []
    alike: List[Any] = []
    for places, found in run(held, alone=True):
        for i, (vectors, says) in zip(places, found, strict=True):
            remembered = memory.of([held.rows[i]])
            keys, pieces = remembered.keys[0], remembered.pieces[0]
            asked = memory.within(vectors)
            apart = np.square(asked).sum(axis=1, keepdims=True) - 2 * asked @ keys.T
            apart += np.square(keys).sum(axis=1)
            apart[:, pieces < 0] = _FAR
            alike.append(np.log(np.maximum(remembered.alike, _FLOOR)).repeat(len(says), axis=0))
            own.append(says)
            far.append(apart)
            right.append(pieces == held.answers[i][:, None])
    widest = max(apart.shape[1] for apart in far)
    by_net = torch.from_numpy(np.concatenate(own)).double()
    apart_all = torch.from_numpy(_wide(far, widest, _FAR)).clamp(min=0)
    log_alike = torch.from_numpy(_wide(alike, widest, 0.0))
    hits = torch.from_numpy(_wide(right, widest, 0.0))
    most = math.log(USUAL.most / (_MOST - USUAL.most))
    start = [USUAL.weight, math.log(USUAL.reach), math.log(USUAL.likeness), most]
    usual = torch.tensor(start, dtype=torch.float64)
    numbers = usual.clone().requires_grad_()

    def nats() -> "Tensor":
        weight, reach, likeness, most = numbers.unbind()
        weights = torch.exp(weight - apart_all / reach.exp() + likeness.exp() * log_alike)
        mass = weights.sum(dim=1)
        share = _MOST * most.sigmoid() / (1 + mass)
        chance = (1 - share * mass) * by_net.exp() + share * (weights * hits).sum(dim=1)
        return chance.clamp(min=1e-12).log().mean().neg()

    search = torch.optim.LBFGS([numbers], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> "Tensor":
        search.zero_grad()
        # few pieces leave it about as it usually is
        unusual = ((numbers - usual) / _SPREAD).square().sum() / 2
        loss = nats() + unusual / len(by_net)
        loss.backward()
        return loss

    search.step(closure)
    weight, reach, likeness, most = numbers.detach().tolist()
    trust = Trust(weight, math.exp(reach), math.exp(likeness), _MOST / (1 + math.exp(-most)))
    with torch.no_grad():
        return trust, Fit(len(held.rows), len(by_net), -float(by_net.mean()), float(nats()))


def _wide(rows: Sequence[np.ndarray], widest: int, fill: float) -> np.ndarray:
    """(T, K) each, as one of so many columns."""
    wide = [
        np.pad(row.astype(np.float64), [(0, 0), (0, widest - row.shape[1])], constant_values=fill)
        for row in rows
    ]
    return np.concatenate(wide)
