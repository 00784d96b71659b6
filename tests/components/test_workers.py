"""Worker processes after the parent has computed with several threads: no wait for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import seqpipe

SENTIMENT = """
import multiprocessing
import sys

import torch
from small import cats_of, make_nlp, texts_of

torch.set_num_threads(2)

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    nlp = make_nlp(steps=1, model={"width": 64, "embedding": 64})
    torch.set_num_threads(2)
    texts = texts_of() * 30
    expected = cats_of(nlp.pipe(texts))
    torch.ones(600, 600) @ torch.ones(600, 600)
    pairs = [(text, number) for number, text in enumerate(texts)]
    found = list(nlp.pipe(pairs, as_tuples=True, n_process=2, batch_size=20))
    assert [context for _, context in found] == list(range(len(texts)))
    for (doc, _), cats in zip(found, expected, strict=True):
        assert all(abs(doc.cats[label] - cats[label]) < 1e-5 for label in cats)
        assert doc._.sentiment["label"] == max(cats, key=cats.get)
    assert torch.get_num_threads() == 2
    print("done")
"""

TOKENIZER = """
import multiprocessing
import sys

import torch
from words import facts_of, make_words_nlp, text_of

torch.set_num_threads(2)

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    nlp = make_words_nlp(5)
    torch.set_num_threads(2)
    texts = [text_of(count=n % 7, seed=n) for n in range(240)]
    expected = [facts_of(doc) for doc in nlp.pipe(texts)]
    torch.ones(600, 600) @ torch.ones(600, 600)
    pairs = [(text, number) for number, text in enumerate(texts)]
    found = list(nlp.pipe(pairs, as_tuples=True, n_process=2, batch_size=20))
    assert [context for _, context in found] == list(range(len(texts)))
    assert [facts_of(doc) for doc, _ in found] == expected
    assert torch.get_num_threads() == 2
    print("done")
"""

TRANSLATOR = """
import multiprocessing
import sys

import torch
from letters import TEXTS, make_letters_nlp, make_pairs

torch.set_num_threads(2)

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    nlp = make_letters_nlp(5, pairs=make_pairs(40), shortlist=9, search={"beam": 2, "nbest": 2})
    torch.set_num_threads(2)
    texts = [*TEXTS, ""] * 3
    expected = [(doc._.translation, doc._.alignment) for doc in nlp.pipe(texts)]
    torch.ones(600, 600) @ torch.ones(600, 600)
    pairs = [(text, number) for number, text in enumerate(texts)]
    found = list(nlp.pipe(pairs, as_tuples=True, n_process=2, batch_size=20))
    assert [context for _, context in found] == list(range(len(texts)))
    for (doc, _), (text, lines) in zip(found, expected, strict=True):
        assert doc._.translation == text and len(doc._.translation_nbest) <= 2
        assert [line[:4] for line in map(list, doc._.alignment)] == [line[:4] for line in lines]
    assert torch.get_num_threads() == 2
    print("done")
"""

GENERATOR = """
import multiprocessing
import sys

import torch
from verses import POEMS, make_verses_nlp

torch.set_num_threads(2)

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    search = {"sampling": True, "nbest": 2, "max_length": 20}
    nlp = make_verses_nlp(5, model={"width": 64}, search=search, threshold=4.0)
    torch.set_num_threads(2)
    texts = [*POEMS, ""] * 10
    expected = list(nlp.pipe(texts))
    torch.ones(600, 600) @ torch.ones(600, 600)
    pairs = [(text, number) for number, text in enumerate(texts)]
    found = list(nlp.pipe(pairs, as_tuples=True, n_process=2, batch_size=20))
    assert [context for _, context in found] == list(range(len(texts)))
    for (doc, _), other in zip(found, expected, strict=True):
        assert doc._.generated == other._.generated and len(doc._.generated_nbest) == 2
        assert abs(doc._.surprisal - other._.surprisal) < 1e-3
        costs = zip(doc, other, strict=True)
        assert all(abs(a._.surprisal - b._.surprisal) < 1e-3 for a, b in costs)
        assert len(doc.spans["unusual"]) == len(other.spans["unusual"])
    assert torch.get_num_threads() == 2
    print("done")
"""


@pytest.mark.parametrize(
    ("start", "parent"),
    [
        ("fork", SENTIMENT),
        ("spawn", SENTIMENT),
        ("fork", TOKENIZER),
        ("fork", TRANSLATOR),
        ("fork", GENERATOR),
    ],
    ids=["fork", "spawn", "fork-tokenizer", "fork-translator", "fork-generator"],
)
def test_two_workers_after_two_threads(tmp_path: Path, start: str, parent: str) -> None:
    if start == "fork" and not hasattr(os, "fork"):
        pytest.skip("this system does not fork")
    script = tmp_path / "parent.py"
    script.write_text(parent, encoding="utf-8")
    paths = [Path(__file__).parents[1], Path(seqpipe.__file__).parents[1]]
    here = {**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    here["PYTHONPATH"] = os.pathsep.join(map(str, paths))
    ran = subprocess.run(
        [sys.executable, str(script), start],
        cwd=tmp_path,
        env=here,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("done\n")
