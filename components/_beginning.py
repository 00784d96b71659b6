"""What a stage takes over from the generator that it begins as."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Optional

from safetensors import SafetensorError

from seqpipe.errors import GeneratorUnfit, SettingError
from seqpipe.text.codec import Codec

if TYPE_CHECKING:
    from torch import Tensor

    from seqpipe.nets.transfer import Sizes


@dataclass(frozen=True)
class Beginning:
    """A folder that `to_disk` of a trained generator wrote."""

    tokenizer: str
    weights: "Dict[str, Tensor]"
    sizes: "Sizes"

    @classmethod
    def read(cls, folder: str) -> "Beginning":
        """Refuses what is no trained generator in one sentence."""
        from safetensors.torch import load_file

        from seqpipe.nets.transfer import Sizes, vectors_of

        path = Path(folder)
        try:
            weights = load_file(path / "model.safetensors")
        except OSError as error:
            raise GeneratorUnfit(folder, "it has no weights, so it was never trained") from error
        except SafetensorError as error:
            raise GeneratorUnfit(folder, f"its weights are damaged ({error})") from error
        try:
            sizes = Sizes.of(weights)
        except (KeyError, ValueError) as error:
            raise GeneratorUnfit(folder, "its weights are of another kind of net") from error
        tokenizer = str(path / "tokenizer.json")
        pieces, vectors = len(Codec.load(tokenizer)), len(vectors_of(weights))
        if pieces != vectors:
            raise GeneratorUnfit(folder, f"it has {vectors} vectors for {pieces} pieces")
        return cls(tokenizer, weights, sizes)


def read_beginning(generator: Optional[str], tokenizer: Optional[str]) -> Optional[Beginning]:
    """The generator that a stage is to begin as, if it is; its pieces are then the stage's."""
    if generator is None:
        return None
    if tokenizer is not None:
        allowed = "null, for the generator brings its own"
        raise SettingError("initialize tokenizer", tokenizer, allowed)
    return Beginning.read(generator)
