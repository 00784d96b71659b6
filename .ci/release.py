"""A release: what was built is compared with what is told, installed afresh and tried, and sent.

    python .ci/release.py [--upload]

`tox -e release` builds and checks `dist` before. Without `--upload`, and a token of the index in
TWINE_PASSWORD, nothing leaves the machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
# One line of the docs for each way in: a stage, a training, what came of it.
TRIED = [
    ["-c", "import spacy; spacy.blank('en').add_pipe('seqpipe_sentiment')"],
    ["-m", "seqpipe", "--version"],
    *(
        ["-m", "seqpipe", *words.split()]
        for words in (
            "train sentiment bundled:reviews_en --output tried --training.max_steps 4",
            "evaluate tried/model-best bundled:reviews_en --limit 20",
            "annotate tried/model-best bundled:reviews_en --split validation --output tried.jsonl",
        )
    ),
    ["-c", "import spacy; print(spacy.load('tried/model-best')('A lovely room.').cats)"],
]


def main(words: list[str]) -> int:
    sends = words == ["--upload"]
    if words and not sends:
        print(__doc__, file=sys.stderr)
        return 2
    version = told("seqpipe/__init__.py", r'^__version__ = "(.+)"$')
    reasons = lacking(version)
    if sends and (reasons := [*reasons, *unready()]):
        print("Not sent:", *reasons, sep="\n- ", file=sys.stderr)
        return 1
    tried(version)
    if sends:
        return run("-m", "twine", "upload", "--non-interactive", *map(str, built(version)))
    print(f"\nseqpipe {version} was built, checked, installed and tried; nothing was sent.")
    for reason in reasons:
        print(f"Before it can be: {reason}")
    return 0


def told(name: str, pattern: str) -> str:
    """What a file says in the first line of a pattern; nothing if there is none."""
    found = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def lacking(version: str) -> list[str]:
    """Where the files do not yet speak of this version."""
    reasons = []
    if told("CITATION.cff", r"^version: (.+)$") != version:
        reasons.append(f"CITATION.cff has another version than {version}.")
    if not told("CHANGELOG.md", rf"^## \[({re.escape(version)})\]: \d{{4}}-\d\d-\d\d$"):
        reasons.append(f"CHANGELOG.md has no line '## [{version}]: YEAR-MONTH-DAY'.")
    if len(built(version)) != 2:
        reasons.append(f"dist has no wheel and sdist of {version}: run tox -e release.")
    return reasons


def unready() -> list[str]:
    """What keeps this checkout from being sent."""
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    reasons = ["There are changes that are not committed."] if changed.stdout else []
    if not os.environ.get("TWINE_PASSWORD"):
        reasons.append("TWINE_PASSWORD holds no token.")
    return reasons


def built(version: str) -> list[Path]:
    return sorted([*DIST.glob(f"seqpipe-{version}-*.whl"), *DIST.glob(f"seqpipe-{version}.tar.gz")])


def tried(version: str) -> None:
    """The wheel in an environment that holds nothing else, from a folder without the checkout."""
    wheel = next(path for path in built(version) if path.suffix == ".whl")
    with tempfile.TemporaryDirectory(prefix="seqpipe-release-") as folder:
        home = Path(folder)
        # Without pip inside: so it works where the system's Python comes without ensurepip.
        venv.create(home / "venv", with_pip=False)
        python = home / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        pins = ["-c", str(ROOT / "constraints.txt")]
        if run("-m", "pip", "--python", str(python), "install", "-q", *pins, str(wheel)):
            sys.exit("The wheel could not be installed.")
        alone = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
        alone.pop("PYTHONPATH", None)
        for words in TRIED:
            print("python", *words)
            if subprocess.run([str(python), *words], cwd=home, env=alone).returncode:
                sys.exit("That did not work.")


def run(*words: str) -> int:
    return subprocess.run([sys.executable, *words], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
