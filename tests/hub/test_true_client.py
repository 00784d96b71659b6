"""The true client of the hub, against a stand-in for the hub that speaks HTTP on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from small import make_nlp
from stand_in import COMMIT, NAME, SECRET, standing_in

import seqpipe

CODE = """
import json, sys, warnings
import seqpipe
from seqpipe.pipelines import pinned

folder, name, secret = sys.argv[1:]
told = {"lang": seqpipe.from_pretrained(name).lang, "pinned": pinned(name)}
told["again"] = seqpipe.from_pretrained(told["pinned"], local_files_only=True).lang
told["pushed"] = len(seqpipe.push_to_hub(folder, name, token=secret).files)
for key, ask in {
    "missing": lambda: seqpipe.from_pretrained("ann/moons"),
    "revision": lambda: seqpipe.from_pretrained(f"{name}@v9"),
    "token": lambda: seqpipe.push_to_hub(folder, name, token="wrong"),
}.items():
    try:
        ask()
    except seqpipe.SeqpipeError as error:
        told[key] = f"{type(error).__name__}: {error}"
print(json.dumps(told))
"""


def test_a_pipeline_comes_and_goes(tmp_path: Path) -> None:
    folder = seqpipe.save_pretrained(make_nlp(), tmp_path / "stars")
    there = shutil.copytree(folder, tmp_path / "there")
    (there / "stars.whl").write_bytes(b"of no use")
    (there / "moods").mkdir()
    (there / "moods" / "cfg").write_text("{}")
    with standing_in(there) as hub:
        ran = subprocess.run(
            [sys.executable, "-c", CODE, str(folder), NAME, SECRET],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(seqpipe.__file__).parents[1]),
                "HF_ENDPOINT": hub.url,
                "HF_HUB_OFFLINE": "0",
                "HF_HUB_DISABLE_XET": "1",
                "HF_HOME": str(tmp_path / "home"),
                "HF_HUB_CACHE": str(tmp_path / "home" / "hub"),
                "NO_PROXY": "127.0.0.1",
            },
            capture_output=True,
            text=True,
        )
    assert ran.returncode == 0, ran.stderr
    assert "Fetching" not in ran.stderr  # no progress bars where nobody watches
    told = json.loads(ran.stdout.splitlines()[-1])
    assert (told["lang"], told["again"], told["pinned"]) == ("en", "en", f"{NAME}@{COMMIT}")
    assert told["pushed"] == len(hub.sent) > 5 and "README.md" in hub.sent
    assert hub.gone == ["moods/cfg"]
    assert told["missing"].startswith("RepositoryMissing: There is no folder")
    assert told["revision"].startswith("RevisionMissing") and "'v9'" in told["revision"]
    assert told["token"].startswith("PushRefused") and "asks for a token" in told["token"]
    assert not any(path.endswith("stars.whl") for path in hub.asked)
