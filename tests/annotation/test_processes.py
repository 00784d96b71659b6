"""Workers in processes of their own: same bytes, and none of them can take the job with it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from commands import read_lines
from mortal import CODE, mortal

from seqpipe.annotation.frames import done_of, frame_of_done, frame_of_task, task_of
from seqpipe.annotation.job import Progress
from seqpipe.annotation.local import Processes
from seqpipe.annotation.parts import Parts
from seqpipe.annotation.run import annotate
from seqpipe.annotation.work import Done, Failure, Recipe, Tally, Task
from seqpipe.errors import WorkerFailed

FIELDS = {"length": "length", "error": "error"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measuring") / "model"
    mortal().to_disk(folder)
    return folder


def test_workers_give_the_bytes_of_one_and_survive_their_deaths(
    model: Path, tmp_path: Path
) -> None:
    rows = [{"text": f"a {'b ' * (i % 3)}{i}"} for i in range(20)]
    rows[7] = {"text": f"die once {tmp_path / 'flag'}"}
    rows[13] = {"text": "boom"}
    seen: list[int] = []

    def watch(progress: Progress) -> None:
        seen.append(progress.replaced)

    done = annotate(model, rows, tmp_path / "two", part_rows=4, workers=2, code=CODE, watch=watch)
    assert (done.documents, done.failed, done.replaced, seen[-1]) == (20, 1, 1, 1)
    annotate(model, rows, tmp_path / "one", part_rows=4)
    for name in (f"parts/part-0000{i}.jsonl" for i in range(5)):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    (two,), (one,) = (read_lines(tmp_path / name / "failed.jsonl") for name in ("two", "one"))
    # A traceback tells where modules lie, as each process sees it.
    assert {**two, "traceback": ""} == {**one, "traceback": ""}


def test_a_document_that_kills_each_worker_is_given_up(model: Path, tmp_path: Path) -> None:
    rows = [{"text": text} for text in ("a", "b b", "die", "c")]
    done = annotate(model, rows, tmp_path / "x.jsonl", workers=2, code=CODE)
    assert (done.documents, done.failed) == (4, 1)
    found = read_lines(tmp_path / "x.jsonl")
    assert [row["length"] for row in found] == [1, 2, None, 1]
    (first,) = read_lines(tmp_path / "x.jsonl.job" / "failed.jsonl")
    assert (first["row"], first["stage"]) == (2, "worker")
    assert first["error"].startswith("a worker died of SIGKILL each time")


def test_a_worker_that_dies_before_it_begins_is_replaced(model: Path, tmp_path: Path) -> None:
    flag, code = tmp_path / "flag", tmp_path / "code.py"
    die = f"import os, pathlib\nflag = pathlib.Path({str(flag)!r})\n"
    die += "if not flag.exists():\n    flag.touch()\n    os.kill(os.getpid(), 9)\n"
    code.write_text(die + CODE.read_text().replace("from __future__ import annotations\n", ""))
    recipe = Recipe(str(model), "jsonl", FIELDS, code=str(code))
    parts = Parts("x", [pa.table({"text": ["a"]})], rows=1)
    deaths: list[str] = []
    assert len([*Processes(1, died=deaths.append).run(parts, recipe)]) == 1
    assert deaths == ["died of SIGKILL"]


def test_a_worker_that_cannot_begin_ends_the_job(tmp_path: Path) -> None:
    recipe = Recipe(str(tmp_path / "nowhere"), "jsonl", FIELDS)
    parts = Parts("x", [pa.table({"text": ["a"]})], rows=1)
    with pytest.raises(WorkerFailed, match="nowhere"):
        [*Processes(2).run(parts, recipe)]


def test_input_that_breaks_ends_the_job(model: Path) -> None:
    def torn(part: int) -> Task:
        raise ValueError("the input is torn")

    recipe = Recipe(str(model), "jsonl", FIELDS, code=str(CODE))
    with pytest.raises(ValueError, match="torn"):
        [*Processes(2).run(partial(map, torn, [0]), recipe)]


def test_frames_are_what_was_sent() -> None:
    task = Task(3, 12, pa.table({"text": ["a", None]}), "digest", only=[1], lost={0: "died"})
    assert task_of(frame_of_task(task)) == task
    failures = [Failure(12, "id", "worker", "died", "where")]
    tally = Tally(2, 1, 0, 1, {"measure": 0.5})
    done = Done(3, 12, "digest", b"\x00\n", tally, failures, absent=[0], weight=9)
    assert done_of(frame_of_done(done)) == done
