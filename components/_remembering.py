"""A stage that translates beside pairs that it remembers."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, List, Optional, Tuple

import numpy as np

from seqpipe.components._memory import PairMemory, Recalled
from seqpipe.components._mindful import Mindful
from seqpipe.components._protection import Protection
from seqpipe.components._stage import Lessons
from seqpipe.components._trust import Fit
from seqpipe.components._trusting import Encoded, Told, fitted, remembering, telling
from seqpipe.errors import DataEmpty
from seqpipe.search import arrays
from seqpipe.search.recalling import Recalling, RecallingState, Remembered
from seqpipe.text.codec import EOS, Codec, Ids

_BESIDE = 32  # remembered pairs that a source is translated beside
_SHOWN = 3  # of them that are told


class RememberingStage(Mindful):
    """Between two texts; what it remembers is saved with it."""

    extension: str
    protection: Protection
    memory: Optional[PairMemory] = None

    def load_extra(self, name: str, data: bytes) -> None:
        self.memory = PairMemory.from_bytes(data) if data else None

    def _target(self) -> Codec:
        """The pieces that are written."""
        raise NotImplementedError

    def remember(
        self,
        pairs: Iterable[Tuple[str, str]],
        *,
        held_out: Iterable[Tuple[str, str]] = (),
        beside: Optional[int] = None,
    ) -> Optional[Fit]:
        """From now on a text is translated beside those of these pairs, and of all that were
        remembered before, whose sources are most like it: `beside` says how many (32).

        How much is made of them is fitted to pairs that are held out; without such it stays as it
        was. Pairs too long for the net are left out. Learning changes what this rests on: a stage
        that learns forgets.
        """
        most = self.how_many(beside, usual=_BESIDE)
        before = self.memory
        known = set(before.pairs if before else ())
        every = dict.fromkeys((source, target) for source, target in pairs)
        new = self._encoded([pair for pair in every if pair not in known])
        if not new.pairs and not before:
            raise DataEmpty("what is to be remembered", "pair with text on both sides")
        memory = remembering(self._told, before, new, beside=most)
        held = self._encoded(held_out)
        fit = None
        if held.pairs:
            trust, fit = fitted(self._told, memory, held)
            memory = replace(memory, trust=trust)
        self.memory = memory
        return fit

    def recalled(self, text: str, count: int = _SHOWN) -> List[Recalled]:
        """The remembered pairs that a text is translated beside, those most like it first."""
        return self._recalled([self.protection.mask_text(text).text], count)

    def learn(self, lessons: Lessons, **how: Any) -> float:
        self.learns()
        return super().learn(lessons, **how)

    def remembered(self, ids: Any, lengths: Any) -> Optional[Remembered]:
        """Beside the sources of a batch, if anything is."""
        if self.memory is None:
            return None
        rows = zip(arrays.array(ids).astype(np.int32), lengths.tolist(), strict=True)
        return self.memory.of([row[:length] for row, length in rows])

    def beside(self, net: Any, state: Any, remembered: Optional[Remembered]) -> Tuple[Any, Any]:
        """A net that writes and what it begins with, as a search sees them beside that."""
        if self.memory is None or remembered is None:
            return net, state
        return Recalling(net, self.memory), RecallingState.of(state, remembered)

    def write_recalled(self, at: Any, texts: Sequence[str]) -> None:
        """Tells what the parts of a doc, or of another unit, were translated beside."""
        if self.memory is not None:
            found = [asdict(each) for each in self._recalled(texts, _SHOWN)]
            at._.set(f"{self.extension}_recalled", found)

    def _recalled(self, texts: Sequence[str], count: int) -> List[Recalled]:
        memory, found = self.memory, list[Recalled]()
        if memory is None:
            return found
        for row in self.closed(self._codec(), texts):
            places, likeness = memory.nearest(row)
            for place, alike in zip(places[:count].tolist(), likeness.tolist(), strict=False):
                source, target = memory.pairs[place]
                found.append(Recalled(source, target, round(alike, 4)))
        return found

    def closed(self, codec: Codec, texts: Sequence[str]) -> List[Ids]:
        """The pieces of each text and the sign of its end."""
        return [np.append(ids, np.int32(EOS)) for ids in codec.encode(texts)]

    def fitting(self, pairs: Sequence[Tuple[str, str]]) -> Tuple[List[Ids], List[Ids], List[int]]:
        """The rows of both sides of those that are not too long for the net, and their places."""
        rows = self.closed(self._codec(), [source for source, _ in pairs])
        answers = self.closed(self._target(), [target for _, target in pairs])
        most = self.longest or max(map(len, [*rows, *answers]), default=0)
        short = [i for i in range(len(rows)) if max(len(rows[i]), len(answers[i])) <= most + 1]
        return [rows[i] for i in short], [answers[i] for i in short], short

    def _encoded(self, pairs: Iterable[Tuple[str, str]]) -> Encoded:
        """Those that hold text and are not too long for the net."""
        kept = [(s, t) for s, t in pairs if s.strip() and t.strip()]
        masked = [self.protection.lesson(self.protection.mask_text(s), t) for s, t in kept]
        rows, answers, short = self.fitting(masked)
        return Encoded([kept[i] for i in short], rows, answers)

    def _told(self, encoded: Encoded, *, alone: bool) -> Told:
        return self.shim.predict_rows(
            encoded.rows,
            budget=self.buckets.budget,
            rows=self.buckets.rows,
            predict=telling(encoded.answers, alone=alone),
        )
