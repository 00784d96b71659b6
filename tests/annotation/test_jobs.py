"""Jobs that are stopped, killed, changed and retried: nothing is lost, nothing is there twice."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from commands import read_lines
from mortal import mortal

from seqpipe.annotation.formats import FORMATS
from seqpipe.annotation.job import Progress, Summary
from seqpipe.annotation.run import annotate
from seqpipe.annotation.work import Tally
from seqpipe.errors import (
    FailuresTooMany,
    JobChanged,
    JobUnfit,
    OutputInUse,
    OutputRefused,
)

ROWS = [{"text": f"a b {'c ' * (i % 4)}{i}", "n": i} for i in range(23)]
BAD = [*ROWS[:9], {"text": "boom", "n": 9}, *ROWS[10:20], {"text": 20}, *ROWS[21:]]


def run(output: Path, rows: Sequence[Any] = ROWS, **options: Any) -> Summary:
    return annotate(mortal(), rows, output, **{"part_rows": 5, **options})


def output_of(place: Path) -> dict[str, bytes]:
    """Everything but what tells of times and runs."""
    if place.is_file():
        return {place.name: place.read_bytes()}
    told = {"journal.jsonl", "summary.json", "job.json", ".lock"}
    files = [file for file in place.rglob("*") if file.is_file() and file.name not in told]
    return {str(file.relative_to(place)): file.read_bytes() for file in files}


def dies(number: int, act: Callable[[], Any]) -> bool:
    """Whether a process that acts is killed when it asks for the disk for this time."""
    child = os.fork()
    if not child:
        synced, sync = 0, os.fsync

        def mortal_sync(fd: Any) -> None:
            nonlocal synced
            synced += 1
            if synced == number:
                os.kill(os.getpid(), signal.SIGKILL)
            sync(fd)

        os.fsync = mortal_sync
        try:
            act()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("name", ["x.parquet", "folder"])
def test_a_kill_anywhere_costs_nothing(name: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole" / name
    run(whole, BAD)
    wanted = output_of(whole)
    for number in count(1):
        place = tmp_path / f"{number}" / name
        if not dies(number, partial(run, place, BAD)):
            break
        run(place, BAD, resume=True)
        assert output_of(place) == wanted
        assert not [*place.parent.rglob(".*.*")]
    assert number > 15  # there were that many moments


def test_killed_again_and_again(tmp_path: Path) -> None:
    run(tmp_path / "whole.jsonl", BAD)
    draw, place = random.Random(7), tmp_path / "x.jsonl"
    deaths = 0
    while dies(draw.randrange(4, 10), lambda: run(place, BAD, resume=True)):
        deaths += 1
    assert deaths > 2 and run(place, BAD, resume=True).documents == 23
    assert place.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    seen: list[Progress] = []
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "out", watch=stops_after(2))
    summary = run(tmp_path / "out", resume=True, watch=seen.append)
    assert seen[0].kept == 10 and summary.documents == 23
    assert run(tmp_path / "out", resume=True).documents == 23


def stops_after(parts: int) -> Callable[[Progress], None]:
    def watch(progress: Progress) -> None:
        if progress.tally.documents >= 5 * parts:
            raise KeyboardInterrupt

    return watch


def test_a_part_that_is_gone_is_done_again(tmp_path: Path) -> None:
    run(tmp_path / "out")
    wanted = output_of(tmp_path / "out")
    (tmp_path / "out" / "parts" / "part-00002.jsonl").write_bytes(b"cut")
    run(tmp_path / "out", resume=True)
    assert output_of(tmp_path / "out") == wanted


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text": "n"}, 'options text was "text" and is "n"'),
        ({"part_rows": 6}, "options part-rows was 5 and is 6"),
        ({"fields": ["length"]}, "options fields"),
        ({"format": "csv"}, "options format"),
    ],
)
def test_a_changed_option_is_refused(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    run(tmp_path / "out")
    before = output_of(tmp_path / "out")
    with pytest.raises(JobChanged, match=said):
        run(tmp_path / "out", resume=True, **change)
    assert output_of(tmp_path / "out") == before


def test_a_changed_input_or_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "out", watch=stops_after(2))
    other = [{"text": "other", "n": 0}, *ROWS[1:]]
    with pytest.raises(JobChanged, match="other rows from 0 to 4"):
        run(tmp_path / "out", other, resume=True)
    with pytest.raises(JobChanged, match="input rows was 23 and is 22"):
        run(tmp_path / "out", ROWS[:-1], resume=True)
    nlp = mortal()
    nlp.add_pipe("sentencizer")
    with pytest.raises(JobChanged, match="model digest"):
        annotate(nlp, ROWS, tmp_path / "out", part_rows=5, resume=True)


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.parquet", "x.spacy", "x.conllu", "folder"])
def test_what_failed_is_tried_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*BAD[:20], *ROWS[20:]]
    place = tmp_path / name
    assert run(place, rows).failed == 1
    monkeypatch.setenv("TAMED", "1")
    assert run(place, rows, retry_failed=True).failed == 0
    run(tmp_path / "tamed" / name, rows)
    assert output_of(place) == output_of(tmp_path / "tamed" / name)
    assert run(place, rows, retry_failed=True).documents == 23


def test_failures_are_told(tmp_path: Path) -> None:
    summary = run(tmp_path / "x.jsonl", BAD)
    first, second = read_lines(tmp_path / "x.jsonl.job" / "failed.jsonl")
    assert (first["row"], first["id"], first["stage"]) == (9, 9, "measure")
    assert first["error"] == "ValueError: it went boom" and "Traceback" in first["traceback"]
    assert (second["row"], second["stage"]) == (20, "input")
    assert (summary.failed, summary.first_failure) == (2, first["error"])
    told = json.loads((tmp_path / "x.jsonl.job" / "summary.json").read_text())
    assert told["failed"] == 2 and told["job"]["versions"]["spacy"]
    assert {"tokenizer", "measure"} == {*told["stages"]}
    found = read_lines(tmp_path / "x.jsonl")
    assert [row["n"] for row in found if "error" not in row] == [
        n for n in range(23) if n not in (9, 20)
    ]


def test_only_new_failures_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "out", BAD)
    monkeypatch.setenv("TAMED", "1")
    assert run(tmp_path / "out", BAD, retry_failed=True).failed == 1
    (left,) = read_lines(tmp_path / "out" / "failed.jsonl")
    assert left["row"] == 20


def test_too_many_failures_stop_a_job(tmp_path: Path) -> None:
    with pytest.raises(FailuresTooMany, match="1 documents have failed, and --max-failures is 0"):
        run(tmp_path / "out", BAD, max_failures=0)
    assert run(tmp_path / "out", BAD, resume=True).failed == 2


def test_unfinished_jobs_are_not_retried(tmp_path: Path) -> None:
    with pytest.raises(FailuresTooMany):
        run(tmp_path / "out", BAD, max_failures=0)
    with pytest.raises(JobUnfit, match="--resume it first"):
        run(tmp_path / "out", BAD, retry_failed=True)


def test_a_full_disk_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = Path.write_bytes, 0

    def full(path: Path, body: bytes) -> int:
        nonlocal written
        written += 1
        if written == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, body)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputRefused, match="No space left on device; 10 documents are kept"):
            run(tmp_path / "out")
    assert run(tmp_path / "out", resume=True).documents == 23


def test_outputs_in_use_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("mine")
    with pytest.raises(OutputInUse, match="--resume or --overwrite"):
        run(tmp_path / "x.jsonl")
    assert (tmp_path / "x.jsonl").read_text() == "mine"
    run(tmp_path / "x.jsonl", overwrite=True)
    run(tmp_path / "x.jsonl", ROWS[:3], overwrite=True)
    assert len(read_lines(tmp_path / "x.jsonl")) == 3
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("mine")
    with pytest.raises(OutputRefused, match=r"other things than a job, such as thesis\.tex"):
        run(tmp_path / "folder", overwrite=True)


def test_two_runs_of_one_job_do_not_meet(tmp_path: Path) -> None:
    def second(progress: Progress) -> None:
        with pytest.raises(OutputInUse, match="when the other run has ended"):
            run(tmp_path / "out", resume=True)

    run(tmp_path / "out", watch=second)


@pytest.mark.parametrize("format", [*FORMATS])
def test_a_file_is_its_parts(format: str, tmp_path: Path) -> None:
    run(tmp_path / f"one.{format}", part_rows=100)
    run(tmp_path / f"many.{format}", part_rows=5)
    if format not in ("parquet", "spacy"):
        unzipped = [content(tmp_path / f"{name}.{format}") for name in ("one", "many")]
        assert unzipped[0] == unzipped[1]
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        f"many.{format}",
        f"many.{format}.job",
        f"one.{format}",
        f"one.{format}.job",
    ]
    assert not (tmp_path / f"many.{format}.job" / "parts").exists()


def content(path: Path) -> bytes:
    import gzip

    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_how_many_are_expected() -> None:
    tally = Tally(documents=300)
    assert Progress(tally).expected is None
    assert Progress(tally, total=400).expected == 400
    assert Progress(tally, size=10_000, weight=2_000, kept=100).expected == 1_000
    assert Progress(tally, size=10_000, weight=9_999_999, kept=100).expected == 300
