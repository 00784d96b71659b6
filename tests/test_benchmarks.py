"""The machinery of the benchmarks: what is measured with, not what was measured."""

from __future__ import annotations

import ast
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from proof import ROOT, benchmarks

bench = benchmarks("bench")
clock = benchmarks("clock")
command = benchmarks("__main__")
environments = benchmarks("peers.environments")
flops = benchmarks("flops")
index = benchmarks("index")
page = benchmarks("page")
peers = benchmarks("peers")
plots = benchmarks("plots")
results = benchmarks("results")
scores = benchmarks("scores")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sets these where nobody has, and for its whole process."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def run_of(name: str) -> Any:
    machine = {"processor": "one"}
    return results.Run(name, "today", "1.0", "python -m benchmarks", False, 3.0, machine, {})


def options(folder: Path, **more: Any) -> Any:
    nothing: dict[str, Any] = {name: {} for name in ("sets", "models", "pythons")}
    told = {"quick": True, "data": None, "cache": folder, "command": "python -m benchmarks"}
    return bench.Options(**{**nothing, **told, **more})


@pytest.mark.parametrize("name", index.BENCHES)
def test_every_bench_is_there(name: str) -> None:
    """Found without importing it, which takes seconds."""
    module, _, function = index.BENCHES[name].where.partition(":")
    source = (ROOT / "benchmarks" / "benches" / f"{module}.py").read_text("utf-8")
    names = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    assert function in names


def test_results_come_back_as_they_were_written(tmp_path: Path) -> None:
    found = results.Results(run_of("scale"))
    for record in (
        results.Figure("scale", "seqpipe", "words/s", "speed", (1.0, 3.0, 2.0)),
        results.Curve("scale", "Documents", "seqpipe", "documents", "s", ((1.0, 2.0),), 1.01),
        results.Absent("scale", "somebody", "there is none"),
        results.Remark("scale", "Read this."),
    ):
        found.add(record)
    found.write(tmp_path / "scale.jsonl")
    assert results.read_results(tmp_path / "scale.jsonl") == found
    assert all(json.loads(line) for line in (tmp_path / "scale.jsonl").read_text().splitlines())


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (0.80961, "share", "0.810"),
        (0.4712, "percent", "47 %"),
        (162_791.3, "speed", "163,000"),
        (26_606.0, "speed", "26,600"),
        (5.3449, "times", "5.34"),
        (100.4, "seconds", "100"),
        (0.0, "seconds", "0"),
        (0.01234, "seconds", "0.0123"),
    ],
)
def test_three_digits(value: float, unit: str, told: str) -> None:
    assert results.shown(value, unit) == told


def test_a_page_has_quality_and_speed_in_one_table(tmp_path: Path) -> None:
    found = results.Results(run_of("sentiment"))
    for who, speeds in (("a peer", (10.0,)), ("seqpipe", (20.0, 30.0))):
        found.add(results.Figure("sentiment", who, "accuracy", "share", (0.5,)))
        found.add(results.Figure("sentiment", who, "words/s", "speed", speeds))
    found.add(results.Absent("sentiment", "another", "there is no network"))
    points = ((1.0, 10.0), (100.0, 1000.0))
    found.add(results.Curve("sentiment", "Size", "seqpipe", "documents", "ms", points, 1.0))
    found.write(tmp_path / "benchmarks" / "sentiment.jsonl")
    page.written(tmp_path)
    text = (tmp_path / "benchmarks.md").read_text("utf-8")
    assert "| seqpipe | 0.500 | 25.0 (20.0 to 30.0) |\n| a peer | 0.500 | 10.0 |" in text
    assert "another: not measured: there is no network." in text
    picture = ET.fromstring((tmp_path / "benchmarks" / "sentiment-size.svg").read_text("utf-8"))
    told = [one.text for one in picture.iter() if one.tag.endswith("desc")]
    assert told == ["seqpipe, n^1.00: 1: 10, 100: 1e+03"]


def test_all_points_of_a_plot_lie_within_it() -> None:
    curves = [
        results.Curve("x", "p", f"<{n}>", "a", "b", ((3.0, 0.02 * n), (7000.0, 9.0 * n)))
        for n in (1, 2)
    ]
    root = ET.fromstring(plots.plot("A & B", curves))
    dots = [one.attrib for one in root.iter() if one.tag.endswith("circle")]
    assert len(dots) == 4
    assert all(0 <= float(dot["cx"]) <= plots.WIDTH for dot in dots)
    assert all(0 <= float(dot["cy"]) <= plots.HEIGHT for dot in dots)


def test_who_cannot_be_installed_is_said_and_not_left_out(tmp_path: Path) -> None:
    desk = bench.Bench("sentiment", options(tmp_path, pythons={"flair": "/no/python"}))
    with desk.peer("flair BiLSTM", "flair", "flair_peer", {}) as nobody:
        assert nobody is None
    assert [one.who for one in desk.done().absent] == ["flair BiLSTM"]
    assert "/no/python" in desk.done().absent[0].why


def test_every_peer_is_pinned() -> None:
    for peer in environments.PEERS:
        pins = (environments.HERE / f"{peer}.txt").read_text("utf-8").splitlines()
        assert all("==" in pin for pin in pins if not pin.startswith("#"))


