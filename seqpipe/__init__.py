"""Recurrent networks as ordinary spaCy pipeline stages."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqpipe.annotation.mapping import mapper
    from seqpipe.annotation.run import annotate
    from seqpipe.errors import SeqpipeError
    from seqpipe.explain.explanation import explained
    from seqpipe.explain.playground import serve
    from seqpipe.explain.rendering import render
    from seqpipe.hub.sharing import from_pretrained, push_to_hub, save_pretrained
    from seqpipe.hub.tasks import pipeline
    from seqpipe.text.codec import Codec

__version__ = "0.1.0"
__all__ = [
    "Codec",
    "SeqpipeError",
    "__version__",
    "annotate",
    "explained",
    "from_pretrained",
    "mapper",
    "pipeline",
    "push_to_hub",
    "render",
    "save_pretrained",
    "serve",
]

# In a checkout the rooms `components` and `corpora` stand beside this folder, in a wheel inside it.
if not (Path(__file__).parent / "components").is_dir():
    __path__.append(str(Path(__file__).parent.parent))

_HOMES = {
    "Codec": "seqpipe.text.codec",
    "SeqpipeError": "seqpipe.errors",
    "annotate": "seqpipe.annotation.run",
    "explained": "seqpipe.explain.explanation",
    "from_pretrained": "seqpipe.hub.sharing",
    "mapper": "seqpipe.annotation.mapping",
    "pipeline": "seqpipe.hub.tasks",
    "push_to_hub": "seqpipe.hub.sharing",
    "render": "seqpipe.explain.rendering",
    "save_pretrained": "seqpipe.hub.sharing",
    "serve": "seqpipe.explain.playground",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'seqpipe' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
