"""What every test stands on: seeds, one thread, no network and no cache but its own."""

from __future__ import annotations

import os
import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from commands import Command

# Before anything imports torch or a Hugging Face library: they read these once. Child processes
# inherit them.
_caches = tempfile.TemporaryDirectory(prefix="seqpipe-tests-", ignore_cleanup_errors=True)
os.environ |= {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HF_HOME": _caches.name,
    "HF_HUB_CACHE": f"{_caches.name}/hub",
    "HF_DATASETS_CACHE": f"{_caches.name}/datasets",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}

# Child processes run in folders of their own, where a relative path would point elsewhere.
if os.environ.get("PYTHONPATH"):
    os.environ["PYTHONPATH"] = os.pathsep.join(
        str(Path(part).resolve()) for part in os.environ["PYTHONPATH"].split(os.pathsep)
    )

hypothesis.settings.register_profile(
    "seqpipe",
    deadline=None,
    derandomize="CI" in os.environ,
    database=None,
    print_blob=True,
)
hypothesis.settings.load_profile("seqpipe")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same numbers in every run and order of tests; torch's too, where a test brought it."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.manual_seed(0)
        torch.set_num_threads(1)


@pytest.fixture
def seqpipe(capfdbinary: pytest.CaptureFixture[bytes]) -> Command:
    """`python -m seqpipe ...` in this process."""
    from commands import Ran

    from seqpipe.__main__ import main

    def ran(*words: object) -> Ran:
        capfdbinary.readouterr()
        code = main([str(word) for word in words])
        out, err = capfdbinary.readouterr()
        return Ran(code, out.decode(), err.decode())

    return ran
