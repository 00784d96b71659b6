"""`seqpipe serve`: a playground in the browser for one pipeline or several."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqpipe.errors import UsageError

if TYPE_CHECKING:
    from spacy.language import Language

_EXAMPLE = """examples:
  python -m seqpipe serve stars/model-best
  python -m seqpipe serve seqpipe-demo/*/model-best --port 0

Open the address that it prints and type a text. Ctrl-C ends it."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Open a page in the browser that shows what each stage makes of a text while it is typed."
    )
    parser.epilog = _EXAMPLE
    parser.add_argument("models", metavar="MODEL", nargs="+", help="folders or packages")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="H",
        help="address to answer at (127.0.0.1: this machine alone)",
    )
    parser.add_argument("--port", type=int, metavar="N", help="0 has one picked (8765)")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:1")


def run(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    from seqpipe.explain.playground import PORT, serve

    port = PORT if args.port is None else args.port
    serve(named(args.models, device=args.device), host=args.host, port=port)


def named(models: Sequence[str], *, device: str | None = None) -> dict[str, Language]:
    """Each pipeline by the folder of its run; a single one needs no name."""
    from seqpipe.pipelines import load_pipeline

    names = [""] if len(models) == 1 else [_name(model) for model in models]
    if len({*names}) < len(names):
        names = [*models]
    if len({*names}) < len(names):
        raise UsageError("Each MODEL is given once.")
    loaded = (load_pipeline(model, device=device) for model in models)
    return dict(zip(names, loaded, strict=True))


def _name(model: str) -> str:
    path = Path(model)
    return path.parent.name or model if path.name in ("model-best", "model-last") else path.name
