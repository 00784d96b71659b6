"""`python -m seqpipe`: the table of commands, and what becomes of their errors.

A command's module is imported when its command is named, and not before.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from types import ModuleType
from typing import TextIO

from seqpipe import __version__
from seqpipe.errors import (
    PackageMissing,
    SeqpipeError,
    TorchMissing,
    UsageError,
    listed,
    nearest,
    reason_of,
)

COMMANDS = {
    "demo": "train on the bundled texts, annotate some, show how to go on",
    "init-config": "print a complete config for spacy train",
    "train": "train a stage from a data set, or what a config says",
    "tune": "search for the settings of a stage that score best",
    "evaluate": "score a pipeline on labelled data",
    "translate": "translate a text, or a file line by line",
    "remember": "give a translator pairs, or a generator texts, to write beside",
    "generate": "go on with a text, as it is written",
    "annotate": "run a pipeline over a data set and write what it finds",
    "explain": "show which words decided, on the terminal and on a page",
    "serve": "open a page that shows what becomes of a text while it is typed",
    "export": "write a copy of a pipeline that runs without torch",
    "info": "tell what a pipeline is made of and how it was trained",
    "push": "upload a pipeline to the hub, with a page that tells of it",
}

_EPILOG = """commands:
{commands}

examples:
  python -m seqpipe demo
  python -m seqpipe train sentiment reviews.csv --text text --label stars --output stars
  python -m seqpipe annotate stars/model-best new.jsonl --output annotated.jsonl

python -m seqpipe COMMAND --help tells more of each."""


# What somebody may do without who only runs exported pipelines: see requirements-onnx.txt.
_LEFT_OUT = {"datasets", "huggingface_hub", "pyarrow", "sacrebleu", "torch"}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the words name; gives the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    at = next((i for i, word in enumerate(words) if not word.startswith("-")), len(words))
    parser = _parser()
    try:
        args = parser.parse_args(words[:at])
        if at == len(words):
            parser.print_help(sys.stderr)
            return 2
        return _command(words[at], words[at + 1 :], debug=args.debug)
    except SystemExit as end:  # argparse has said what there is to say
        return end.code if isinstance(end.code, int) else 1


def _parser() -> argparse.ArgumentParser:
    commands = "\n".join(f"  {name:<13} {tells}" for name, tells in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="seqpipe",
        usage="python -m seqpipe [--help] [--version] [--debug] COMMAND ...",
        description="Recurrent networks as ordinary spaCy pipeline stages.",
        epilog=_EPILOG.format(commands=commands),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"seqpipe {__version__}")
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    return parser


def _command(name: str, words: Sequence[str], *, debug: bool) -> int:
    if name not in COMMANDS:
        known = list(COMMANDS)
        message = f"There is no command {name!r}: there are {listed(known)}."
        return _fail(UsageError(message + nearest(name, known)), debug=debug)
    module = importlib.import_module(f"seqpipe.cli.{name.replace('-', '_')}")
    parser = argparse.ArgumentParser(
        prog=f"python -m seqpipe {name}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    overrides: list[str] = []
    if getattr(module, "DOTTED", False):
        words, overrides = _apart(words)
    args = parser.parse_args(words)
    return _run(module, args, overrides, debug=debug or args.debug)


def _apart(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Options with a dot in their name, which are settings of a config, kept from argparse."""
    plain: list[str] = []
    dotted: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, _ = word.partition("=")
        if name.startswith("--") and "." in name:
            dotted += [word] if equals else [word, *islice(rest, 1)]
        else:
            plain.append(word)
    return plain, dotted


def _run(
    module: ModuleType, args: argparse.Namespace, overrides: Sequence[str], *, debug: bool
) -> int:
    try:
        with _plain_speech():
            code = module.run(args, overrides)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        _let_go_of_stdout()
        return 0
    except Exception as error:
        return _fail(error, debug=debug)
    return int(code or 0)


def _fail(error: Exception, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    else:
        print(f"error: {_sentence(error)}", file=sys.stderr)
    return 2 if isinstance(error, UsageError) else 1


def _sentence(error: Exception) -> str:
    if isinstance(error, SeqpipeError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name in _LEFT_OUT:
        named = error.name
        return str(TorchMissing() if named == "torch" else PackageMissing(named))
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}."
    return f"{type(error).__name__}: {reason_of(error)} (--debug shows where it comes from)."


@contextmanager
def _plain_speech() -> Iterator[None]:
    """A warning as one line, without the place in the code; what we say ourselves said once."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        print(f"warning: {message}", file=sys.stderr)

    readers = logging.getLogger("datasets.packaged_modules")  # log what they then raise
    shown, level = warnings.showwarning, readers.level
    warnings.showwarning = show
    readers.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        warnings.showwarning = shown
        readers.setLevel(level)


def _let_go_of_stdout() -> None:
    """Else the interpreter tries to flush once more at its end, and complains."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
