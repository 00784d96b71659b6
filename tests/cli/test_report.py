"""The report of a run and of a measurement, and what a run says of the same rows on its way."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

import pytest
from commands import Command, read_lines, write_lines
from runs import Impatient, written_bytes

import seqpipe.cli._report as drawing
from seqpipe.cli.evaluate import evaluate
from seqpipe.cli.train import train
from seqpipe.errors import SettingError

QUICK: dict[str, Any] = {
    "training.max_steps": 4,
    "training.eval_frequency": 2,
    "seqpipe.rows": 8,
    "seqpipe.samples": 3,
    "corpora.dev.limit": 8,
    "components.*.model.embedding": 6,
    "components.*.model.width": 6,
}
# What each stage learns from, its own settings, and the headings of what is found.
STAGES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "sentiment": ("reviews", {}, ["What is taken for what", "Confidence", "Worst mistakes"]),
    "tokenizer": ("sentences", {}, ["Boundaries of tokens"]),
    "translator": ("pairs", {}, ["Worst translations"]),
    "generator": ("reviews", {"components.generator.window": 16}, ["Dearest texts"]),
}
OUTLINE = ["Outcome", "Course", "On the way", "Data", "Settings and versions", "Time and energy"]
HEADING = re.compile(r'<section class="seqpipe" aria-label="(.*?)">')
TIMES = re.compile(r'<section class="seqpipe" aria-label="Time and energy">.*?</section>', re.S)


def learned(stage: str, data: Path, output: Path, **how: Any) -> Path:
    own = {**QUICK, **STAGES[stage][1], **how.pop("settings", {})}
    train(stage, str(data), output=output, overrides=own, **how)
    return output


def page_of(output: Path) -> str:
    return (output / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_leaves_a_report_that_hangs_on_nothing_but_its_seed(
    stage: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    name, _, found = STAGES[stage]
    data = request.getfixturevalue(name)
    output = learned(stage, data, tmp_path / "a")
    page = page_of(output)
    headings = HEADING.findall(page)
    assert [name for name in headings if name in OUTLINE] == OUTLINE
    assert set(found) <= set(headings)
    assert "<script" not in page and "default-src 'none'" in page and not re.search("https?:", page)
    samples = read_lines(output / "samples.jsonl")
    assert [line["step"] for line in samples] == [2, 4]
    for line in samples:
        assert 1 <= len(line["samples"]) <= 3  # there may be fewer texts
        assert all({*sample} == {"text", "truth", "said"} for sample in line["samples"])
    assert escape(samples[0]["samples"][0]["text"]) in page
    # stopped, gone on with, and elsewhere: the same
    other = tmp_path / "b"
    learned(stage, data, other, watcher=Impatient(3), resume=True)
    assert "Stopped after step" in page_of(other)
    learned(stage, data, other, resume=True)
    assert TIMES.sub("", page_of(other)) == TIMES.sub("", page)
    assert (other / "samples.jsonl").read_bytes() == (output / "samples.jsonl").read_bytes()
    # and measured later
    columns: dict[str, Any] = {"source": "source", "target": "target"} if name == "pairs" else {}
    evaluate(output / "model-best", data, limit=8, report=tmp_path / "page.html", **columns)
    measured = HEADING.findall((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert measured[0] == "Scores" and {*measured[1:]} & {*found}


def test_without_samples_and_report_the_models_are_the_same(reviews: Path, tmp_path: Path) -> None:
    plain = {"seqpipe.samples": 0, "seqpipe.report": False}
    with_them = learned("sentiment", reviews, tmp_path / "with")
    without = learned("sentiment", reviews, tmp_path / "without", settings=plain)
    names = [path.name for path in sorted(without.iterdir())]
    assert names == ["log.jsonl", "model-best", "model-last", "run.json"]
    kept, others = written_bytes(with_them), written_bytes(without)
    same = [name for name in kept if not name.endswith("config.cfg")]  # which says what was asked
    assert [name for name in same if kept[name] != others[name]] == []
    learned("sentiment", reviews, with_them, settings=plain, overwrite=True)
    assert [path.name for path in sorted(with_them.iterdir())] == names


def test_a_run_stopped_before_it_was_measured_says_so(reviews: Path, tmp_path: Path) -> None:
    output = learned("sentiment", reviews, tmp_path, watcher=Impatient(1))
    page = page_of(output)
    assert "Stopped after step 1, before anything was measured." in page
    assert "Course" not in HEADING.findall(page)


def test_a_failure_to_draw_costs_nothing(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise ZeroDivisionError("nothing to draw")

    monkeypatch.setattr(drawing, "_of_run", fail)
    with pytest.warns(UserWarning, match="no report was drawn.*nothing to draw"):
        output = learned("sentiment", reviews, tmp_path)
    assert (output / "model-best").exists() and (output / "model-last").exists()
    assert not (output / "report.html").exists() and not (output / "run").exists()


def test_fewer_samples_than_none_are_refused(reviews: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="samples"):
        learned("sentiment", reviews, tmp_path, settings={"seqpipe.samples": -1})


def test_text_in_a_report_is_shown_and_not_run(tmp_path: Path) -> None:
    texts = [
        "<script>alert(1)</script> good",
        "bad </style><img src=x onerror=alert(1)>",
        "好 \x07",
    ]
    rows = [
        {"text": f"{t} {at}", "label": "<b>&" if at % 2 else "no"}
        for at in range(12)
        for t in texts
    ]
    for part in ("train", "validation"):
        write_lines(tmp_path / "data" / f"{part}.jsonl", rows)
    page = page_of(learned("sentiment", tmp_path / "data", tmp_path / "out"))
    assert "&lt;script&gt;" in page and "<script" not in page
    assert "<img" not in page and "<b>" not in page and "\x07" not in page


def test_a_measurement_has_a_report_too(
    seqpipe: Command, pipeline: Path, reviews: Path, tmp_path: Path
) -> None:
    page = tmp_path / "new" / "page.html"
    plain = seqpipe("evaluate", pipeline, reviews, "--json", "-")
    ran = seqpipe("evaluate", pipeline, reviews, "--json", "-", "--report", page)
    assert (plain.code, ran.code, ran.err) == (0, 0, "")
    times = re.compile(r'"\w+_per_second": [\d.]+')
    assert times.sub("", ran.out) == times.sub("", plain.out)
    told = page.read_text(encoding="utf-8")
    assert {"Scores", *STAGES["sentiment"][2]} <= set(HEADING.findall(told))
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]
    refused = seqpipe("evaluate", pipeline, reviews, "--report", tmp_path)
    assert refused.code == 1 and str(tmp_path) in refused.sentence
