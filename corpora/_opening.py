"""Bytes of files that may be compressed, and of standard input, a line at a time."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO

from seqpipe.errors import SourceUnreadable, reason_of

STDIN = "-"
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}  # suffix -> Arrow's name of it

_BLOCK = 1 << 20  # bytes read at once: enough that reading costs nothing beside splitting
BOM = b"\xef\xbb\xbf"


def unpacked(path: Path) -> Path:
    """The name without the suffix of a compression."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path


@contextmanager
def opened(file: str) -> Iterator[Any]:
    """The unpacked bytes of a file, or of standard input, which stays open."""
    import pyarrow as pa

    compression = COMPRESSIONS.get(os.path.splitext(file)[1].lower())
    with readable(file):
        if file == STDIN:
            bytes_of: Any = nullcontext(sys.stdin.buffer)
        else:
            bytes_of = pa.input_stream(file, compression=compression)
        with bytes_of as stream:
            yield stream


@contextmanager
def opened_text(file: str) -> Iterator[TextIO]:
    """UTF-8 alone, and only a line feed ends a line: other marks that could are part of a text."""
    with opened(file) as stream:
        try:
            yield io.TextIOWrapper(stream, encoding="utf-8-sig", newline="\n")
        except UnicodeDecodeError as error:
            raise SourceUnreadable(file, str(error)) from error


@contextmanager
def readable(file: str) -> Iterator[None]:
    """Whatever is wrong with a file, as one sentence that names it."""
    import pyarrow as pa

    try:
        yield
    except (OSError, EOFError, pa.ArrowException) as error:
        raise SourceUnreadable(file, reason_of(error)) from error


def lines(stream: Any) -> Iterator[bytes]:
    """What stands between line feeds, without the mark of byte order that a file may begin with."""
    start = BOM
    for line in _split(stream):
        yield line.removeprefix(start)
        start = b""


def _split(stream: Any) -> Iterator[bytes]:
    begun: list[bytes] = []  # of a line that goes on over several blocks
    while block := stream.read1(_BLOCK):
        first, *others = block.split(b"\n")
        begun.append(first)
        if others:
            yield b"".join(begun)
            yield from others[:-1]
            begun = [others[-1]]
    if last := b"".join(begun):
        yield last
