"""`seqpipe translate`: one text, or a file of lines, through a translator."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.errors import UsageError

if TYPE_CHECKING:
    from seqpipe.components._translation import Translation

_AT_ONCE = 256  # lines: translated side by side, then put out

_EXAMPLE = """examples:
  python -m seqpipe translate en-de/model-best "Two dogs are playing."
  python -m seqpipe translate en-de/model-best --file lines.txt --beam 1 > lines.de
  python -m seqpipe translate en-de/model-best "The cat sleeps." --nbest 3 --json
  python -m seqpipe translate en-de/model-best "The cat sleeps." --confidence
  cat lines.txt | python -m seqpipe translate en-de/model-best --file -

A file has a text a line, and so has what is put out; an empty line stays empty."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Translate a text, or a file line by line."
    parser.epilog = _EXAMPLE
    parser.add_argument("model", metavar="MODEL", help="folder or package, or user/name on the hub")
    parser.add_argument("text", metavar="TEXT", nargs="?", help="what to translate")
    parser.add_argument("--file", metavar="FILE", help="a text a line; - is stdin")
    parser.add_argument(
        "--json", action="store_true", help="an object a line, with scores, alignment, confidence"
    )
    told = "behind each translation, and a tab, its words with their probabilities"
    parser.add_argument("--confidence", action="store_true", help=told)
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:1")
    search = parser.add_argument_group("search (else as the model has it)")
    search.add_argument("--beam", type=int, metavar="N", help="hypotheses side by side; 1: greedy")
    search.add_argument("--nbest", type=int, metavar="N", help="so many translations of each text")
    search.add_argument("--length-penalty", type=float, metavar="X", help="above 0 for longer ones")
    search.add_argument("--coverage-penalty", type=float, metavar="X", help="for leaving parts out")
    search.add_argument("--max-length", type=int, metavar="N", help="pieces at most")
    search.add_argument("--min-length", type=int, metavar="N", help="pieces at least")
    search.add_argument("--no-repeat", type=int, metavar="N", help="no N pieces twice")
    search.add_argument("--repetition-penalty", type=float, metavar="X", help="above 1 to vary")
    search.add_argument("--temperature", type=float, metavar="X", help="draw, at this heat")
    search.add_argument("--seed", type=int, metavar="N", help="of what is drawn")
    search.add_argument("--prefix", metavar="TEXT", default="", help="what all begin with")
    search.add_argument(
        "--require", metavar="WORD", action="append", default=[], help="must be in all (repeatable)"
    )
    search.add_argument(
        "--forbid", metavar="WORD", action="append", default=[], help="in none (repeatable)"
    )


_SEARCH = (
    "beam",
    "nbest",
    "length_penalty",
    "coverage_penalty",
    "max_length",
    "min_length",
    "no_repeat",
    "repetition_penalty",
    "temperature",
    "seed",
)


def run(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    from seqpipe.cli._pipeline import read_lines

    if (args.text is None) == (args.file is None):
        raise UsageError("Give one text to translate, or a file of them with --file.")
    texts = [args.text] if args.file is None else read_lines(args.file)
    settings = {name: getattr(args, name) for name in _SEARCH}
    if args.temperature is not None:
        settings["sampling"] = True
    if (args.nbest or 1) > 1 and args.beam is None and args.temperature is None:
        settings["beam"] = max(args.nbest, 5)
    for text, found in translate(
        args.model,
        texts,
        device=args.device,
        prefix=args.prefix,
        required=args.require,
        forbidden=args.forbid,
        **settings,
    ):
        print(_as_json(text, found) if args.json else _as_lines(found, surely=args.confidence))


def _as_lines(found: Sequence[Translation], *, surely: bool) -> str:
    lines = [" ".join(one.text.splitlines()) for one in found]
    if surely:
        lines = [f"{line}\t{_words(one)}" for line, one in zip(lines, found, strict=True)]
    return "\n".join(lines)


def _words(one: Translation) -> str:
    """`Der=0.98 Kuchen=0.61`."""
    return " ".join(f"{one.text[int(a) : int(b)]}={chance:.2f}" for a, b, chance in one.words)


def _as_json(text: str, found: Sequence[Translation]) -> str:
    every = [
        {"text": t.text, "score": t.score, "alignment": t.alignment, "confidence": t.words}
        for t in found
    ]
    return json.dumps({"source": text, "translations": every}, ensure_ascii=False)


def translate(
    model: str | Path,
    texts: Iterable[str],
    *,
    device: str | None = None,
    prefix: str = "",
    required: Sequence[str] = (),
    forbidden: Sequence[str] = (),
    **settings: Any,
) -> Iterator[tuple[str, list[Translation]]]:
    """Each text with its translations, best first, some hundred texts at a time.

    `settings` are those of the search; None leaves what the model was given.
    """
    from seqpipe.cli._pipeline import load_stage
    from seqpipe.components.translator import TranslatorStage
    from seqpipe.pipelines import one_thread

    stage = load_stage(model, TranslatorStage, writes="translation", device=device)
    walk = iter(texts)
    while some := list(islice(walk, _AT_ONCE)):
        with one_thread():
            found = stage.translate(
                some, prefix=prefix, required=required, forbidden=forbidden, **settings
            )
        yield from zip(some, found, strict=True)
