"""`seqpipe train`: a stage from a data set, or what a config says."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from seqpipe.errors import UsageError, listed

if TYPE_CHECKING:
    from seqpipe.cli._run import Trained
    from seqpipe.train.checkpoint import Position
    from seqpipe.train.loop import Validation, Watcher

DOTTED = True
STAGES = ("generator", "sentiment", "tokenizer", "translator")

_EXAMPLE = """example:
  python -m seqpipe train sentiment bundled:reviews_en --output reviews
  python -m seqpipe train sentiment rows.csv --text review --label stars --output stars --cell gru
  python -m seqpipe train sentiment rows.csv --output stars --training.max_epochs 8
  python -m seqpipe train tokenizer en_ewt-ud-train.conllu --output words
  python -m seqpipe train translator bundled:phrases_en_de --source en --target de --output en-de
  python -m seqpipe train sentiment rows.csv --output stars --init-from prose/model-best
  python -m seqpipe train generator poems.jsonl --text poem --output verse
  python -m seqpipe train generator lines.csv --join "\\n" --output novel
  python -m seqpipe train generator shards/ --output web --streaming --training.max_steps 20000
  python -m seqpipe train config.cfg --output out --resume
  python -m seqpipe train sentiment rows.csv --output folds --folds 5
  python -m seqpipe train sentiment rows.csv --output curve --sizes 100,300,all"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Train a stage from a data set, or what a config says."
    parser.epilog = _EXAMPLE
    parser.add_argument("what", metavar="STAGE|CONFIG", help=f"{listed(STAGES)}, or a .cfg file")
    parser.add_argument("data", metavar="DATA", nargs="?", help="data set on the hub, folder, file")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the models")
    column_arguments(parser)
    settings = parser.add_argument_group("settings (any other as --dotted.name VALUE)")
    settings.add_argument("--cell", choices=["rnn", "lstm", "gru", "mingru"])
    settings.add_argument("--epochs", type=int, metavar="N")
    settings.add_argument("--lang", help="language code of the pipeline (xx: any)")
    settings.add_argument("--seed", type=int)
    settings.add_argument("--init-from", metavar="MODEL", help="begin as this trained model")
    settings.add_argument("--device", help="auto, cpu, cuda or cuda:1")
    shown = "show the run in some of tensorboard, wandb and mlflow"
    settings.add_argument("--track", metavar="A,B,...", help=shown)
    streams = parser.add_argument_group("streams")
    streamed = "read rows as they come, never all of them: needs --training.max_steps"
    streams.add_argument("--streaming", action="store_true", help=streamed)
    buffer = "rows held and shuffled among each other (10000)"
    streams.add_argument("--buffer", type=int, metavar="ROWS", help=buffer)
    sample = "rows that labels and vocabulary are learned from (20000)"
    streams.add_argument("--sample", type=int, metavar="ROWS", help=sample)
    several = parser.add_argument_group("several runs")
    held = "hold each of K parts of the training rows out in turn"
    several.add_argument("--folds", type=int, metavar="K", help=held)
    sizes = "learn from so many rows, then from so many: 100,300,all"
    several.add_argument("--sizes", metavar="N,N,...", help=sizes)
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on where the run was stopped")
    again.add_argument("--overwrite", action="store_true", help="replace what the folder holds")


def column_arguments(parser: argparse.ArgumentParser) -> None:
    """What the data of a run are made of."""
    columns = parser.add_argument_group("columns and parts")
    columns.add_argument("--text", metavar="COLUMN", help="column of the texts (text)")
    columns.add_argument("--label", metavar="COLUMN", help="column of the labels (label)")
    of_list = "of a column of lists of probabilities, in their order: bad,good"
    columns.add_argument("--labels", metavar="A,B,...", help=of_list)
    columns.add_argument("--tokens", metavar="COLUMN", help="column of the tokens (tokens)")
    columns.add_argument("--source", metavar="COLUMN", help="of the texts to translate (source)")
    columns.add_argument("--target", metavar="COLUMN", help="of their translations (target)")
    joined = r"rows run on as one text, with this behind each; \n is a line end"
    columns.add_argument("--join", metavar="TEXT", help=joined)
    columns.add_argument("--split", help="part to train on (train)")
    columns.add_argument("--dev", metavar="DATA", help="other data to measure on")
    columns.add_argument("--dev-split", metavar="SPLIT", help="part to measure on (what is there)")
    columns.add_argument("--limit", type=int, metavar="N", help="only the first N rows")


def run(args: argparse.Namespace, overrides: Sequence[str]) -> int:
    from seqpipe.cli._overrides import parse_overrides

    how: dict[str, Any] = {
        "output": args.output,
        "columns": {**columns_of(args), **({"streaming": True} if args.streaming else {})},
        "init_from": args.init_from,
        "overrides": {**_shortcuts(args), **parse_overrides(overrides)},
        "resume": args.resume,
        "overwrite": args.overwrite,
    }
    if args.folds is None and args.sizes is None:
        with reporting() as watcher:
            trained = train(args.what, args.data, watcher=watcher, **how)
            return _speak(trained) if _leads() else 0
    if "WORLD_SIZE" in os.environ:
        raise UsageError("--folds and --sizes are runs of their own: begin them without torchrun.")
    from seqpipe.cli._folds_told import sizes_in, speak
    from seqpipe.cli.folds import train_folds

    how |= {"folds": args.folds or 0, "sizes": sizes_in(args.sizes)}
    with reporting() as watcher:
        return speak(train_folds(args.what, args.data, watcher=watcher, **how), args.output)


