"""`seqpipe.Classifier.v1`: the net of a stage that labels whole docs."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, List, cast

from spacy.util import registry
from thinc.api import Model

from seqpipe.errors import SettingError
from seqpipe.models import make_model
from seqpipe.onnx.classifier import CLASSIFIER
from seqpipe.text.codec import PAD, UNK

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
    pooling: Sequence[str],
    word_dropout: float,
    label_smoothing: float,
    chunk: int,
    pairs: int,
    pieces: int,
    joined: Sequence[bool],
    hashed: int,
    classes: int,
    multi_label: bool,
) -> "nn.Module":
    """The classifier of `seqpipe.Classifier.v1`, once its sizes are known."""
    from seqpipe.nets.classifier import Classifier
    from seqpipe.nets.embedding import Embedding
    from seqpipe.nets.encoder import Encoder
    from seqpipe.nets.pooling import make_pool

    encoder = Encoder(
        cell=cell, inputs=embedding, width=width, layers=layers, bidirectional=bidirectional
    )
    pools = [make_pool(p, width=encoder.outputs, bidirectional=bidirectional) for p in pooling]
    vectors = Embedding(
        pieces=pieces, width=embedding, pairs=pairs, joined=joined, pad=PAD, hashed=hashed
    )
    return Classifier(
        embedding=vectors,
        encoder=encoder,
        pools=pools,
        classes=classes,
        multi_label=multi_label,
        word_dropout=word_dropout,
        unknown=UNK,
        label_smoothing=label_smoothing,
        chunk=chunk,
    )


@registry.architectures("seqpipe.Classifier.v1")
def build_classifier(
    cell: str,
    embedding: int,
    width: int,
    layers: int,
    bidirectional: bool,
    pooling: List[str],
    word_dropout: float,
    label_smoothing: float,
    chunk: int,
    pairs: int,
) -> Model[Any, Any]:
    """An embedding, a recurrent encoder, pools side by side, and one linear output."""
    if not pooling:
        raise SettingError("pooling", pooling, "at least one pool, for instance ['attention']")
    make = partial(
        build_net,
        cell=cast("Cell", cell),
        embedding=embedding,
        width=width,
        layers=layers,
        bidirectional=bidirectional,
        pooling=pooling,
        word_dropout=word_dropout,
        label_smoothing=label_smoothing,
        chunk=chunk,
        pairs=pairs,
    )
    return make_model(make, CLASSIFIER)
