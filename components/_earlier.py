"""What a stage takes over from one of its kind that was trained before."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional

from safetensors import SafetensorError

from seqpipe.errors import EarlierMissing, SettingError
from seqpipe.text.codec import UNK, Codec

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Earlier:
    """A folder that `to_disk` of a trained stage wrote."""

    folder: Path
    cfg: Dict[str, Any]
    weights: "Dict[str, Tensor]"

    @classmethod
    def read(cls, folder: str) -> "Earlier":
        """Refuses what is no trained stage in one sentence."""
        from safetensors.torch import load_file

        path = Path(folder)
        try:
            cfg = json.loads((path / "cfg").read_text(encoding="utf-8"))
            return cls(path, cfg, load_file(path / "model.safetensors"))
        except OSError as error:
            raise EarlierMissing(folder, "weights", "it was never trained") from error
        except (SafetensorError, ValueError) as error:
            raise EarlierMissing(folder, "whole weights", str(error)) from error

    def file(self, name: str) -> bytes:
        """One of those that it was saved with; nothing where it has none of that name."""
        path = self.folder / name
        return path.read_bytes() if path.exists() else b""

    @property
    def settled(self) -> Optional[str]:
        """The file of its pieces, where they spell whatever there is and none is learned."""
        path = str(self.folder / "tokenizer.json")
        return path if Codec.load(path).lossless else None

    @property
    def hashed(self) -> int:
        """By how many pieces its pairs of them are hashed."""
        return int(self.cfg.get("hashed") or len(self.weights["embedding.single.weight"]))

    def codec(self, learn: Callable[[], Codec], name: str = "tokenizer.json") -> Codec:
        """Its pieces, and behind them what is new in those that `learn` gives, if such can be."""
        own = Codec.load(self.folder / name)
        if own.lossless:
            return own
        learned = learn()
        if learned.unit != own.unit:
            raise SettingError("codec.unit", learned.unit, f"{own.unit!r}, as the earlier stage")
        return own.extended(learned.pieces())

    def pieces(self, codec: Codec, name: str = "tokenizer.json") -> "Tensor":
        """Which of its own pieces each begins as: a new one as it was read before, as unknown."""
        return grown(len(Codec.load(self.folder / name)), len(codec), new=UNK)

    def fill(
        self, net: "nn.Module", rows: "Mapping[str, Tensor]", *, kept: Collection[str] = ()
    ) -> None:
        """Gives its weights to a net whose tables are grown as `rows` say; some may be `kept`."""
        from seqpipe.nets.transfer import take_over

        take_over(net, self.weights, rows, kept=kept)


def grown(before: int, now: int, *, new: Optional[int] = None) -> "Tensor":
    """So many rows as they were, and behind them those that begin as one of them, or fresh."""
    import torch

    from seqpipe.nets.transfer import FRESH

    new = FRESH if new is None else new
    return torch.cat([torch.arange(before), torch.full((max(now - before, 0),), new)])


def read_earlier(earlier: Optional[str], **others: Any) -> Optional[Earlier]:
    """The stage to go on from, if there is one; it brings what others would be given for."""
    if earlier is None:
        return None
    for name, value in others.items():
        if value is not None:
            allowed = "null, for the earlier stage brings its own"
            raise SettingError(f"initialize {name}", value, allowed)
    return Earlier.read(earlier)