def columns_of(args: argparse.Namespace) -> dict[str, Any]:
    names = ("text", "label", "tokens", "source", "target", "split", "dev", "dev_split", "limit")
    found = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.labels is not None:
        found["labels"] = names_in(args.labels)
    if args.join is not None:
        found["join"] = args.join.replace(r"\n", "\n")
    return found


def names_in(words: str) -> list[str]:
    """`bad,good`."""
    return [word.strip() for word in words.split(",")]


def _shortcuts(args: argparse.Namespace) -> dict[str, Any]:
    """Options with a short name, under the name the config has for them."""
    short = {
        "components.*.model.cell": args.cell,
        "components.*.device": args.device,
        "training.max_epochs": args.epochs,
        "nlp.lang": args.lang,
        "system.seed": args.seed,
        "seqpipe.track": args.track and names_in(args.track),
        "seqpipe.buffer": args.buffer,
        "seqpipe.sample": args.sample,
    }
    return {name: value for name, value in short.items() if value is not None}


def _speak(trained: Trained) -> int:
    if trained.stopped:
        print(f"Stopped after step {trained.step}; --resume goes on.", file=sys.stderr)
        return 130
    scores = ", ".join(f"{name} {value:.3f}" for name, value in trained.shown().items())
    print(f"{trained.best}: {scores}")
    return 0


def train(
    what: str,
    data: str | None = None,
    *,
    output: Path | str,
    columns: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    init_from: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    watcher: Watcher | None = None,
) -> Trained:
    """Trains into `output`: model-best, model-last and log.jsonl.

    `columns` may name `text`, `label`, `labels` or `tokens`, `source` and `target`, `join`,
    `split`, `dev`, `dev_split`, `limit` and `streaming`; `overrides` are settings of the config by
    their dotted names; `init_from` names a pipeline with a stage of the same kind to go on from, or
    with a generator that the encoder begins as.
    """
    from seqpipe.cli._config import config_for
    from seqpipe.cli._run import Run
    from seqpipe.train.team import joined

    check_asked(what, data, columns or {})
    with joined() as team:
        run = Run(Path(output), team)
        run.claim(resume=resume, overwrite=overwrite)
        config = config_for(
            what, data, columns=columns or {}, overrides=overrides or {}, init_from=init_from
        )
        return run.train(config, watcher or Silent())


def check_asked(what: str, data: str | None, columns: Mapping[str, Any]) -> None:
    """Whether it makes sense, as far as that shows before anything is read."""
    if what not in STAGES and not what.endswith(".cfg"):
        raise UsageError(f"{what!r} is neither a stage ({', '.join(STAGES)}) nor a .cfg file.")
    if what in STAGES and data is None:
        raise UsageError(f"Name the data to train {what} on, for instance a folder or a file.")
    if columns and data is None:
        option = f"--{next(iter(columns)).replace('_', '-')}"
        raise UsageError(f"{option} is said of the data: name that as well, after {what}.")


class Silent:
    """Nobody watches, and the run goes to its end."""

    stopping = False

    def entered(self, run: str) -> None: ...

    def begin(self, total: int, done: int) -> None: ...

    def stepped(self, position: Position, words_per_second: float) -> None: ...

    def validated(self, validation: Validation, *, best: bool) -> None: ...


class Listener(Silent):
    """Says nothing; the first Ctrl-C asks to stop."""

    stopping = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Finish the step, save, stop; asked twice, stop at once."""
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True

    def close(self) -> None: ...


class Reporter(Listener):
    """A bar on a terminal, a plain line a validation elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None

    def entered(self, run: str) -> None:
        print(f"{run}:", file=sys.stderr, flush=True)

    def begin(self, total: int, done: int) -> None:
        from tqdm import tqdm

        self.close()
        self._bar = tqdm(
            total=total, initial=done, unit="step", disable=None, dynamic_ncols=True, leave=False
        )

    def stepped(self, position: Position, words_per_second: float) -> None:
        if self._bar is None or self._bar.disable:
            return
        loss = position.loss / max(1, position.answers)
        self._bar.set_postfix_str(
            f"loss {loss:.3f}, best {max(position.best, 0):.3f}, {words_per_second:,.0f} words/s",
            refresh=False,
        )
        self._bar.update()

    def validated(self, validation: Validation, *, best: bool) -> None:
        line = (
            f"step {validation.step:>6}  epoch {validation.epoch + 1:>3}  "
            f"loss {validation.loss:.4f}  score {validation.score:.4f}{' *' if best else '  '}"
            f"  {validation.words_per_second:>9,.0f} words/s  {validation.seconds:.0f} s"
            f"{f'  {validation.skipped:,} steps skipped' if validation.skipped else ''}"
        )
        if self._bar is not None and not self._bar.disable:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def ask(self, number: int, frame: FrameType | None) -> None:
        super().ask(number, frame)
        print("\nStopping after this step ...", file=sys.stderr, flush=True)


def _leads() -> bool:
    """Whether this is the one that talks, of processes begun by `torchrun`."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def reporting() -> Iterator[Listener]:
    """Somebody who listens to Ctrl-C and to a polite kill, and who talks where one is to."""
    reporter = Reporter() if _leads() else Listener()
    listened = {s: signal.signal(s, reporter.ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield reporter
    finally:
        reporter.close()
        for number, handler in listened.items():
            signal.signal(number, handler)
