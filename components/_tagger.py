"""`seqpipe.Tagger.v1`: the net of a stage that labels characters."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from spacy.util import registry
from thinc.api import Model

from seqpipe.models import make_model
from seqpipe.onnx.tagger import TAGGER
from seqpipe.text import characters

if TYPE_CHECKING:
    from torch import nn

    from seqpipe.nets.cells import Cell


def build_net(
    *,
    cell: "Cell",
    embedding: int,
    width: int,
    layers: int,
    bidirectional: bool,
    conv: int,
    unit_dropout: float,
    mark_dropout: float,
    pairs: int,
    kinds: Sequence[int],
    joined: Sequence[bool],
    hashed: int,
    marks: Sequence[int],
) -> "nn.Module":
    """The tagger of `seqpipe.Tagger.v1`, once its sizes are known."""
    from seqpipe.nets.embedding import Embedding
    from seqpipe.nets.encoder import Encoder
    from seqpipe.nets.tagger import Tagger

    encoder = Encoder(
        cell=cell, inputs=embedding, width=width, layers=layers, bidirectional=bidirectional
    )
    vectors = Embedding(
        pieces=len(kinds),
        width=embedding,
        pairs=pairs,
        joined=joined,
        kinds=kinds,
        marks=marks,
        hashed=hashed,
    )
    return Tagger(
        embedding=vectors,
        encoder=encoder,
        conv=conv,
        unit_dropout=unit_dropout,
        mark_dropout=mark_dropout,
        unknown=len(kinds) - characters.COUNT,
    )


@registry.architectures("seqpipe.Tagger.v1")
def build_tagger(
    cell: str,
    embedding: int,
    width: int,
    layers: int,
    bidirectional: bool,
    conv: int,
    unit_dropout: float,
    mark_dropout: float,
    pairs: int,
) -> Model[Any, Any]:
    """Characters and their kinds, a convolution on wish, a recurrent encoder, one output each."""
    make = partial(
        build_net,
        cell=cast("Cell", cell),
        embedding=embedding,
        width=width,
        layers=layers,
        bidirectional=bidirectional,
        conv=conv,
        unit_dropout=unit_dropout,
        mark_dropout=mark_dropout,
        pairs=pairs,
    )
    return make_model(make, TAGGER)
