from __future__ import annotations

import gc
import os
import secrets
import signal
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import spacy
from small import add_stage, make_examples

from seqpipe.annotation.local import Processes
from seqpipe.annotation.on_ray import RayEngine
from seqpipe.annotation.parts import Parts
from seqpipe.annotation.work import Done, Engine, Feed, Recipe, Task
from seqpipe.errors import ExtraMissing, SettingError, SourceUnreadable
from seqpipe.pipelines import import_code

# Ray's own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# A stage that is only here; it ends its process over one text, and cannot bear another.
CODE = """
import os, signal
from spacy.language import Language

@Language.component("mortal")
def mortal(doc):
    if doc.text.startswith("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if doc.text.startswith("refuse"):
        raise ValueError("not this one")
    return doc
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray in this process, for all of the tests; with a token that nothing else shares."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray = pytest.importorskip("ray")  # which reads its surroundings as it is imported
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=100 << 20,
            log_to_driver=False,
            logging_level="ERROR",
        )
        # Nobody else can import this page.
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        yield
        ray.shutdown()
        with warnings.catch_warnings():  # of processes that Ray has let go
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = tmp_path_factory.mktemp("ray")
    nlp = spacy.blank("en")
    add_stage(nlp)
    nlp.initialize(lambda: make_examples(nlp))
    nlp.to_disk(folder / "films")
    return Recipe(str(folder / "films"), "jsonl", {"cats": "cats", "error": "error"})


def mortal(recipe: Recipe) -> Recipe:
    """The same pipeline with a stage of which the code alone knows."""
    folder = Path(recipe.model).parent
    code = folder / "code.py"
    code.write_text(CODE)
    import_code(code)
    nlp = spacy.load(recipe.model)
    nlp.add_pipe("mortal")
    nlp.to_disk(folder / "mortals")
    return replace(recipe, model=str(folder / "mortals"), code=str(code))


def parts(texts: list[str], rows: int = 10) -> Parts:
    return Parts("job", [pa.table({"text": texts})], rows=rows)


def done_by(engine: Engine, feed: Feed, recipe: Recipe) -> list[Done]:
    return sorted(engine.run(feed, recipe), key=lambda done: done.part)


def facts_of(done: Done) -> tuple[int, int, str, int]:
    return done.part, done.first, done.digest, done.tally.words


def broken_feed() -> Iterator[Task]:
    yield from parts(["good"])()
    raise SourceUnreadable("films.jsonl", "it is torn")


@pytest.mark.usefixtures("cluster")
def test_the_same_bytes_as_on_one_machine(recipe: Recipe) -> None:
    texts = [f"a good film {number}" if number % 7 else "" for number in range(95)]
    there = done_by(RayEngine(2), parts(texts), recipe)
    here = done_by(Processes(1), parts(texts), recipe)
    assert [done.body for done in there] == [done.body for done in here]
    assert [facts_of(done) for done in there] == [facts_of(done) for done in here]


@pytest.mark.usefixtures("cluster")
def test_what_kills_or_fails_costs_only_itself(recipe: Recipe) -> None:
    texts = ["good", "kill this", "bad", "refuse this", "dull"]
    deaths: list[str] = []
    [done] = done_by(RayEngine(1, died=deaths.append), parts(texts), mortal(recipe))
    assert [(failure.row, failure.stage) for failure in done.failures] == [
        (1, "worker"),
        (3, "mortal"),
    ]
    assert done.tally.documents == 5 and done.tally.failed == 2
    assert deaths and all(signal.SIGKILL.name in how for how in deaths)


@pytest.mark.usefixtures("cluster")
def test_an_error_comes_out_as_itself(recipe: Recipe) -> None:
    with pytest.raises(SourceUnreadable, match="cannot be read: it is torn"):
        done_by(RayEngine(1), broken_feed, recipe)


@pytest.mark.usefixtures("cluster")
def test_no_more_parts_are_read_than_are_needed(recipe: Recipe, tmp_path: Path) -> None:
    read = tmp_path / "read"

    def feed() -> Iterator[Task]:
        for task in parts([f"film {number}" for number in range(60)], rows=1)():
            with read.open("a") as file:
                file.write(f"{os.getpid()}\n")
            yield task

    results = RayEngine(1).run(feed, recipe)
    assert next(results).tally.documents == 1
    results.close()  # type: ignore[attr-defined]
    assert len(read.read_text().splitlines()) < 12


def test_without_ray_it_says_how_to_get_it(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExtraMissing, match=r"pip install \"seqpipe\[ray\]\""):
        done_by(RayEngine(1), parts(["a"]), recipe)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9"])
def test_an_address_where_nobody_answers(address: str) -> None:
    ray = pytest.importorskip("ray")
    with pytest.raises(SettingError, match="a cluster that answers"):
        RayEngine(1, address=address)._connect(ray, {})
