"""`seqpipe.LanguageModel.v1`: the net of a stage that continues texts and measures them."""

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from spacy.util import registry
from thinc.api import Model

from seqpipe.models import make_model
from seqpipe.onnx.language_model import LANGUAGE_MODEL

if TYPE_CHECKING:
    from torch import nn

    from seqpipe.nets.cells import Cell


def build_net(
    *,
    cell: "Cell",
    embedding: int,
    width: int,
    layers: int,
    tie_output: bool,
    piece_dropout: float,
    embedding_dropout: float,
    weight_dropout: float,
    activation: float,
    change: float,
    sampled_softmax: int,
    pieces: int,
) -> "nn.Module":
    """The net of `seqpipe.LanguageModel.v1`, once its size is known."""
    from seqpipe.nets.language_model import LanguageModel

    return LanguageModel(
        pieces=pieces,
        cell=cell,
        embedding=embedding,
        width=width,
        layers=layers,
        tie_output=tie_output,
        piece_dropout=piece_dropout,
        embedding_dropout=embedding_dropout,
        weight_dropout=weight_dropout,
        activation=activation,
        change=change,
        sampled_softmax=sampled_softmax,
    )


@registry.architectures("seqpipe.LanguageModel.v1")
def build_language_model(
    cell: str,
    embedding: int,
    width: int,
    layers: int,
    tie_output: bool,
    piece_dropout: float,
    embedding_dropout: float,
    weight_dropout: float,
    activation: float,
    change: float,
    sampled_softmax: int = 0,
) -> Model[Any, Any]:
    """Recurrent layers over pieces, with the regularizers of the AWD-LSTM, each off at 0."""
    make = partial(
        build_net,
        cell=cast("Cell", cell),
        embedding=embedding,
        width=width,
        layers=layers,
        tie_output=tie_output,
        piece_dropout=piece_dropout,
        embedding_dropout=embedding_dropout,
        weight_dropout=weight_dropout,
        activation=activation,
        change=change,
        sampled_softmax=sampled_softmax,
    )
    return make_model(make, LANGUAGE_MODEL)
