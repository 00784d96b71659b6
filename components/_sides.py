"""The pieces of both sides of a translator, and how one goes on from an earlier one."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Dict, Iterator, Optional, Tuple

from seqpipe.components._earlier import Earlier
from seqpipe.components._protection import holder_ids
from seqpipe.components._stage import CodecRecipe
from seqpipe.text.codec import Codec
from seqpipe.text.shortlist import Shortlist

if TYPE_CHECKING:
    from torch import Tensor

SOURCE, TARGET, SHORTLIST = "tokenizer.json", "target.json", "shortlist.npy"
_COUNTED = 50_000  # pairs that a shortlist is learned from: more of them change little

Pairs = Callable[[], Iterable[Tuple[str, str]]]


def learn_side(
    recipe: CodecRecipe,
    pairs: Pairs,
    sides: Sequence[int],
    *,
    reserved: Sequence[str],
    path: Optional[str],
    before: Optional[Earlier],
    file: str = SOURCE,
) -> Codec:
    """Out of a file, as an earlier translator has them, or learned from one side or both."""

    def texts() -> Iterator[str]:
        return (pair[side] for pair in pairs() for side in sides)

    def learn() -> Codec:
        return recipe.train(texts(), reserved=reserved)

    codec = Codec.load(path) if path else before.codec(learn, file) if before else learn()
    if reserved:
        holder_ids(codec)  # refuses one without them
    return codec


def learn_shortlist(
    pairs: Pairs, source: Codec, target: Codec, *, best: int, before: Optional[Earlier]
) -> Shortlist:
    """From some pairs; of pieces that they do not show what was known before."""
    some = list(islice(pairs(), _COUNTED))
    sources, targets = (c.encode([p[i] for p in some]) for i, c in enumerate([source, target]))
    learned = Shortlist.learn(sources, targets, size=len(source), best=best)
    known = before.file(SHORTLIST) if before else b""
    return learned.after(Shortlist.from_bytes(known)) if known else learned


def rows_of(before: Earlier, source: Codec, target: Optional[Codec]) -> "Dict[str, Tensor]":
    """Which of its rows each table of the net begins with; without a target both share one."""
    sources = before.pieces(source, SOURCE)
    targets = sources if target is None else before.pieces(target, TARGET)
    tables = dict.fromkeys(["target.weight", "output.weight", "bias"], targets)
    return {"source.weight": sources, **tables}
