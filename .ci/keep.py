"""Keeps what this version saves, for all later ones to load: a tiny pipeline of each stage.

    python .ci/keep.py

writes tests/released/VERSION, with what each pipeline makes of some texts. tests/test_released.py
loads whatever was kept.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc

import seqpipe
from seqpipe.__main__ import main as seqpipe_command

KEPT = Path(__file__).parents[1] / "tests" / "released"
TOLD = "told.json"
TEXTS = ("The room was warm, and we'd come back!", "Two  cakes.", "他今天下午三点到北京。", "")
TRAINED = {
    "tokenizer": "sentences_en --cell gru",
    "sentiment": "reviews_en --cell lstm --components.sentiment.model.pairs 100",
    # In Chinese, where spaCy's own tokenizer has no rules to save.
    "translator": "phrases_en_zh --source zh --target en --lang zh --cell gru"
    " --components.translator.model.decoder_width 8",
    "generator": "verse_zh --lang zh --cell mingru --components.generator.search.sampling false"
    " --components.generator.search.max_length 20",
}
SMALL = {"codec.size": 300, "codec.min_count": 1, "model.embedding": 8, "model.width": 8}
SHORT = {
    "training.max_steps": 100,
    "training.optimizer.learn_rate.rate": 0.01,
    "training.eval_frequency": 100,
    "corpora.train.limit": 200,
    "corpora.dev.limit": 20,
    "seqpipe.report": "false",
    "seqpipe.samples": 0,
}


def main() -> int:
    folder = KEPT / seqpipe.__version__
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="seqpipe-keep-") as place:
        for stage, how in TRAINED.items():
            if seqpipe_command(command(stage, how, Path(place) / stage)):
                return 1
            model = Path(place) / stage / "model-best"
            seqpipe.save_pretrained(spacy.load(model), folder / stage)
            (folder / stage / "README.md").unlink()
    told = {stage: told_of(spacy.load(folder / stage)) for stage in TRAINED}
    (folder / TOLD).write_text(srsly.json_dumps(told), encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{size:,} bytes in {folder}")
    return 0


def command(stage: str, how: str, output: Path) -> Sequence[str]:
    small = {f"components.{stage}.{name}": value for name, value in SMALL.items()}
    settings = [f"--{name}={value}" for name, value in {**small, **SHORT}.items()]
    return ["train", stage, *f"bundled:{how}".split(), "--output", str(output), *settings]


def told_of(nlp: Language) -> list[Any]:
    """What it makes of the texts, as plain values."""
    return [plain(doc) for doc in nlp.pipe(TEXTS)]


def plain(doc: Doc) -> dict[str, Any]:
    written = sorted({key[1] for key in doc.user_data if key[0] == "._."})
    # As they are read from a file: no tuples, and keys that are strings.
    told: dict[str, Any] = srsly.json_loads(srsly.json_dumps(doc.to_json(underscore=written)))
    return told


if __name__ == "__main__":
    sys.exit(main())
