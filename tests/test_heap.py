"""Memory that was freed is there for the next batch."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory in their own way"
)

# Blocks such as a batch needs, freed from the last to the first.
ASKED = """
import resource, sys
import numpy as np
from seqpipe.heap import keep_freed

def batch():
    blocks = [np.ones(size << 20, np.uint8) for size in (1, 3, 9, 3, 1)]
    while blocks:
        blocks.pop()

keep_freed()
batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    batch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 20 * (17 << 20) // 4096  # if each batch finds all of it page by page


def faults(**surroundings: str) -> int:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MALLOC_", "GLIBC_"))
    }
    told = subprocess.run(
        [sys.executable, "-c", ASKED],
        env={**kept, **surroundings},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(told.stdout)


def test_a_batch_finds_what_the_one_before_has_left() -> None:
    assert faults() < PAGES / 50


def test_what_the_surroundings_say_holds() -> None:
    small = {"MALLOC_MMAP_THRESHOLD_": "131072", "NUMPY_MADVISE_HUGEPAGE": "0"}
    assert faults(**small) > PAGES / 2
