"""`seqpipe.Translator.v1`: the net of a stage that makes one text of another."""

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from spacy.util import registry
from thinc.api import Model

from seqpipe.errors import SettingError
from seqpipe.models import make_model
from seqpipe.onnx.translator import TRANSLATOR

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
    decoder_width: int,
    decoder_layers: int,
    attention: str,
    feeding: bool,
    tie_source: bool,
    tie_output: bool,
    embedding_dropout: float,
    piece_dropout: float,
    weight_dropout: float,
    label_smoothing: float,
    sampled_softmax: int,
    sources: int,
    targets: int,
    joint: bool,
) -> "nn.Module":
    """The encoder-decoder of `seqpipe.Translator.v1`, once its sizes are known."""
    from seqpipe.nets.decoder import Decoder
    from seqpipe.nets.encoder import Encoder
    from seqpipe.nets.translator import Translator

    if tie_source and not joint:
        raise SettingError("model.tie_source", True, "false where the target has its own codec")
    encoder = Encoder(
        cell=cell,
        inputs=embedding,
        width=width,
        layers=layers,
        bidirectional=bidirectional,
        weight_dropout=weight_dropout,
    )
    decoder = Decoder(
        cell=cell,
        inputs=embedding,
        width=decoder_width,
        layers=decoder_layers,
        memory=encoder.outputs,
        attention=attention,
        feeding=feeding,
        weight_dropout=weight_dropout,
    )
    return Translator(
        sources=sources,
        targets=targets,
        encoder=encoder,
        decoder=decoder,
        tie_source=tie_source,
        tie_output=tie_output,
        embedding_dropout=embedding_dropout,
        piece_dropout=piece_dropout,
        label_smoothing=label_smoothing,
        sampled_softmax=sampled_softmax,
    )


@registry.architectures("seqpipe.Translator.v1")
def build_translator(
    cell: str,
    embedding: int,
    width: int,
    layers: int,
    bidirectional: bool,
    decoder_width: int,
    decoder_layers: int,
    attention: str,
    feeding: bool,
    tie_source: bool,
    tie_output: bool,
    embedding_dropout: float,
    piece_dropout: float,
    weight_dropout: float,
    label_smoothing: float,
    sampled_softmax: int = 0,
) -> Model[Any, Any]:
    """A recurrent encoder, attention, a recurrent decoder, and embeddings that may be shared."""
    make = partial(
        build_net,
        cell=cast("Cell", cell),
        embedding=embedding,
        width=width,
        layers=layers,
        bidirectional=bidirectional,
        decoder_width=decoder_width,
        decoder_layers=decoder_layers,
        attention=attention,
        feeding=feeding,
        tie_source=tie_source,
        tie_output=tie_output,
        embedding_dropout=embedding_dropout,
        piece_dropout=piece_dropout,
        weight_dropout=weight_dropout,
        label_smoothing=label_smoothing,
        sampled_softmax=sampled_softmax,
    )
    return make_model(make, TRANSLATOR)
