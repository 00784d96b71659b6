"""One continuation a row, token by token: the loop under greedy search and sampling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import torch
from torch import Tensor

from seqpipe.search.logits import Bend, Transform, with_least
from seqpipe.search.state import (
    CLOSED,
    Columns,
    Found,
    History,
    Net,
    Prefix,
    S,
    first_tokens,
    found_of,
)
from seqpipe.search.stops import Limits


class Choice(Protocol):
    def __call__(self, scores: Tensor, places: Tensor, step: int) -> Tensor:
        """One column a row (R,), of log-probabilities (R, V) as transforms left them; `places` are
        those of the rows (R,) in the batch that began."""


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What one step wrote; a row whose token is the end wrote nothing and is not seen again."""

    places: Tensor  # (R,) of the rows still open, in the batch that began
    tokens: Tensor  # (R,)
    scores: Tensor  # (R,) the net's own log-probabilities
    ended: Tensor  # (R,) by the net's word; False where transforms left nothing to say
    attention: Tensor | None  # (R, S)


@torch.inference_mode()
def walk(
    net: Net[S],
    state: S,
    choose: Choice,
    *,
    rows: int,
    begin: int | Tensor,
    end: int,
    limits: Limits,
    transforms: Sequence[Transform] = (),
    prefix: Sequence[Sequence[int]] | None = None,
) -> Iterator[Written]:
    """Rows that are done leave the batch; `begin` is one token for all or one a row (R,), then on
    the device of the net."""
    tokens = first_tokens(begin, rows)
    columns = Columns(state.pieces)
    columns.must_have([end], "end")
    forced = Prefix(prefix, columns, rows=rows, device=tokens.device)
    bend = Bend(with_least(transforms, limits.least, end), columns)
    history = History(rows, tokens.device, kept=bool(bend) or limits.stop is not None)
    places = torch.arange(rows, device=tokens.device)
    for length in count(1) if rows else ():
        step = net.step(tokens, state)
        given = step.scores.log_softmax(dim=1, dtype=torch.float32)  # (R, V)
        scores = bend(given, history.so_far) if bend else given
        chosen = choose(scores, places, length - 1)
        stuck = scores.gather(1, chosen[:, None]).squeeze(1) == CLOSED
        if length <= forced.longest:
            must = forced.at(places, length - 1)
            chosen = torch.where(must < 0, chosen, must)
            stuck &= must < 0
        own = given.gather(1, chosen[:, None]).squeeze(1)
        tokens = columns.pieces(chosen).masked_fill(stuck, end)
        ended = tokens == end
        history.add(tokens)
        yield Written(places, tokens, own.masked_fill(stuck, 0.0), ended & ~stuck, step.attention)
        done = ended | limits.reached(places, history.so_far, length, forced.lengths)
        state = step.state
        if done.any():
            kept = (~done).nonzero().squeeze(1)
            if not len(kept):
                return
            places, tokens, state = places[kept], tokens[kept], state.pick(kept)
            history.pick(kept)


def collect(steps: Iterable[Written], *, rows: int, end: int) -> list[Found]:
    """What a walk wrote, row by row."""
    written = list(steps)
    if not written:
        return []
    device = written[0].tokens.device
    tokens = torch.full((rows, len(written)), end, device=device)
    scores = torch.zeros(rows, dtype=torch.float64, device=device)
    ended = torch.zeros(rows, dtype=torch.bool, device=device)
    first = written[0].attention  # (N, S), the widest of all
    looked = None if first is None else first.new_zeros(rows, len(written), first.shape[1])
    for i, step in enumerate(written):
        tokens[step.places, i] = step.tokens
        scores[step.places] += step.scores
        ended[step.places] = step.ended
        if looked is not None and step.attention is not None:
            looked[step.places, i, : step.attention.shape[1]] = step.attention
    return found_of(tokens, end, scores=scores, ended=ended, attention=looked)
