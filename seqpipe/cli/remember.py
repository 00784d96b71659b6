"""`seqpipe remember`: pairs that a translator has at hand while it writes."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.errors import FieldMissing, OutputInUse

if TYPE_CHECKING:
    from seqpipe.components._trust import Fit
    from seqpipe.corpora.pairs import Pair

_EXAMPLE = """examples:
  python -m seqpipe remember en-de/model-best pairs.csv --source en --target de
  python -m seqpipe remember en-de/model-best memory.jsonl --held-out none --output en-de-ours
  python -m seqpipe remember en-de-ours more.jsonl --output en-de-ours --overwrite
  python -m seqpipe translate en-de-ours "Two dogs are playing."

What is written is a pipeline like any other. A text is translated beside the remembered pairs whose
sources are most like it; how much is made of them is fitted to pairs that are held out."""

_HELD_OUT = ("validation", "valid", "val", "dev")


@dataclass(frozen=True)
class Remembering:
    """Where it stands, how many pairs it remembers, how many of them are new, and what was fitted,
    if anything was."""

    output: Path
    pairs: int
    new: int
    fit: Fit | None


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Give a translator pairs to translate beside, without training."
    parser.epilog = _EXAMPLE
    parser.add_argument("model", metavar="MODEL", help="folder or package, or user/name on the hub")
    parser.add_argument(
        "data", metavar="DATA", help="data set on the hub, folder, file (.spacy too)"
    )
    parser.add_argument("--source", metavar="COLUMN", help="of the texts (as in training)")
    parser.add_argument("--target", metavar="COLUMN", help="of their translations (as in training)")
    parser.add_argument("--split", help="part to remember (train, or the only one)")
    fitted = "part that trust in them is fitted to (validation, if there is one), or none"
    parser.add_argument("--held-out", metavar="PART", help=fitted)
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="only the first N rows")
    parser.add_argument("--beside", type=int, metavar="N", help="pairs for each text (32)")
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
        split=args.split,
        held_out=args.held_out,
        limit=args.limit,
        beside=args.beside,
        afresh=args.afresh,
        device=args.device,
        overwrite=args.overwrite,
    )
    print(f"{done.pairs:,} pairs remembered, {done.new:,} of them new")
    if done.fit is not None:
        print(
            f"a piece of {done.fit.held:,} pairs held out costs {done.fit.beside:.3f} nats beside "
            f"them, {done.fit.alone:.3f} without"
        )
    print(f"written to {done.output}")


def remember(
    model: str | Path,
    data: str | Path,
    output: str | Path | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    split: str | None = None,
    held_out: str | None = None,
    limit: int = 0,
    beside: int | None = None,
    afresh: bool = False,
    device: str | None = None,
    overwrite: bool = False,
) -> Remembering:
    """Writes a copy of the pipeline whose translator remembers the pairs of one part of the data,
    and what it remembered before, if not `afresh`."""
    from seqpipe.cli._pipeline import learned_from
    from seqpipe.components.translator import TranslatorStage
    from seqpipe.corpora.pairs import open_pairs
    from seqpipe.corpora.sources import splits_of
    from seqpipe.files import claim_folder, written_folder
    from seqpipe.pipelines import fields_of, load_pipeline, one_thread

    data = str(data)
    place = Path(output or f"{Path(str(model).rstrip('/')).name}-memory").expanduser()
    if place.exists() and any(place.iterdir()) and not overwrite:
        raise OutputInUse(place, "--overwrite")
    claim_folder(place.parent)
    nlp = load_pipeline(model, device=device)
    stage = next((pipe for _, pipe in nlp.pipeline if isinstance(pipe, TranslatorStage)), None)
    if stage is None:
        raise FieldMissing("translation", fields_of(nlp))
    learned = learned_from(nlp)
    how: Any = {
        "source": source or learned.get("source", "source"),
        "target": target or learned.get("target", "target"),
        "extension": stage.extension,
    }
    splits = splits_of(data)
    part = split or ("train" if "train" in splits or len(splits) > 1 else splits[0])
    others = [name for name in _HELD_OUT if name in splits and name != part]
    held = None if held_out == "none" else held_out or next(iter(others), None)
    pairs: Iterable[Pair] = open_pairs(data, split=part, limit=limit, **how)
    apart: Iterable[Pair] = open_pairs(data, split=held, **how) if held else ()
    if afresh:
        stage.forget()
    before = len(stage.memory.pairs) if stage.memory else 0
    with one_thread():
        fit = stage.remember(pairs, held_out=apart, beside=beside)
    count = len(stage.memory.pairs) if stage.memory else 0
    with written_folder(place) as folder:
        nlp.to_disk(folder)
    return Remembering(place, count, count - before, fit)
