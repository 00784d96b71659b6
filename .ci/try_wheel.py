"""The wheel in environments that hold nothing else: what the pages show first works there.

    python .ci/try_wheel.py DIST

Examples below a line `<!-- tried -->` are run as they stand, page after page, in one folder without
the checkout; so is the package of a pipeline that one of them makes, beside nothing but itself.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = ("docs/index.md", "README.md", "docs/cookbook/chinese-reviews.md")
# Ways in that the examples have to show, and that of what comes of them.
WAYS = ("nlp.add_pipe(", "pipeline(", "seqpipe train ", "seqpipe annotate ", "spacy package ")
TRIED = re.compile(r"^<!-- tried -->\n```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What the last example has packed is loaded by its name where nothing else of ours is.
PACKED = "import spacy; print(spacy.load('zh_dianping')('房间很干净。').cats)"


class Example(NamedTuple):
    page: str
    python: bool
    code: str


def main(words: list[str]) -> int:
    wheels = [path for word in words for path in sorted(Path(word).resolve().glob("seqpipe-*.whl"))]
    if len(words) != 1 or len(wheels) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    shown = list(examples())
    if lacking := [way for way in WAYS if not any(way in one.code for one in shown)]:
        print("No example is tried that shows", *lacking, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="seqpipe-wheel-") as folder:
        home = Path(folder)
        python = environment(home / "first", str(wheels[0]))
        (home / "desk").mkdir()
        for one in shown:
            run_example(python, one, home / "desk")
        packed = next((home / "desk").rglob("zh_dianping-*.whl"))
        python = environment(home / "second", str(packed), "--find-links", str(wheels[0].parent))
        run([str(python), "-c", PACKED], home)
    print("All of that works in an empty environment.")
    return 0


def examples() -> Iterator[Example]:
    for page in PAGES:
        for kind, code in TRIED.findall((ROOT / page).read_text(encoding="utf-8")):
            yield Example(page, kind == "python", code)


def environment(folder: Path, *what: str) -> Path:
    """The Python of a new one with this in it, and what that needs."""
    # Without pip inside: so it works where the system's Python comes without ensurepip.
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install(python, folder, *what)
    return python


def install(python: Path, folder: Path, *what: str) -> None:
    pins = ["-c", str(ROOT / "constraints.txt")]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    run([*pip, *pins, *what], folder)


def run_example(python: Path, one: Example, desk: Path) -> None:
    if one.python:
        run([str(python), "-c", one.code], desk, f"{one.page}:\n{one.code}")
        return
    for line in one.code.replace("\\\n", " ").splitlines():
        program, *words = shlex.split(line)
        if program == "python":
            run([str(python), *words], desk, line)
        elif (program, words[0]) == ("pip", "install"):
            install(python, desk, *words[1:])
        elif program == "mkdir":
            (desk / words[0]).mkdir()
        else:
            sys.exit(f"{one.page} shows what cannot be tried: {line}")


def run(command: list[str], folder: Path, told: str = "") -> None:
    """Tells what is done, does it, and ends everything where that fails."""
    print(told or shlex.join(command), flush=True)
    alone = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    alone.pop("PYTHONPATH", None)
    if subprocess.run(command, cwd=folder, env=alone).returncode:
        sys.exit("That did not work.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
