"""Labels: which are taken for which, how sure of it, and where it was most wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from spacy.training import Example

from seqpipe.explain.html import section, shown, table
from seqpipe.explain.report.curves import Curve, Panel, figure
from seqpipe.explain.report.kept import Lengths, Room, Worst, held
from seqpipe.explain.report.parts import card, cards, cell, matrix, opened, side
from seqpipe.train.calibration import Reliability, reliability

_BROAD = 20  # labels on a side of a matrix
_BINS = 15  # as many as the score `cats_ece` has
_YES, _NO = "yes", "no"

Cell = tuple[str, str, str]  # the label that is asked for, if each is for itself; truth; answer


@dataclass(frozen=True, slots=True)
class Decision:
    """What was said of a text, and what it is."""

    text: str
    cell: Cell
    sure: float  # of what was said
    doubt: float  # what was left for all else but the truth

    @property
    def right(self) -> bool:
        _, truth, said = self.cell
        return truth == said

    def told(self) -> str:
        label, truth, said = self.cell
        of = f"{label}: " if label else ""
        other = "" if self.right else f", and it is {truth}"
        return f"{of}{said}, sure by {self.sure:.1%}{other}"

    def card(self, room: Room, *, telling: bool) -> str:
        text = side("", shown(room.cut(self.text)))
        return card(self.told() if telling else f"{self.sure:.1%}", [text])


class LabelFindings:
    """One label a doc, or, with `multi_label`, a yes or no to each of them; `fitted` says that
    confidence was fitted to these very docs."""

    def __init__(
        self,
        labels: Sequence[str],
        *,
        multi_label: bool,
        thresholds: Mapping[str, float],
        fitted: bool = False,
    ) -> None:
        self._labels = [*labels]
        self._multi_label = multi_label
        self._thresholds = thresholds  # from which on a label is a yes
        self._fitted = fitted
        self._counts: Counter[Cell] = Counter()
        self._examples: dict[Cell, Worst[Decision]] = {}
        self._worst: Worst[Decision] = Worst()
        self._lengths = Lengths()
        self._sure: list[float] = []
        self._right: list[bool] = []

    def add(self, example: Example) -> None:
        if not example.predicted.cats:
            return
        found = [*(self._each(example) if self._multi_label else self._one(example))]
        for one in found:
            self._sure.append(one.sure)
            self._right.append(one.right)
            self._counts[one.cell] += 1
            examples = self._examples.setdefault(one.cell, Worst(Room().examples))
            # of what is right the least sure, of what is wrong the surest
            examples.add(-one.sure if one.right else one.doubt, one)
            if not one.right:
                self._worst.add(one.doubt, one)
        if found:
            wrong = sum(not one.right for one in found) / len(found)
            self._lengths.add(len(example.reference.text), wrong)

    def _one(self, example: Example) -> Iterator[Decision]:
        gold, said = example.reference.cats, example.predicted.cats
        if max(gold.values(), default=0.0) > 0:  # else nobody tells
            truth = max(gold, key=lambda name: gold[name])
            answer = max(said, key=lambda name: said[name])
            doubt = 1 - said.get(truth, 0.0)
            yield Decision(held(example.reference.text), ("", truth, answer), said[answer], doubt)

    def _each(self, example: Example) -> Iterator[Decision]:
        gold, said = example.reference.cats, example.predicted.cats
        for label in self._labels:
            if label not in gold:
                continue
            likely = said.get(label, 0.0)
            yes, truth = likely >= self._thresholds.get(label, 0.5), gold[label] >= 0.5
            yield Decision(
                held(example.reference.text),
                (label, _YES if truth else _NO, _YES if yes else _NO),
                likely if yes else 1 - likely,
                1 - likely if truth else likely,
            )

    # As sections ----------------------------------------------------------------------------

    def sections(self, room: Room) -> Iterator[str]:
        if not self._sure:
            return
        yield self._confusion(room)
        yield self._confidence()
        yield from self._lengths.sections("Wrong answers by length", "share of wrong answers")
        yield self._mistakes(room)

    def _confusion(self, room: Room) -> str:
        right = sum(self._right)
        told = (
            f"{right:,} of {len(self._right):,} answers are right. A number leads to examples: "
            "of right answers those that were least sure, of wrong ones those that were furthest "
            "off."
        )
        shown_cells = self._shown_cells(room)
        table = self._by_label(shown_cells) if self._multi_label else self._square(shown_cells)
        behind = "\n".join(
            opened(
                f"{_name_of(key)} ({self._counts[key]:,})",
                f'<div id="{anchor}">'
                + cards(
                    one.card(room, telling=False) for one in [*self._examples[key]][: room.examples]
                )
                + "</div>",
            )
            for key, anchor in shown_cells.items()
        )
        return section("What is taken for what", told, [table, behind])

    def _shown_cells(self, room: Room) -> dict[Cell, str]:
        """Those that have their examples in the page: what is wrong, and often, first."""
        order = sorted(self._counts, key=lambda key: (key[1] == key[2], -self._counts[key], key))
        return {key: f"cell-{at}" for at, key in enumerate(order[: room.cells])}

    def _square(self, anchors: Mapping[Cell, str]) -> str:
        """Truth down, answer across; of many labels those that are confused most."""
        names = self._broadest()
        totals: Counter[str] = Counter()
        for (_, truth, _), count in self._counts.items():
            totals[truth] += count
        rows = [
            (
                truth,
                [
                    cell(
                        self._counts["", truth, said],
                        depth=self._counts["", truth, said] / max(totals[truth], 1),
                        right=truth == said,
                        anchor=anchors.get(("", truth, said), ""),
                    )
                    for said in names
                ],
            )
            for truth in names
        ]
        every = {*self._labels, *totals}
        some = f"; the {len(names)} of {len(every):,} labels with most mistakes"
        caption = f"Rows are what it is, columns what was said{some * (len(names) < len(every))}"
        return matrix(caption, names, rows)

    def _broadest(self) -> list[str]:
        """The labels of the matrix, in their order."""
        names = [
            *dict.fromkeys([*self._labels, *(name for key in self._counts for name in key[1:])])
        ]
        wrong: Counter[str] = Counter()
        for (_, truth, said), count in self._counts.items():
            if truth != said:
                wrong[truth] += count
                wrong[said] += count
        kept = {*sorted(names, key=lambda name: -wrong[name])[:_BROAD]}
        return [name for name in names if name in kept]

    def _by_label(self, anchors: Mapping[Cell, str]) -> str:
        """A row a label: with each for itself there is no other label that it is taken for."""
        outcomes = {
            "found": (_YES, _YES),
            "missed": (_YES, _NO),
            "false alarm": (_NO, _YES),
            "rightly left out": (_NO, _NO),
        }

        def wrong(label: str) -> int:
            return self._counts[label, _YES, _NO] + self._counts[label, _NO, _YES]

        names = sorted(self._labels, key=lambda label: -wrong(label))[:_BROAD]
        rows = []
        for label in (name for name in self._labels if name in names):
            keys = [(label, *outcome) for outcome in outcomes.values()]
            total = max(sum(self._counts[key] for key in keys), 1)
            cells = [
                cell(
                    self._counts[key],
                    depth=self._counts[key] / total,
                    right=key[1] == key[2],
                    anchor=anchors.get(key, ""),
                )
                for key in keys
            ]
            rows.append((label, cells))
        some = f", the {len(names)} of {len(self._labels):,} with most mistakes"
        caption = f"Each label for itself{some * (len(names) < len(self._labels))}"
        return matrix(caption, [*outcomes], rows)

    def _confidence(self) -> str:
        found = reliability(np.array(self._sure), np.array(self._right), bins=_BINS)
        told = (
            f"Expected calibration error {found.ece:.4f} over {len(found.count)} bins of equal "
            "width. Of what was said with a confidence of 80%, four of five should be right; below "
            "the line a pipeline is surer than it should be."
        )
        if self._fitted:
            told += (
                " Confidence was fitted to these very texts: of others it is a little less true."
            )
        return section("Confidence", told, [figure(_diagram(found)), opened("Bins", _bins(found))])

    def _mistakes(self, room: Room) -> str:
        items = [one.card(room, telling=True) for one in [*self._worst][: room.rows]]
        if not items:
            return section("Worst mistakes", "None.", [])
        told = f"{len(items):,} of {self._worst.count:,} wrong answers, those furthest off first."
        return section("Worst mistakes", told, [cards(items)])


def _name_of(key: Cell) -> str:
    label, truth, said = key
    of = f"{label}: " if label else ""
    return f"{of}said {said}, and it is" if truth == said else f"{of}said {said}, but it is {truth}"


def _diagram(found: Reliability) -> Panel:
    """A reliability diagram (DeGroot and Fienberg 1983; Guo et al. 2017)."""
    points = [
        (sure, right)
        for sure, right in zip(found.mean_confidence, found.accuracy, strict=True)
        if sure is not None and right is not None
    ]
    curves = [Curve("what was right", points), Curve("as sure as right", [(0.0, 0.0), (1.0, 1.0)])]
    return Panel("Share of right answers", "confidence", curves, linear=True, holds=[0.0, 1.0])


def _bins(found: Reliability) -> str:
    rows = [
        [f"{low:.2f} to {high:.2f}", f"{count:,}", f"{sure:.3f}", f"{right:.3f}"]
        for low, high, count, sure, right in zip(
            found.edges[:-1],
            found.edges[1:],
            found.count,
            found.mean_confidence,
            found.accuracy,
            strict=True,
        )
        if sure is not None and right is not None
    ]
    return table("", ["confidence", "answers", "mean confidence", "right"], rows)
