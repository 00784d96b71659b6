"""What a tokenizer knows besides its characters, and how one goes on from an earlier one."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, List, Optional

from seqpipe.components._earlier import Earlier
from seqpipe.text import characters
from seqpipe.text.characters import kind_of
from seqpipe.text.codec import UNK, Codec
from seqpipe.text.lexicon import MARKS, Lexicon, Runs

if TYPE_CHECKING:
    from torch import Tensor, nn

_MARK = "embedding.mark."


@dataclass(frozen=True)
class Known:
    """Words and runs with their counts, and what the data was like."""

    words: "Counter[str]"
    runs: Runs
    spaces: bool
    sentences: bool
    lexicon: bool  # whether words are marked

    @classmethod
    def by(cls, before: Optional[Earlier]) -> "Known":
        """To an earlier tokenizer, or to none."""
        if before is None:
            return cls(Counter(), Runs({}), False, False, False)
        cfg, words = before.cfg, Lexicon.from_bytes(before.file("lexicon.txt")).counts
        runs = Runs.from_bytes(before.file("words.txt"))
        return cls(Counter(words), runs, cfg["spaces"], cfg["sentences"], cfg["lexicon"])

    @property
    def sorts(self) -> List[str]:
        """Of the marks that a character may bear, in their order."""
        return ["word"] * self.lexicon + ["run"] * bool(len(self.runs))


def go_on(net: "nn.Module", before: Earlier, codec: Codec, now: Known) -> None:
    """Gives a net the weights of an earlier tokenizer, whatever it knows besides."""
    import torch

    from seqpipe.nets.transfer import FRESH

    none = torch.empty(0)  # of a table that the earlier one has not
    old = Known.by(before)
    weights = {name: w for name, w in before.weights.items() if not name.startswith(_MARK)}
    rows = {"embedding.single.weight": _characters(before, codec)}
    numbers = {word: number for number, word in enumerate(old.runs.counts, 1)}
    runs = torch.tensor([0, *(numbers.get(word, FRESH) for word in now.runs.counts)])
    own = {"word": torch.arange(MARKS), "run": runs}
    for at, sort in enumerate(now.sorts):
        name = f"{_MARK}{at}.weight"
        rows[name] = own[sort] if sort in old.sorts else none
        if sort in old.sorts:  # its table may have stood elsewhere
            weights[name] = before.weights[f"{_MARK}{old.sorts.index(sort)}.weight"]
    if "embedding.pair.weight" not in weights:
        rows["embedding.pair.weight"] = none  # pairs may be worth a table by now
    replace(before, weights=weights).fill(net, rows)


def _characters(before: Earlier, codec: Codec) -> "Tensor":
    """What was unknown was read by its kind, and a new character begins as that."""
    import torch

    count = len(Codec.load(before.folder / "tokenizer.json"))
    new = [count + kind_of(p) if len(p) == 1 else UNK for p in codec.pieces()[count:]]
    return torch.tensor([*range(count), *new, *range(count, count + characters.COUNT)])
