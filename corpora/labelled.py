"""Texts with their labels, out of any table, whatever the labels look like there."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from seqpipe.corpora.sources import carve, open_split
from seqpipe.corpora.walk import Columns, Walk
from seqpipe.errors import DataEmpty, SettingError
from seqpipe.text.portions import Place, Portion
from seqpipe.text.probabilities import probabilities_in

if TYPE_CHECKING:
    from seqpipe.corpora.sources import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One text and the names of its labels: one, several, or none in a multi-label table.

    `shares` are the probabilities of the labels, where the table has such.
    """

    text: str
    labels: tuple[str, ...]
    shares: tuple[float, ...] = ()

    def cats(self) -> dict[str, float]:
        """As a doc has them."""
        if self.shares:
            return dict(zip(self.labels, self.shares, strict=True))
        return dict.fromkeys(self.labels, 1.0)


def labelled_rows(
    data: str,
    *,
    split: str,
    text: str = "text",
    label: str | None = "label",
    labels: Sequence[str] = (),
    streaming: bool = False,
    limit: int = 0,
    revision: str | None = None,
    without: float = 0.0,
    only: float = 0.0,
) -> LabelledRows:
    """The labelled rows of one part of a data set; with `label=None` its texts alone.

    `labels` are those that a list of probabilities in the column stands for, in this order.
    `without` and `only` cut the part in two, the same way in every run.
    """
    table = open_part(
        data, split=split, streaming=streaming, revision=revision, without=without, only=only
    )
    return LabelledRows(table, data=data, text=text, label=label, labels=labels, limit=limit)


def open_part(
    data: str, *, split: str, streaming: bool, revision: str | None, without: float, only: float
) -> Table:
    """One part of a data set, or what is left of it, or held out."""
    table = open_split(data, split=split, streaming=streaming, revision=revision)
    share = cut(without, only)
    if not share:
        return table
    if not hasattr(table, "num_rows"):
        raise SettingError("streaming", True, "false where a part is cut in two")
    kept, held = carve(table, share=share)
    return kept if without else held


def cut(without: float, only: float) -> float:
    """The share held out of a part, by whichever of the two names it was given; 0 for none."""
    share = without or only
    if (without and only) or not 0 <= share < 1:
        raise SettingError("without, only", (without, only), "one of them, between 0 and 1")
    return share


class LabelledRows:
    """The usable rows of a table, walked as often as asked for; what is skipped is counted.

    `limit` counts the table's first rows, skipped ones included. `skipped` holds the count of
    the last walk; the first walk that skips anything says so once, at its end.
    """

    def __init__(
        self,
        table: Table,
        *,
        data: str,
        text: str = "text",
        label: str | None = "label",
        labels: Sequence[str] = (),
        limit: int = 0,
    ) -> None:
        self._columns = [text] if label is None else list(dict.fromkeys([text, label]))
        self._walk = Walk(table, data=data, needed=self._columns, limit=limit)
        self.data, self.text, self.label, self.limit = data, text, label, limit
        self.streaming = self._walk.streaming
        self.skipped = 0
        self._warned = False
        self._of_shares = tuple(labels)
        named = label_names(table, label) if label else ()
        self._known = self._of_shares or named
        self._name = _namer(named)

    def __iter__(self) -> Iterator[Row]:
        return self._usable(self._walk.in_order(self._columns))

    def shuffled(self, *, seed: int, epoch: int = 0, buffer: int = 10_000) -> Iterator[Row]:
        """Every row once, in an order that (seed, epoch) decide; a stream fills a buffer."""
        walk, columns = self._walk, self._columns
        return walk.shuffled(columns, self._usable, seed=seed, epoch=epoch, buffer=buffer)

    def portions(
        self, random: np.random.Generator | None, *, size: int, at: Place
    ) -> Iterator[Portion[Row]]:
        """As `Walk.portions` has them; one of them may hold nothing."""
        usable = partial(self._usable, some=True)
        return self._walk.portions(self._columns, usable, random, size=size, at=at)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """All names: a ClassLabel's, else those found in the column, else (a stream) none."""
        if self.label is None:
            return ()
        if self._known or self.streaming:  # a stream is not walked twice for its labels
            return self._known
        values = (v for part in self._walk.in_order([self.label]) for v in part[self.label])
        rows = (self._row("", value) for value in values)
        found = {name for row in rows for name in (row.labels if row else ())}
        return tuple(_sorted(found))

    def _usable(self, batches: Iterator[Columns], *, some: bool = False) -> Iterator[Row]:
        seen = kept = 0
        for batch in batches:
            texts = batch[self.text]
            labels = [()] * len(texts) if self.label is None else batch[self.label]
            for text, value in zip(texts, labels, strict=True):
                row = self._row(text, value) if isinstance(text, str) else None
                if row is not None:
                    kept += 1
                    yield row
            seen += len(texts)
        self._account(seen, kept, some=some)

    def _row(self, text: str, value: Any) -> Row | None:
        if self._of_shares or isinstance(value, (dict, str)):
            shares = probabilities_in(value, self._of_shares, text=text)
            if shares is not None:
                return Row(text, tuple(shares), tuple(shares.values()))
        names = None if isinstance(value, dict) else _labels(value, self._name)
        return None if names is None else Row(text, names)

    def _account(self, seen: int, kept: int, *, some: bool) -> None:
        wanted = f"text in {self.text!r}" + (f" and label in {self.label!r}" if self.label else "")
        if not kept and not some:
            raise DataEmpty(self.data, f"row with a {wanted}")
        self.skipped = seen - kept
        if self.skipped and not self._warned:
            self._warned = True
            message = f"{self.data!r}: {self.skipped} of {seen} rows skipped, without {wanted}."
            warnings.warn(message, stacklevel=2)


def label_names(table: Table, column: str) -> tuple[str, ...]:
    """The names a ClassLabel column, or a list of them, carries; nothing for any other."""
    feature = (table.features or {}).get(column)
    if isinstance(feature, list):
        feature = feature[0]
    inner = getattr(feature, "feature", feature)
    return tuple(getattr(inner, "names", None) or ())


def _namer(names: Sequence[str]) -> Callable[[Any], str | None]:
    """From a value of the column to its label, or None for one that says nothing."""
    if not names:
        return _plain
    return lambda value: (
        names[value] if isinstance(value, int) and 0 <= value < len(names) else None
    )


def _plain(value: Any) -> str | None:
    if isinstance(value, float):  # 1.0 is what a column with gaps makes of 1
        whole = str(int(value)) if value.is_integer() else str(value)
        return whole if isfinite(value) else None
    if isinstance(value, str):
        return value if value.strip() else None
    return str(value) if isinstance(value, (bool, int)) else None


def _labels(value: Any, name: Callable[[Any], str | None]) -> tuple[str, ...] | None:
    """All labels of a row in their order, or None when one of them is unusable."""
    values = value if isinstance(value, (list, tuple)) else [value]
    found = [name(one) for one in values]
    kept = [one for one in found if one is not None]
    return tuple(dict.fromkeys(kept)) if len(kept) == len(found) else None


def _sorted(names: set[str]) -> list[str]:
    numeric = all(re.fullmatch(r"-?\d+(\.\d+)?", name) for name in names)
    return sorted(names, key=float) if numeric else sorted(names)
