"""`seqpipe generate`: a generator goes on with a text, and types as it writes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqpipe.errors import UsageError

if TYPE_CHECKING:
    from seqpipe.components.generator import Generator

_AT_ONCE = 64  # prompts: gone on with side by side, then put out

_EXAMPLE = r"""examples:
  python -m seqpipe generate verse/model-best "The moon"
  python -m seqpipe generate verse/model-best "" --characters 300 --temperature 0.6 --seed 3
  python -m seqpipe generate verse/model-best "The moon" --stop "\n\n" --samples 3
  python -m seqpipe generate verse/model-best --file beginnings.txt --json > written.jsonl

A prompt of "" begins with nothing. A file has a prompt a line."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Go on with a text, and show it as it is written."
    parser.epilog = _EXAMPLE
    parser.add_argument("model", metavar="MODEL", help="folder or package, or user/name on the hub")
    parser.add_argument("prompt", metavar="PROMPT", nargs="?", help="what to go on with")
    parser.add_argument("--file", metavar="FILE", help="a prompt a line; - is stdin")
    parser.add_argument(
        "--json", action="store_true", help="an object a line; prompts run side by side"
    )
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:1")
    end = parser.add_argument_group("where it ends (else as the model has it)")
    length = end.add_mutually_exclusive_group()
    length.add_argument("--characters", type=int, metavar="N", help="so many at most")
    length.add_argument("--max-length", type=int, metavar="N", help="so many pieces at most")
    stop = r"before this text; \n is a line end (repeatable)"
    end.add_argument("--stop", metavar="TEXT", action="append", help=stop)
    _ways(parser.add_argument_group("how it is chosen (else as the model has it)"))


def _ways(search: argparse._ArgumentGroup) -> None:
    search.add_argument("--temperature", type=float, metavar="X", help="surer below 1, freer above")
    search.add_argument("--top-k", type=int, metavar="N", help="draw from the N likeliest pieces")
    search.add_argument("--top-p", type=float, metavar="X", help="from the likeliest of this share")
    search.add_argument("--typical", type=float, metavar="X", help="from the most usual of it")
    search.add_argument("--repetition-penalty", type=float, metavar="X", help="above 1 to vary")
    search.add_argument("--no-repeat", type=int, metavar="N", help="no N pieces twice")
    search.add_argument("--samples", type=int, metavar="N", help="so many texts of each prompt")
    search.add_argument("--seed", type=int, metavar="N", help="of what is drawn")
    instead = search.add_mutually_exclusive_group()
    instead.add_argument("--beam", type=int, metavar="N", help="look for the likeliest text")
    instead.add_argument("--greedy", action="store_true", help="the likeliest piece each time")


_DRAWN = ("temperature", "top_k", "top_p", "typical")
_PLAIN = ("characters", "max_length", "repetition_penalty", "no_repeat", "seed")


def run(args: argparse.Namespace, overrides: Sequence[str]) -> int | None:
    from seqpipe.cli._pipeline import read_lines

    if (args.prompt is None) == (args.file is None):
        raise UsageError("Give one prompt ('' for none), or a file of them with --file.")
    prompts = [args.prompt] if args.file is None else read_lines(args.file)
    settings = _settings(args)
    if args.json:
        for prompt, texts in generate(args.model, prompts, device=args.device, **settings):
            print(json.dumps({"prompt": prompt, "texts": texts}, ensure_ascii=False))
        return None
    try:
        _type(args.model, prompts, device=args.device, **settings)
    except KeyboardInterrupt:  # enough has been seen
        print(flush=True)
        return 130
    return None


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """What is asked for, by the names of the search; None where it is not."""
    drawn = {name: getattr(args, name) for name in _DRAWN}
    instead = "--beam" if args.beam is not None else "--greedy" if args.greedy else None
    given = [f"--{name.replace('_', '-')}" for name, value in drawn.items() if value is not None]
    if instead and given:
        raise UsageError(f"{given[0]} is for what is drawn, and {instead} draws nothing.")
    settings = {**drawn, **{name: getattr(args, name) for name in _PLAIN}, "nbest": args.samples}
    if instead:
        settings |= {"sampling": False, "beam": 1 if args.greedy else args.beam}
        settings["nbest"] = 1 if args.samples is None else args.samples
    elif given or (args.samples or 1) > 1:
        settings["sampling"] = True
    if args.stop is not None:
        settings["stops"] = [stop.replace(r"\n", "\n") for stop in args.stop]
    return settings


def _type(
    model: str | Path, prompts: Iterable[str], *, device: str | None, **settings: Any
) -> None:
    """Each prompt and what follows it, as it is known; an empty line between two texts."""
    from seqpipe.pipelines import one_thread

    stage = _stage(model, device)
    first = True
    with one_thread():
        for prompt in prompts:
            for bits in _written(stage, prompt, settings):
                last = ""
                print(end="" if first else "\n")
                for bit in chain([prompt], bits):
                    print(bit, end="", flush=True)
                    last = bit or last
                print(end="" if last.endswith("\n") else "\n", flush=True)
                first = False


def _written(stage: Generator, prompt: str, settings: dict[str, Any]) -> Iterator[Iterable[str]]:
    """What follows a prompt, as often as is asked for, each bit by bit; of a beam as a whole."""
    names = ("nbest", "sampling", "beam", "seed")
    search = stage.search.changed(**{name: settings.get(name) for name in names})
    if search.nbest > 1 and not search.sampling:
        yield from ([text] for text in stage.generate([prompt], **settings)[0])
        return
    for n in range(search.nbest):
        yield stage.write(prompt, **{**settings, "nbest": 1, "seed": search.seed + n})


def generate(
    model: str | Path, prompts: Iterable[str], *, device: str | None = None, **settings: Any
) -> Iterator[tuple[str, list[str]]]:
    """Each prompt with what may follow it, some dozens of prompts at a time.

    `settings` are `stops`, `characters` and those of the search; None leaves what the model was
    given.
    """
    from seqpipe.pipelines import one_thread

    stage = _stage(model, device)
    walk = iter(prompts)
    while some := list(islice(walk, _AT_ONCE)):
        with one_thread():
            found = stage.generate(some, **settings)
        yield from zip(some, found, strict=True)


def _stage(model: str | Path, device: str | None) -> Generator:
    from seqpipe.cli._pipeline import load_stage
    from seqpipe.components.generator import Generator

    return load_stage(model, Generator, writes="generated", device=device)
