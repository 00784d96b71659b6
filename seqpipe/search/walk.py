"""One continuation a row, token by token: the loop under greedy search and sampling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import torch
from torch import Tensor

from seqpipe.search.logits import Bend, Transform
from seqpipe.search.state import (
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
    forced = Prefix(prefix, columns, rows=rows, device=tokens.device)
    bend = Bend(transforms, columns, least=limits.least, end=end)
    history = History(rows, tokens.device, kept=bend.looks_back or limits.stop is not None)
    places = torch.arange(rows, device=tokens.device)
    for length in count(1) if rows else ():
        step = net.step(tokens, state)
        given = step.scores.log_softmax(dim=1, dtype=torch.float32)  # (R, V)
        scores = bend(given, history.so_far) if bend else given
        chosen = choose(scores, places, length - 1)
        if length <= forced.longest:
            must = forced.at(places, length - 1)
            chosen = torch.where(must < 0, chosen, must)
        tokens = columns.pieces(chosen)
        history.add(tokens)
        yield Written(places, tokens, given.gather(1, chosen[:, None])[:, 0], step.attention)
        done = limits.reached(places, history.so_far, length, forced.lengths, tokens == end)
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
    places = torch.cat([step.places for step in written])
    times = torch.cat([torch.full_like(step.places, i) for i, step in enumerate(written)])
    tokens = torch.full((rows, len(written)), end, device=places.device)
    said = torch.cat([step.tokens for step in written])
    tokens[places, times] = said
    gained = torch.cat([step.scores for step in written]).double()
    each = torch.zeros(tokens.shape, dtype=torch.float64, device=places.device)
    each[places, times] = gained
    scores = torch.zeros(rows, dtype=torch.float64, device=places.device)
    scores.index_add_(0, places, gained)
    first = written[0].attention  # (N, S), the widest of all
    looked = None if first is None else first.new_zeros(rows, len(written), first.shape[1])
    for i, step in enumerate(written):
        if looked is not None and step.attention is not None:
            looked[step.places, i, : step.attention.shape[1]] = step.attention
    ended = torch.zeros(rows, dtype=torch.bool, device=places.device)
    ended[places[said == end]] = True
    return found_of(tokens, end, each=each, scores=scores, ended=ended, attention=looked)
