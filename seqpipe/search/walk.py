"""One continuation a row, token by token: the loop under greedy search and sampling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import numpy as np

from seqpipe.search import arrays
from seqpipe.search.arrays import Floats, Held, Ints
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
    def __call__(self, scores: Held, places: Ints, step: int) -> Ints:
        """One column a row (R,), of log-probabilities (R, V) as transforms left them; `places` are
        those of the rows (R,) in the batch that began."""


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What one step wrote; a row whose token is the end wrote nothing and is not seen again."""

    places: Ints  # (R,) of the rows still open, in the batch that began
    tokens: Ints  # (R,)
    scores: Floats  # (R,) the net's own log-probabilities
    attention: Held | None  # (R, S)


def walk(
    net: Net[S],
    state: S,
    choose: Choice,
    *,
    rows: int,
    begin: int | Ints,
    end: int,
    limits: Limits,
    transforms: Sequence[Transform] = (),
    prefix: Sequence[Sequence[int]] | None = None,
) -> Iterator[Written]:
    """Rows that are done leave the batch; `begin` is one token for all or one a row (R,)."""
    tokens = first_tokens(begin, rows)
    columns = Columns(state.pieces)
    forced = Prefix(prefix, columns, rows=rows)
    bend = Bend(transforms, columns, least=limits.least, end=end)
    history = History(rows, kept=bend.looks_back or limits.stop is not None)
    places = np.arange(rows)
    for length in count(1) if rows else ():
        step = net.step(tokens, state)
        given, on = step.scores, arrays.of(step.scores)  # (R, V)
        scores = bend(given, history.so_far) if bend else given
        chosen = choose(scores, places, length - 1)
        if length <= forced.longest:
            must = forced.at(places, length - 1)
            chosen = np.where(must < 0, chosen, must)
        tokens = columns.pieces(chosen)
        history.add(tokens)
        gained = on.array(on.at(given, chosen[:, None]))[:, 0]
        yield Written(places, tokens, gained, step.attention)
        done = limits.reached(places, history.so_far, length, forced.lengths, tokens == end)
        state = step.state
        if done.any():
            (kept,) = (~done).nonzero()
            if not len(kept):
                return
            places, tokens, state = places[kept], tokens[kept], state.pick(kept)
            history.pick(kept)


def collect(steps: Iterable[Written], *, rows: int, end: int) -> list[Found]:
    """What a walk wrote, row by row."""
    written = list(steps)
    if not written:
        return []
    places = np.concatenate([step.places for step in written])
    times = np.repeat(np.arange(len(written)), [len(step.places) for step in written])
    tokens = np.full((rows, len(written)), end)
    said = np.concatenate([step.tokens for step in written])
    tokens[places, times] = said
    gained = np.concatenate([step.scores for step in written]).astype(np.float64)
    each = np.zeros(tokens.shape)
    each[places, times] = gained
    scores = np.zeros(rows)
    np.add.at(scores, places, gained)
    first = written[0].attention  # (N, S), the widest of all
    looked = None if first is None else np.zeros((*tokens.shape, first.shape[1]), np.float32)
    for i, step in enumerate(written):
        if looked is not None and step.attention is not None:
            looked[step.places, i, : step.attention.shape[1]] = arrays.array(step.attention)
    ended = np.zeros(rows, np.bool_)
    ended[places[said == end]] = True
    return found_of(tokens, end, each=each, scores=scores, ended=ended, attention=looked)