def test_a_peer_names_itself_and_answers(tmp_path: Path) -> None:
    script = tmp_path / "peer.py"
    script.write_text(
        "import json, sys\n"
        "told = json.load(open(sys.argv[1]))\n"
        "print('noise'); print('peer: somebody', flush=True)\n"
        "for _ in sys.stdin:\n"
        "    json.dump(told['texts'][::-1], open(told['found'], 'w'))\n"
        "    print('peer: 0.25', flush=True)\n"
    )
    peer = peers.Peer([sys.executable, str(script)], {"texts": ["a", "b"]})
    try:
        assert (peer.name, peer(), peer.found()) == ("somebody", 0.25, ["b", "a"])
    finally:
        peer.close()


def test_only_a_peer_tells_its_own_time() -> None:
    times = peers.in_turns({"us": lambda: 1e9, "them": lambda: peers.Seconds(1e9)}, 2)
    assert max(times["us"]) < 1e8
    assert times["them"] == [1e9, 1e9]


def test_the_clock_gives_every_second_to_one_part() -> None:
    class Work:
        def outer(self) -> int:
            return self.inner() + 1

        def inner(self) -> int:
            return 1

    work, found = Work(), clock.Clock()
    found.wrap(work, "outer", "above")
    found.wrap(work, "inner", "below")
    with found.part("whole"):
        assert work.outer() == 2
    assert set(found.seconds) == {"whole", "above", "below"}
    assert all(seconds >= 0 for seconds in found.seconds.values())
    found.undo()
    assert vars(work) == {}


@settings(max_examples=40)
@given(st.lists(st.text("ab c", min_size=1), min_size=1, max_size=8))
def test_spans_are_those_of_characters_that_are_no_spaces(pieces: list[str]) -> None:
    whole = ["".join(pieces)]
    if "".join(whole[0].split()):
        assert scores.span_f([pieces], [pieces]) == 1.0
        assert scores.span_f([list(whole[0])], [whole]) <= 1.0


def test_scores() -> None:
    assert scores.accuracy(["a", "b", "b"], ["a", "b", "a"]) == pytest.approx(2 / 3)
    assert scores.macro_f(["a", "b", "b"], ["a", "b", "a"]) == pytest.approx(2 / 3)
    assert scores.exponent([(1, 3), (10, 300), (100, 30000)]) == pytest.approx(2.0)


def test_operations_are_those_of_the_products() -> None:
    lstm = torch.nn.LSTM(8, 16)
    weights = sum(w.numel() for name, w in lstm.named_parameters() if name.startswith("weight"))
    assert flops.layer("lstm", 8, 16) == 2 * weights
    assert flops.layer("mingru", 8, 16) == 2 * 8 * 32


def test_a_command_that_anybody_can_repeat() -> None:
    parser = command.arguments()
    given = ["sentiment", "--quick", "--data", "/home/me/data", "--python", "flair=/opt/python"]
    told = command._public(parser.parse_args([*given, "--model", "tokenizer=/tmp/x/model-best"]))
    assert told == ["sentiment", "--quick", "--data", "data", "--model", "tokenizer=model-best"]


def test_a_bench_that_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no such bench"):
        command.main(["nothing", "--output", str(tmp_path)])


def test_a_gpu_is_for_the_benches_that_ask_for_one(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"sentiment: measured on the CPU alone.*for limits"):
        command.main(["sentiment", "--device", "cuda", "--output", str(tmp_path)])


@pytest.mark.parametrize(
    ("device", "why"), [("cpu", "it takes `--device cuda`"), ("cuda", "torch sees none")]
)
def test_where_no_gpu_is_it_is_said_so(
    device: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = benchmarks("benches.limits")
    measured: list[str] = []
    monkeypatch.setattr(limits, "_measured", lambda bench, where: measured.append(where))
    monkeypatch.setattr(limits, "copy_limit", lambda: 1e9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    desk = bench.Bench("limits", options(tmp_path, device=device))
    limits.limits(desk)
    assert measured == ["cpu"]
    assert [one.who for one in desk.done().absent] == ["GPU"]
    assert why in desk.done().absent[0].why


def test_a_bench_that_fails_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(entry: Any) -> Any:
        def run(desk: Any) -> None:
            if desk.name == "sentiment":
                raise ValueError("too much")
            desk.figure("seqpipe", "words/s", "speed", 10.0, 30.0)

        return run

    monkeypatch.setattr(index.Entry, "load", load)
    output = tmp_path / "docs"
    (tmp_path / "README.md").write_text("<!-- figure: profile.seqpipe.words_s -->1<!-- /figure -->")
    assert command.main(["sentiment", "profile", "--output", str(output)]) == 1
    assert "not measured: sentiment" in capsys.readouterr().err
    assert "| seqpipe | 20.0 (10.0 to 30.0) |" in (output / "benchmarks.md").read_text("utf-8")
    assert "-->20.0<!--" in (tmp_path / "README.md").read_text("utf-8")


def test_where_nothing_was_measured_there_is_a_page_all_the_same(tmp_path: Path) -> None:
    assert command.main(["--page", "--output", str(tmp_path / "docs")]) == 0
    assert (tmp_path / "docs" / "benchmarks.md").read_text("utf-8").startswith("# Benchmarks")


def test_one_pair_names_a_set_and_its_columns(tmp_path: Path) -> None:
    desk = bench.Bench("sentiment", options(tmp_path, sets={"sentiment": "imdb,text=review"}))
    found = desk.source("sst2", "reviews_en", text="sentence")
    assert (found.path, found.columns) == ("imdb", {"text": "review"})
    plain = bench.Bench("sentiment", options(tmp_path)).source("sst2", "reviews_en", text="x")
    assert (plain.path, plain.columns) == ("bundled:reviews_en", {})
