"""`python -m benchmarks`: all benches or some, and the page of what they found."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

_EXAMPLES = """examples:
  python -m benchmarks --quick
  python -m benchmarks sentiment tokenizer --data ../data --output docs
  python -m benchmarks sentiment --set sentiment=imdb,text=text,label=label
  python -m benchmarks tokenizer --model tokenizer=words/model-best --python stanza=PATH
  python -m benchmarks --page --output docs"""


def main(given: Sequence[str] | None = None) -> int:
    args = arguments().parse_args(given)
    # Before anything imports torch: nets this small gain little by a second thread.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if args.device == "cpu":  # of peers too
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from benchmarks.bench import Bench, Options
    from benchmarks.figures import refreshed
    from benchmarks.index import BENCHES
    from benchmarks.page import FOLDER, written

    unknown = [name for name in args.names if name not in BENCHES]
    if unknown:
        raise SystemExit(f"{', '.join(unknown)}: there is no such bench, but {', '.join(BENCHES)}.")
    able = [name for name, entry in BENCHES.items() if entry.gpu or args.device == "cpu"]
    unable = [name for name in args.names if name not in able]
    if unable:
        raise SystemExit(
            f"{', '.join(unable)}: measured on the CPU alone; --device is for {', '.join(able)}."
        )
    options = Options(
        quick=args.quick,
        data=args.data,
        sets=_pairs(args.set),
        models=_pairs(args.model),
        pythons=_pairs(args.python),
        cache=args.cache.expanduser(),
        command=shlex.join(["python", "-m", "benchmarks", *_public(args)]),
        peers=not args.alone,
        device=args.device,
    )
    failed = []
    for name in () if args.page else args.names or able:
        bench = Bench(name, options)
        try:
            BENCHES[name].load()(bench)
        except Exception:  # whatever befalls one, the others are measured
            traceback.print_exc()
            failed.append(name)
            continue
        bench.done().write(args.output / FOLDER / f"{name}.jsonl")
        written(args.output)
    written(args.output)
    for page in refreshed(args.output):
        print(f"{page} has the figures of this run", file=sys.stderr)
    if failed:
        print(f"not measured: {', '.join(failed)}; see above", file=sys.stderr)
    return 1 if failed else 0


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure seqpipe beside its peers, and write a page of what was found.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    home = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "seqpipe-benchmarks"
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="benches (all of them)")
    add("--quick", action="store_true", help="shorter trainings, fewer turns: minutes in all")
    add("--data", type=Path, metavar="DIR", help="a folder of data sets (the bundled corpora)")
    add("--set", action="append", default=[], metavar="BENCH=DATA,COLUMN=NAME", help="its data")
    add("--model", action="append", default=[], metavar="BENCH=FOLDER", help="a trained pipeline")
    add("--python", action="append", default=[], metavar="PEER=PATH", help="an interpreter")
    add("--alone", action="store_true", help="without peers that need an environment")
    add("--device", default="cpu", metavar="cuda", help="a GPU besides: how near to its limit")
    add("--cache", type=Path, default=home, metavar="DIR", help=f"of peers and models ({home})")
    add("--output", type=Path, default=Path("build/bench"), metavar="DIR", help="of the page")
    add("--page", action="store_true", help="write the page anew, and measure nothing")
    return parser


def _pairs(given: Sequence[str]) -> dict[str, str]:
    lacking = [pair for pair in given if "=" not in pair]
    if lacking:
        raise SystemExit(f"{lacking[0]!r} names nothing: write NAME=VALUE.")
    return dict(pair.split("=", 1) for pair in given)


def _public(args: argparse.Namespace) -> list[str]:
    """The command as anybody could repeat it: what lies where on this machine is nobody's."""
    parts = [*args.names, *["--quick"] * args.quick, *["--alone"] * args.alone]
    parts += ["--data", args.data.name] if args.data else []
    parts += ["--device", args.device] if args.device != "cpu" else []
    for option in ("set", "model"):
        for pair in getattr(args, option):
            name, _, value = pair.partition("=")
            parts += [f"--{option}", f"{name}={Path(value).name}"]
    return parts


if __name__ == "__main__":
    raise SystemExit(main())
