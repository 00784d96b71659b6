"""`seqpipe export`: a pipeline that runs without torch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqpipe.errors import GraphsLacking, OutputInUse

_EXAMPLE = """examples:
  python -m seqpipe export stars/model-best --format onnx
  python -m seqpipe export stars/model-best --format onnx --int8 --output stars-int8
  python -m seqpipe annotate stars-int8 new.jsonl --output annotated.jsonl

What is written is a pipeline like any other, for spacy.load and all commands, whose nets are ONNX
graphs. It cannot be trained further: keep the one that it comes from."""


@dataclass(frozen=True)
class Exported:
    """Where it stands, and its graphs by stage, with their bytes."""

    output: Path
    graphs: dict[str, int]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write a copy of a pipeline that runs without torch."
    parser.epilog = _EXAMPLE
    parser.add_argument("model", metavar="MODEL", help="folder or package, or user/name on the hub")
    parser.add_argument("--format", choices=("onnx",), default="onnx", help="of the nets (onnx)")
    parser.add_argument("--int8", action="store_true", help="weights in 8 bits: smaller, faster")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="where to (MODEL-onnx)")
    parser.add_argument("--overwrite", action="store_true", help="replace the output")


def run(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    done = export(args.model, args.output, int8=args.int8, overwrite=args.overwrite)
    for name, size in done.graphs.items():
        print(f"{name}: {size:,} bytes")
    print(f"written to {done.output}")


def export(
    model: str | Path,
    output: str | Path | None = None,
    *,
    int8: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Writes the pipeline with graphs in place of weights; `int8` rounds what they multiply by."""
    from seqpipe.files import claim_folder, written_folder
    from seqpipe.models import ONNX
    from seqpipe.onnx.rounding import rounded
    from seqpipe.onnx.shim import GraphShim
    from seqpipe.pipelines import load_pipeline, stages_of

    place = Path(output or f"{Path(str(model).rstrip('/')).name}-onnx").expanduser()
    if place.exists() and any(place.iterdir()) and not overwrite:
        raise OutputInUse(place, "--overwrite")
    claim_folder(place.parent)
    nlp = load_pipeline(model, device=ONNX)
    sizes: dict[str, int] = {}
    for name, pipe in stages_of(nlp):
        shim = pipe.shim
        if isinstance(shim, GraphShim) and int8:
            shim.hold({graph: rounded(data) for graph, data in shim.graphs.items()})
        sizes |= {f"{name}/{file}": len(data()) for file, data in shim.files().items()}
    if not sizes:
        raise GraphsLacking(f"{str(model)!r}, which has no stage of seqpipe")
    with written_folder(place) as beside:
        nlp.to_disk(beside)
    return Exported(place, sizes)
