"""`seqpipe remember`: what a translator or a generator has at hand while it writes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.errors import FieldMissing, OutputInUse

if TYPE_CHECKING:
    from spacy.language import Language

    from seqpipe.components._trust import Fit
    from seqpipe.corpora.pairs import Pair

_EXAMPLE = """examples:
  python -m seqpipe remember en-de/model-best pairs.csv --source en --target de
  python -m seqpipe remember en-de/model-best memory.jsonl --held-out none --output en-de-ours
  python -m seqpipe remember en-de-ours more.jsonl --output en-de-ours --overwrite
  python -m seqpipe translate en-de-ours "Two dogs are playing."
  python -m seqpipe remember verse/model-best poems.jsonl --text poem --output verse-ours

What is written is a pipeline like any other. A text is translated beside the remembered pairs whose
sources are most like it, and gone on with beside the places where the like of its end stands; how
much is made of that is fitted to a part that is held out."""

_HELD_OUT = ("validation", "valid", "val", "dev")


@dataclass(frozen=True)
class Remembering:
    """Where it stands, how many pairs or texts it remembers, how many of them are new, and what
    was fitted, if anything was."""

    output: Path
    kind: str  # pairs or texts
    count: int
    new: int
    fit: Fit | None


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Give a translator pairs, or a generator texts, to write beside."
    parser.epilog = _EXAMPLE
    parser.add_argument("model", metavar="MODEL", help="folder or package, or user/name on the hub")
    parser.add_argument(
        "data", metavar="DATA", help="data set on the hub, folder, file (.spacy too)"
    )
    parser.add_argument("--source", metavar="COLUMN", help="of the texts (as in training)")
    parser.add_argument("--target", metavar="COLUMN", help="of their translations (as in training)")
    column = "of the texts of a generator (as in training)"
    parser.add_argument("--text", metavar="COLUMN", help=column)
    parser.add_argument("--split", help="part to remember (train, or the only one)")
    fitted = "part that trust in them is fitted to (validation, if there is one), or none"
    parser.add_argument("--held-out", metavar="PART", help=fitted)
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="only the first N rows")
    beside = "pairs for each text (32), or places for each piece (128)"
    parser.add_argument("--beside", type=int, metavar="N", help=beside)
    parser.add_argument("--afresh", action="store_true", help="forget what was remembered before")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="where to (MODEL-memory)")
    parser.add_argument("--overwrite", action="store_true", help="replace the output")


def run(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    done = remember(
        args.model,
        args.data,
        args.output,
        source=args.source,
        target=args.target,
        text=args.text,
        split=args.split,
        held_out=args.held_out,
        limit=args.limit,
        beside=args.beside,
        afresh=args.afresh,
        device=args.device,
        overwrite=args.overwrite,
    )
    print(f"{done.count:,} {done.kind} remembered, {done.new:,} of them new")
    if done.fit is not None:
        print(
            f"a piece of {done.fit.held:,} {done.kind} held out costs {done.fit.beside:.3f} nats "
            f"beside them, {done.fit.alone:.3f} without"
        )
    print(f"written to {done.output}")


def remember(
    model: str | Path,
    data: str | Path,
    output: str | Path | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    text: str | None = None,
    split: str | None = None,
    held_out: str | None = None,
    limit: int = 0,
    beside: int | None = None,
    afresh: bool = False,
    device: str | None = None,
    overwrite: bool = False,
) -> Remembering:
    """Writes a copy of the pipeline whose translator remembers the pairs of one part of the data,
    or its generator the texts, and what it remembered before, if not `afresh`."""
    from seqpipe.components.generator import Generator
    from seqpipe.components.translator import TranslatorStage
    from seqpipe.corpora.sources import splits_of
    from seqpipe.files import claim_folder, written_folder
    from seqpipe.pipelines import fields_of, load_pipeline, one_thread

    data = str(data)
    place = Path(output or f"{Path(str(model).rstrip('/')).name}-memory").expanduser()
    if place.exists() and any(place.iterdir()) and not overwrite:
        raise OutputInUse(place, "--overwrite")
    claim_folder(place.parent)
    nlp = load_pipeline(model, device=device)
    pipes: list[Any] = [pipe for _, pipe in nlp.pipeline]
    kinds = (Generator,) if text else (TranslatorStage, Generator)
    stage: Any = next((pipe for kind in kinds for pipe in pipes if isinstance(pipe, kind)), None)
    if stage is None:
        raise FieldMissing("generated" if text else "translation", fields_of(nlp))
    splits = splits_of(data)
    part = split or ("train" if "train" in splits or len(splits) > 1 else splits[0])
    others = [name for name in _HELD_OUT if name in splits and name != part]
    held = None if held_out == "none" else held_out or next(iter(others), None)
    translates = isinstance(stage, TranslatorStage)
    read: Callable[..., Any] = partial(_texts, nlp, data, text)
    if translates:
        read = partial(_pairs, nlp, data, source, target, stage.extension)
    if afresh:
        stage.forget()
    before = _count(stage)
    with one_thread():
        apart = read(held) if held else ()
        fit = stage.remember(read(part, limit=limit), held_out=apart, beside=beside)
    with written_folder(place) as folder:
        nlp.to_disk(folder)
    kind = "pairs" if translates else "texts"
    return Remembering(place, kind, _count(stage), _count(stage) - before, fit)


def _pairs(
    nlp: Language,
    data: str,
    source: str | None,
    target: str | None,
    extension: str,
    split: str,
    limit: int = 0,
) -> Iterable[Pair]:
    from seqpipe.cli._pipeline import learned_from
    from seqpipe.corpora.pairs import open_pairs

    learned = learned_from(nlp)
    return open_pairs(
        data,
        split=split,
        source=source or learned.get("source", "source"),
        target=target or learned.get("target", "target"),
        extension=extension,
        limit=limit,
    )


def _texts(nlp: Language, data: str, text: str | None, split: str, limit: int = 0) -> Iterator[str]:
    """Each as a whole, with the column and the line ends of the training."""
    from seqpipe.cli._pipeline import learned_from
    from seqpipe.corpora.texts import open_texts

    learned = learned_from(nlp)
    if learned.get("@readers") != "seqpipe.RunningText.v1":
        learned = {}
    column = text or learned.get("text", "text")
    join = learned.get("join", "auto")
    held = ""
    for part in open_texts(data, split=split, text=column, limit=limit, join=join):
        held += part.text
        if not part.continues:
            yield held
            held = ""


def _count(stage: Any) -> int:
    """The pairs or the texts that it remembers."""
    return len(stage.memory) if stage.memory else 0
