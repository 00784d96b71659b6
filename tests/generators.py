"""Weights of a language model, and the folder of a pipeline that holds them, without training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from seqpipe.nets.cells import Cell, Recurrent, make_cell
from seqpipe.nets.embedding import Pieces
from seqpipe.text.codec import Codec, Unit

SIZES: dict[str, Any] = {"cell": "gru", "embedding": 6, "width": 5, "layers": 2}


class Onward(nn.Module):
    """The part of a language model that reads."""

    def __init__(self, *, pieces: int, cell: Cell, embedding: int, width: int, layers: int) -> None:
        super().__init__()
        sizes = [embedding] + [width] * (layers - 1)
        self.pieces = Pieces(pieces, embedding)
        self.layers = nn.ModuleList(make_cell(cell, inputs=d, width=width) for d in sizes)
        with torch.no_grad():
            for weight in self.parameters():  # fresh biases are zero, and would hide a mistake
                weight.uniform_(-0.7, 0.7)

    @torch.no_grad()
    def states(self, ids: Tensor) -> Tensor:
        """Of the highest layer: (B, S, H)."""
        x: Tensor = self.pieces(ids)
        for layer in self.layers:
            x = cast(Recurrent, layer)(x)[0]
        return x

    def weights(self) -> dict[str, Tensor]:
        return {name: weight.detach().clone() for name, weight in self.named_parameters()}


def write_generator(
    folder: Path, texts: list[str], *, unit: Unit = "char", name: str = "generator", **sizes: Any
) -> Path:
    """What `nlp.to_disk` leaves of a pipeline with a generator, as far as others read it."""
    sizes = {**SIZES, **sizes}
    codec = {"unit": unit, "size": 300, "min_count": 1, "lower": False}
    learned = Codec.train(texts, unit=unit, size=300, min_count=1, lower=False)
    own = folder / name
    own.mkdir(parents=True)
    learned.save(own / "tokenizer.json")
    torch.manual_seed(1)
    weights = Onward(pieces=len(learned), **sizes).weights()
    save_file({**weights, "bias": torch.zeros(len(learned))}, own / "model.safetensors")
    blocks: dict[str, dict[str, Any]] = {
        f"components.{name}": {"factory": "seqpipe_generator"},
        f"components.{name}.codec": {"@misc": "seqpipe.Codec.v1", **codec},
        f"components.{name}.model": {"@architectures": "seqpipe.LanguageModel.v1", **sizes},
    }
    lines = ['[nlp]\nlang = "en"\npipeline = ' + json.dumps([name]), "[components]"]
    for block, settings in blocks.items():
        told = "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
        lines.append(f"[{block}]\n{told}")
    (folder / "config.cfg").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    (folder / "meta.json").write_text(json.dumps({"lang": "en", "name": "pipeline"}))
    return folder
