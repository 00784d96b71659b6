"""What a study varies: for each stage the settings that matter most, and how far each may go.

A name is that of a setting, as `train` takes it; its value is a range of numbers or a list of
choices. Every default of a stage lies in its space, so that a study can begin with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from seqpipe.cli._space import Choice, Range, Space

_TRAINING: Space = {
    "training.optimizer.learn_rate.rate": Range(low=5e-4, high=2e-2, log=True),
    "training.optimizer.L2": Range(low=1e-3, high=0.3, log=True),
}

_SENTIMENT: Space = {
    **_TRAINING,
    "training.dropout": Range(low=0.0, high=0.6),
    "components.sentiment.model.cell": Choice(("mingru", "lstm", "gru")),
    "components.sentiment.model.embedding": Range(low=32, high=128, step=16),
    "components.sentiment.model.width": Range(low=32, high=128, step=16),
    "components.sentiment.model.layers": Range(low=1, high=2),
    "components.sentiment.model.pooling": Choice(
        (["attention", "max"], ["attention"], ["max"], ["mean", "max"], ["last"])
    ),
    "components.sentiment.model.word_dropout": Range(low=0.0, high=0.3),
    "components.sentiment.model.label_smoothing": Range(low=0.0, high=0.2),
    "seqpipe.rows": Choice((16, 32, 64)),
}

_TOKENIZER: Space = {
    **_TRAINING,
    "training.dropout": Range(low=0.0, high=0.5),
    "components.tokenizer.model.cell": Choice(("lstm", "gru")),
    "components.tokenizer.model.embedding": Range(low=16, high=64, step=16),
    "components.tokenizer.model.width": Range(low=32, high=128, step=16),
    "components.tokenizer.model.layers": Range(low=1, high=2),
    "components.tokenizer.model.conv": Range(low=0, high=4),
    "components.tokenizer.model.unit_dropout": Range(low=0.0, high=0.2),
    "components.tokenizer.model.mark_dropout": Range(low=0.0, high=0.3),
    "seqpipe.rows": Choice((4, 8, 16)),
}

_TRANSLATOR: Space = {
    **_TRAINING,
    "training.dropout": Range(low=0.0, high=0.5),
    "components.translator.codec.size": Choice((1000, 2000, 4000, 8000)),
    "components.translator.model.cell": Choice(("lstm", "gru")),
    "components.translator.model.embedding": Range(low=128, high=384, step=64),
    "components.translator.model.width": Range(low=128, high=384, step=64),
    "components.translator.model.decoder_width": Range(low=128, high=384, step=64),
    "components.translator.model.layers": Range(low=1, high=2),
    "components.translator.model.decoder_layers": Range(low=1, high=2),
    "components.translator.model.attention": Choice(("additive", "general")),  # dot binds widths
    "components.translator.model.embedding_dropout": Range(low=0.0, high=0.3),
    "components.translator.model.label_smoothing": Range(low=0.0, high=0.2),
    "seqpipe.rows": Choice((32, 48, 64)),
}

# No L2: the default has none, and a range by ratio does not reach 0.
_GENERATOR: Space = {
    "training.optimizer.learn_rate.rate": _TRAINING["training.optimizer.learn_rate.rate"],
    "training.dropout": Range(low=0.0, high=0.5),
    "components.generator.model.cell": Choice(("lstm", "gru")),
    "components.generator.model.embedding": Range(low=64, high=384, step=64),
    "components.generator.model.width": Range(low=128, high=512, step=64),
    "components.generator.model.layers": Range(low=1, high=2),
    "components.generator.model.embedding_dropout": Range(low=0.0, high=0.3),
    "components.generator.model.weight_dropout": Range(low=0.0, high=0.5),
    "seqpipe.rows": Choice((8, 16, 32)),
}

SPACES: Mapping[str, Space] = {
    "generator": _GENERATOR,
    "sentiment": _SENTIMENT,
    "tokenizer": _TOKENIZER,
    "translator": _TRANSLATOR,
}
