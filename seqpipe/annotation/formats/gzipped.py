"""Lines in gzip: a member a part, so that parts one after the other are a file too."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqpipe.annotation.annotator import Found
    from seqpipe.annotation.formats.format import Encoded

_LEVEL = 6
_GZIP = 16 + zlib.MAX_WBITS  # what zlib calls a gzip member; it writes neither a name nor a time


class Gzipped:
    """Stands before a format of lines and compresses what that one writes."""

    def encode(self, found: Iterable[Found]) -> Encoded:
        encoded: Encoded = super().encode(found)  # type: ignore[misc]
        return replace(encoded, body=compressed(encoded.body))

    def splice(self, old: bytes, numbers: Sequence[int], new: bytes, added: Sequence[int]) -> bytes:
        old, new = gzip.decompress(old), gzip.decompress(new)
        return compressed(super().splice(old, numbers, new, added))  # type: ignore[misc]


def compressed(body: bytes) -> bytes:
    zipper = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return zipper.compress(body) + zipper.flush()
