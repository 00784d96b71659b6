"""What becomes of memory that was freed."""

from __future__ import annotations

import ctypes
import os
from functools import cache

# The numbers that mallopt(3) has for the size from which on a block has pages of its own, and for
# how much may lie free at the end of the heap.
_APART, _FREE = -3, -1
# Bytes. What a search holds at a step is a block of more than 32 MB; older libraries know no more.
_BLOCKS, _OLDER_BLOCKS, _KEPT = 64 << 20, 32 << 20, 256 << 20
_SAID = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


@cache
def keep_freed() -> None:
    """The C library of Linux hands memory back to the system as soon as some hundred kilobytes of
    it are free, and the next batch finds it again page by page; from now on it keeps more, unless
    the surroundings have said how much."""
    if any(name in os.environ for name in _SAID):
        return
    try:
        set_option = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # the C library is another one
        return
    if not set_option(_APART, _BLOCKS):
        set_option(_APART, _OLDER_BLOCKS)
    set_option(_FREE, _KEPT)
