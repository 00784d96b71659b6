"""`seqpipe.gradients`: what it writes and draws, and that a training does not feel it."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from runs import told

from seqpipe.cli.train import Silent, train
from seqpipe.explain.report.curves import Curve, Panel, drawn

SETTINGS: dict[str, Any] = {
    "training.max_steps": 6,
    "training.eval_frequency": 2,
    "training.dropout": 0.2,
    "seqpipe.rows": 8,
    "seqpipe.gradients": True,
    "corpora.dev.limit": 8,
}
SVG = "{http://www.w3.org/2000/svg}"
ENCODER = ["encoder.onward.0", "encoder.backward_.0"]
CELLS = {
    "generator": ("poems", ["layers.0"], {"components.generator.model.weight_dropout": 0.1}),
    "sentiment": ("reviews", ENCODER, {}),
    "tokenizer": ("sentences", ENCODER, {}),
    "translator": ("pairs", [*ENCODER, "decoder.layers.0"], {}),
}


class Leaving(Silent):
    """Asks to stop after a step."""

    def stepped(self, position: Any, words_per_second: float) -> None:
        self.stopping = position.step == 3


def lines(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "gradients.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("stage", CELLS)
def test_every_stage_tells_its_layers_and_lags_and_learns_the_same(
    stage: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    data, cells, more = CELLS[stage]
    where = "bundled:verse_en" if data == "poems" else str(request.getfixturevalue(data))
    columns = {"limit": 60}
    for output, gradients in ((tmp_path / "with", True), (tmp_path / "without", False)):
        overrides = {**SETTINGS, **more, "seqpipe.gradients": gradients}
        train(stage, where, output=output, columns=columns, overrides=overrides)
    assert told(tmp_path / "with") == told(tmp_path / "without")
    assert not (tmp_path / "without" / "gradients.svg").exists()
    found = lines(tmp_path / "with")
    assert [line["step"] for line in found] == [2, 4, 6]
    for line in found:
        assert set(cells) <= set(line["lags"]) <= set(line["layers"])
        norms = [*line["layers"].values(), *(n for lag in line["lags"].values() for n in lag)]
        assert all(math.isfinite(norm) and norm >= 0 for norm in norms)
        assert all(lag[0] > 0 for lag in line["lags"].values())


def test_they_go_on_as_the_run_does(reviews: Path, tmp_path: Path) -> None:
    how: dict[str, Any] = {"overrides": SETTINGS, "resume": True}
    for output, watcher in ((tmp_path / "a", None), (tmp_path / "b", Leaving())):
        train("sentiment", str(reviews), output=output, watcher=watcher, **how)
    late = (tmp_path / "a" / "gradients.jsonl").read_text().splitlines(keepends=True)[1:]
    with (tmp_path / "b" / "gradients.jsonl").open("a") as file:
        file.write("".join(late))  # as a sitting leaves it that was killed before its checkpoint
    train("sentiment", str(reviews), output=tmp_path / "b", **how)
    for name in ("gradients.jsonl", "gradients.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_run_begun_anew_forgets_them(reviews: Path, tmp_path: Path) -> None:
    for gradients in (True, False):
        overrides = {**SETTINGS, "training.max_steps": 2, "seqpipe.gradients": gradients}
        train("sentiment", str(reviews), output=tmp_path / "o", overrides=overrides, overwrite=True)
    assert not list((tmp_path / "o").glob("gradients.*"))


def test_curves_lie_where_their_powers_of_ten_do() -> None:
    curve = Curve("a <b> & c", [(0, 1.0), (1, 0.1), (2, 0.0), (3, math.nan), (4, 0.01)])
    root = ET.fromstring(drawn([Panel("t", "x", [curve]), Panel("none", "x", [])]))
    (line,) = root.iter(f"{SVG}polyline")
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert points == [(0.0, 100.0), (130.0, 200.0), (520.0, 300.0)]  # 1e1 is the upper edge
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"a <b> & c", "1e1", "1e-2", "nothing yet", "0", "4"} <= set(texts)
