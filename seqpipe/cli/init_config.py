"""`seqpipe init-config`: a stage's defaults and what was asked for, as a config without gaps."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.cli.train import STAGES
from seqpipe.errors import (
    ColumnMissing,
    ConfigUnfit,
    DataEmpty,
    UsageError,
    listed,
    nearest,
    reason_of,
)

if TYPE_CHECKING:
    from confection import Config

DOTTED = True

_EXAMPLE = """examples:
  python -m seqpipe init-config sentiment --lang en --cell gru --output config.cfg
  python -m seqpipe init-config sentiment --train reviews.csv --label stars > config.cfg
  python -m seqpipe init-config tokenizer --train en_ewt/ --components.tokenizer.words 0
  python -m seqpipe init-config translator --train pairs.csv --source en --target de --size 4000
  python -m seqpipe init-config generator --train poems.jsonl --text poem --unit bpe
  python -m seqpipe init-config sentiment --training.max_epochs 8 --components.sentiment.longest 400

Both `python -m spacy train config.cfg` and `python -m seqpipe train config.cfg` take it."""

# Options with a short name, under the name the config has for them.
_SHORT = {
    "lang": "nlp.lang",
    "cell": "components.{stage}.model.cell",
    "width": "components.{stage}.model.width",
    "layers": "components.{stage}.model.layers",
    "unit": "components.{stage}.codec.unit",
    "size": "components.{stage}.codec.size",
    "seed": "system.seed",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Print a complete config for `spacy train`."
    parser.epilog = _EXAMPLE
    parser.add_argument("stage", metavar="STAGE", help=listed(STAGES))
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="- is stdout (-)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    data = parser.add_argument_group("data")
    data.add_argument("--train", metavar="DATA", help="data set on the hub, folder, file")
    data.add_argument("--dev", metavar="DATA", help="other data to measure on")
    data.add_argument("--text", metavar="COLUMN", help="column of the texts (text)")
    data.add_argument("--label", metavar="COLUMN", help="column of the labels (label)")
    data.add_argument("--tokens", metavar="COLUMN", help="column of the tokens (tokens)")
    data.add_argument("--source", metavar="COLUMN", help="of the texts to translate (source)")
    data.add_argument("--target", metavar="COLUMN", help="of their translations (target)")
    settings = parser.add_argument_group("settings (any other as --dotted.name VALUE)")
    settings.add_argument("--lang", metavar="CODE", help="language of the pipeline (xx: any)")
    settings.add_argument("--cell", choices=["rnn", "lstm", "gru", "mingru"])
    settings.add_argument("--width", type=int, metavar="N", help="of the cell, each way")
    settings.add_argument("--layers", type=int, metavar="N")
    settings.add_argument(
        "--unit", choices=["word", "char", "bpe", "unigram"], help="what a text is cut into"
    )
    settings.add_argument("--size", type=int, metavar="N", help="of the vocabulary, at most")
    settings.add_argument("--seed", type=int, metavar="N")


def run(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    from seqpipe.cli._overrides import parse_overrides
    from seqpipe.files import claim_file, written

    if args.output != "-":
        claim_file(Path(args.output), overwrite=args.overwrite)
    names = {name: place.format(stage=args.stage) for name, place in _SHORT.items()}
    short = {place: getattr(args, name) for name, place in names.items()}
    asked = {place: value for place, value in short.items() if value is not None}
    found = init_config(
        args.stage,
        train=args.train,
        dev=args.dev,
        text=args.text,
        label=args.label,
        tokens=args.tokens,
        source=args.source,
        target=args.target,
        overrides={**asked, **parse_overrides(overrides)},
    )
    config = in_order(found.to_str())
    if args.output == "-":
        print(config)
        return
    with written(Path(args.output)) as beside:
        beside.write_text(config + "\n", encoding="utf-8")
    print(_next_step(args), file=sys.stderr)


def in_order(config: str) -> str:
    """Each section followed by what lies beneath it, as a person would write it."""
    blocks = config.split("\n\n")
    tops = [block.strip("[\n").split("]")[0].split(".")[0] for block in blocks]
    places = {top: place for place, top in reversed(list(enumerate(tops)))}
    order = sorted(range(len(blocks)), key=lambda i: places[tops[i]])
    return "\n\n".join(blocks[i].strip() for i in order)


def _next_step(args: argparse.Namespace) -> str:
    paths = "" if args.train else " --paths.train DATA --paths.dev DATA"
    return f"Train it with: python -m spacy train {args.output} --output {args.stage}{paths}"


def init_config(
    stage: str,
    *,
    train: str | None = None,
    dev: str | None = None,
    text: str | None = None,
    label: str | None = None,
    tokens: str | None = None,
    source: str | None = None,
    target: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Config:
    """The stage's config with every gap filled; filling it again changes nothing."""
    from seqpipe.cli._config import check_kept, config_for

    if stage not in STAGES:
        message = f"There is no stage {stage!r}: there are {listed(STAGES)}."
        raise UsageError(message + nearest(stage, STAGES))
    if dev is not None and train is None:
        raise UsageError("--dev is what to measure on beside --train: name that as well.")
    given = {"text": text, "label": label, "tokens": tokens, "source": source, "target": target}
    columns = {name: value for name, value in given.items() if value}
    settings = {
        f"corpora.{corpus}.{name}": value
        for corpus in ("train", "dev")
        for name, value in columns.items()
    }
    settings |= overrides or {}
    where = columns | ({"dev": dev} if dev is not None else {})
    config = config_for(stage, train, columns=where, overrides=settings)
    if train is not None:
        _look_at(train, config["corpora"]["train"])
    filled = filled_config(config)
    check_kept(filled, settings)
    return filled


def _look_at(train: str, corpus: Mapping[str, Any]) -> None:
    """Finds out now, from the first row, what training would find out later."""
    from seqpipe.cli._config import READ
    from seqpipe.corpora.pairs import open_pairs
    from seqpipe.corpora.sources import column_names, explained, locate, open_split

    source = locate(train)
    if source.docs:
        return
    if corpus["@readers"] == "seqpipe.Pairs.v1":  # its names may be keys of dicts in one column
        open_pairs(
            train,
            split="train",
            source=corpus["source"],
            target=corpus["target"],
            streaming=True,
        )
        return
    with explained(source, "train"):
        columns = column_names(open_split(train, split="train", streaming=True))
    if not columns:
        raise DataEmpty(train)
    for name in READ[corpus["@readers"]]:
        if corpus[name] not in columns:
            raise ColumnMissing(train, corpus[name], columns)


def filled_config(config: Config) -> Config:
    """As `spacy init fill-config` does it, by loading a pipeline twice; looked at as a whole."""
    from spacy.schemas import ConfigSchemaTraining
    from spacy.util import load_model_from_config, registry

    try:
        nlp = load_model_from_config(config, auto_fill=True, validate=False)
        filled: Config = load_model_from_config(nlp.config).config
        plain = filled.interpolate()
        registry.resolve(plain["training"], schema=ConfigSchemaTraining)
        if all(corpus["path"] for corpus in plain["corpora"].values()):
            registry.resolve(plain["corpora"])
    except Exception as error:  # spaCy and confection each fail in their own way
        raise ConfigUnfit(reason_of(error)) from error
    return filled
