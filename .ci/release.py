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
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
KEPT = ROOT / "tests" / "released"


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
    if run(".ci/try_wheel.py", str(DIST)):
        return 1
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
    if not (KEPT / version / "told.json").is_file():
        reasons.append(f"tests/released has no pipelines of {version}: run tox -e keep.")
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


def run(*words: str) -> int:
    return subprocess.run([sys.executable, *words], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
