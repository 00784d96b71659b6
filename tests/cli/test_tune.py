"""`seqpipe tune`: what it tries, what it gives up, and how a killed study ends."""

from __future__ import annotations

import importlib.util
import json
import math
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import Command, read_lines, write_lines
from runs import apart, ended, search_on

import seqpipe.cli._study as study
from seqpipe.cli._run import Trained
from seqpipe.cli._space import Choice, Range, grid, part_of, read_space, spoken
from seqpipe.cli._spaces import SPACES
from seqpipe.cli.train import train
from seqpipe.cli.tune import Tuned, tune
from seqpipe.errors import (
    CheckpointError,
    ColumnMissing,
    ExtraMissing,
    OutputInUse,
    ScoreMissing,
    SeqpipeError,
    SettingUnknown,
    SpaceUnfit,
    TrainingDiverged,
    TrialsFruitless,
    UsageError,
)
from seqpipe.train.loop import Validation, Watcher

there = importlib.util.find_spec("optuna") is not None
searches = pytest.mark.skipif(not there, reason="needs Optuna")

RATE = "training.optimizer.learn_rate.rate"
CELL = "components.sentiment.model.cell"
WIDTH = "components.sentiment.model.width"
QUICK = {
    "training.max_steps": 4,
    "training.eval_frequency": 2,
    "components.sentiment.model.embedding": 8,
    "components.sentiment.model.layers": 1,
}
SMALL: dict[str, Any] = {RATE: {"low": 1e-4, "high": 0.1, "log": True}, WIDTH: [4, 8]}


# A run that only says how it goes: the nearer its rate to 0.01, the better -----------------

TOTAL = 6


class Actor:
    """Trains nothing, writes log.jsonl; may diverge, or die, at some trial."""

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.diverges: set[str] = set()
        self.dies: dict[str, int] = {}

    def train(
        self,
        what: str,
        data: str,
        *,
        output: Path,
        columns: Mapping[str, Any],
        overrides: Mapping[str, Any],
        resume: bool,
        watcher: Watcher,
    ) -> Trained:
        self.folders.append(output.name)
        output.mkdir(parents=True, exist_ok=True)
        if output.name in self.diverges:
            raise TrainingDiverged(1, 20)
        done = len(study.read_curve(output))
        watcher.begin(TOTAL, done)
        for step in range(done + 1, TOTAL + 1):
            if self.dies.get(output.name) == step:
                raise KeyboardInterrupt
            score = step / TOTAL / (1 + abs(math.log10(overrides[RATE]) + 2))
            validation = Validation(0, step, 1.0, score, {"s": score}, 0.0, 0, 0, 1, step, 1.0)
            with (output / "log.jsonl").open("a") as log:
                log.write(validation.line())
            watcher.validated(validation, best=True)
            if watcher.stopping:
                return Trained(output, output, step, {}, stopped=True)
        return Trained(output, output, TOTAL, {}, stopped=False)


@pytest.fixture
def actor(monkeypatch: pytest.MonkeyPatch) -> Actor:
    acting = Actor()
    monkeypatch.setattr(study, "train", acting.train)
    return acting


def searched(reviews: Path, output: Path, **asked: Any) -> Tuned:
    given = {"trials": 8, "space": SMALL, "overrides": QUICK, **asked}
    return tune("sentiment", str(reviews), output=output, **given)


def tables(output: Path) -> list[dict[str, Any]]:
    """All that is known of the trials but what the clock says."""
    lines = read_lines(output / "trials.jsonl")
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


@searches
def test_the_first_trial_is_the_stage_as_it_comes(
    actor: Actor, reviews: Path, tmp_path: Path
) -> None:
    tuned = searched(reviews, tmp_path / "out", space={RATE: SMALL[RATE], WIDTH: [24, 48]})
    first = min(tuned.trials, key=lambda tried: tried.number)
    assert first.settings == {RATE: 0.002, WIDTH: 48}
    assert tuned.best is not None and (tuned.best.score or 0) > (first.score or 1)


@searches
@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_the_same_seed_gives_the_same_table(
    sampler: str, actor: Actor, reviews: Path, tmp_path: Path
) -> None:
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        searched(reviews, tmp_path / name, sampler=sampler, trials=12, seed=seed)
    assert tables(tmp_path / "one") == tables(tmp_path / "two") != tables(tmp_path / "other")


@searches
def test_tpe_comes_nearer_than_chance(actor: Actor, reviews: Path, tmp_path: Path) -> None:
    space = {name: SMALL[name] for name in (RATE,)}
    found = {}
    for sampler in ("tpe", "random"):
        tuned = searched(reviews, tmp_path / sampler, space=space, sampler=sampler, trials=40)
        last = [tried for tried in tuned.trials if tried.number >= 20]
        found[sampler] = sum(tried.score or 0 for tried in last)
    assert found["tpe"] > found["random"]


@searches
@pytest.mark.parametrize("pruner", ["median", "hyperband", "none"])
def test_hopeless_trials_are_given_up(
    pruner: str, actor: Actor, reviews: Path, tmp_path: Path
) -> None:
    tuned = searched(reviews, tmp_path / "out", sampler="random", pruner=pruner, trials=25)
    pruned = [tried for tried in tuned.trials if tried.state == "pruned"]
    assert bool(pruned) == (pruner != "none")
    assert all(tried.step < TOTAL for tried in pruned)
    assert tuned.best is not None and tuned.best.step == TOTAL


@searches
def test_a_grid_is_walked_to_its_end(actor: Actor, reviews: Path, tmp_path: Path) -> None:
    tuned = searched(reviews, tmp_path / "out", sampler="grid", trials=None, pruner="none")
    found = {(tried.settings[RATE], tried.settings[WIDTH]) for tried in tuned.trials}
    assert found == {(rate, width) for rate in (1e-4, 0.00316228, 0.1) for width in (4, 8)}


@searches
def test_lists_are_choices(actor: Actor, reviews: Path, tmp_path: Path) -> None:
    pooling = "components.sentiment.model.pooling"
    space = {RATE: SMALL[RATE], pooling: [["max"], ["last", "mean"]]}
    tuned = searched(reviews, tmp_path / "out", space=space)
    assert {tuple(tried.settings[pooling]) for tried in tuned.trials} <= {
        ("max",),
        ("last", "mean"),
    }


@searches
def test_one_that_diverges_is_not_the_end(actor: Actor, reviews: Path, tmp_path: Path) -> None:
    actor.diverges = {"000", "003"}
    tuned = searched(reviews, tmp_path / "out")
    failed = {tried.number: tried.reason for tried in tuned.trials if tried.state == "failed"}
    assert set(failed) == {0, 3} and "not finite" in failed[0]
    assert len(tuned.trials) == 8


@searches
def test_where_all_fail_it_says_why(actor: Actor, reviews: Path, tmp_path: Path) -> None:
    actor.diverges = {f"{number:03}" for number in range(8)}
    with pytest.raises(TrialsFruitless, match="not finite"):
        searched(reviews, tmp_path / "out")


@searches
def test_what_was_stopped_ends_in_the_same_table(
    actor: Actor, reviews: Path, tmp_path: Path
) -> None:
    searched(reviews, tmp_path / "whole", trials=12)
    output, looks = tmp_path / "out", iter(range(10**6))
    stopped = searched(reviews, output, trials=12, stopping=lambda: next(looks) > 20)
    assert stopped.stopped and len(stopped.trials) < 12
    assert not searched(reviews, output, trials=12, resume=True).stopped
    assert tables(output) == tables(tmp_path / "whole")


@searches
def test_broken_off_in_a_trial_it_goes_on_there(
    actor: Actor, reviews: Path, tmp_path: Path
) -> None:
    searched(reviews, tmp_path / "whole", trials=9)
    output = tmp_path / "out"
    for trial, step in (("002", 4), ("007", 2)):
        actor.dies = {trial: step}
        with pytest.raises(KeyboardInterrupt):
            searched(reviews, output, trials=9, resume=True)
    with (output / "study.log").open("a") as journal:
        journal.write('{"op_code": 6, "half a li')
    actor.dies = {}
    searched(reviews, output, trials=9, resume=True)
    assert tables(output) == tables(tmp_path / "whole")
    assert not list((output / "trials").glob("*.lock"))


@searches
def test_resume_goes_on_to_more(actor: Actor, reviews: Path, tmp_path: Path) -> None:
    searched(reviews, tmp_path / "whole", trials=12)
    searched(reviews, tmp_path / "out", trials=5)
    actor.folders.clear()
    searched(reviews, tmp_path / "out", trials=12, resume=True)
    assert actor.folders == [f"{number:03}" for number in range(5, 12)]
    assert tables(tmp_path / "out") == tables(tmp_path / "whole")


@searches
def test_when_the_time_is_over_it_ends(actor: Actor, reviews: Path, tmp_path: Path) -> None:
    with pytest.raises(TrialsFruitless, match="time was over"):
        searched(reviews, tmp_path / "out", timeout=1e-9)


CHANGES: list[tuple[str, dict[str, Any]]] = [
    (
        r"space\..*rate.high was 0.1 and is 0.2",
        {"space": {**SMALL, RATE: {"low": 1e-4, "high": 0.2}}},
    ),
    ("seed was 0 and is 1", {"seed": 1}),
    ("sampler was 'tpe' and is 'random'", {"sampler": "random"}),
    ("max_steps was 4 and is 5", {"overrides": {**QUICK, "training.max_steps": 5}}),
]


@searches
def test_a_study_that_changed_is_not_gone_on_with(
    actor: Actor, reviews: Path, tmp_path: Path
) -> None:
    searched(reviews, tmp_path / "out", trials=1)
    for said, changed in CHANGES:
        with pytest.raises(CheckpointError, match=said):
            searched(reviews, tmp_path / "out", resume=True, **changed)


@searches
def test_other_rows_under_the_same_name_are_noticed(actor: Actor, tmp_path: Path) -> None:
    rows = [{"text": f"word {i}", "label": "ab"[i % 2]} for i in range(30)]
    data = write_lines(tmp_path / "rows.jsonl", rows)
    searched(data, tmp_path / "out", trials=1)
    write_lines(data, rows[:20])
    with pytest.raises(CheckpointError, match="bytes was"):
        searched(data, tmp_path / "out", resume=True)


@searches
def test_a_folder_in_use_is_refused(actor: Actor, reviews: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    searched(reviews, output, trials=2)
    with pytest.raises(OutputInUse, match="--overwrite or --resume"):
        searched(reviews, output)
    searched(reviews, output, trials=1, overwrite=True)
    assert len(tables(output)) == 1
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputInUse, match="holds no study"):
        searched(reviews, tmp_path, overwrite=True)


REFUSED: list[tuple[type[SeqpipeError], str, dict[str, Any]]] = [
    (UsageError, "--trials 0", {"trials": 0}),
    (UsageError, "--workers 0", {"workers": 0}),
    (UsageError, "--timeout", {"timeout": 0}),
    (UsageError, "no sampler 'bayes'", {"sampler": "bayes"}),
    (UsageError, "no pruner 'best'", {"pruner": "best"}),
    (SettingUnknown, "'dropout'", {"space": {"training.dropuot": [0.1]}}),
    (SettingUnknown, "one value", {"space": {"training.dropout.rate": [0.1]}}),
    (SettingUnknown, "'max_steps'", {"overrides": {"training.max_stesp": 1}}),
    (SpaceUnfit, "empty", {"space": {CELL: []}}),
    (SpaceUnfit, "lies above", {"space": {RATE: {"low": 2, "high": 1}}}),
    (SpaceUnfit, "begins above 0", {"space": {RATE: {"low": 0, "high": 1, "log": True}}}),
    (SpaceUnfit, "do not lead", {"space": {WIDTH: {"low": 0, "high": 5, "step": 2}}}),
    (SpaceUnfit, "whole number", {"space": {WIDTH: {"low": 0.5, "high": 5}}}),
    (SpaceUnfit, "are numbers", {"space": {WIDTH: {"low": "a", "high": 5}}}),
    (SpaceUnfit, "not steps", {"space": {WIDTH: {"low": 1, "high": 5, "steps": 5}}}),
    (SpaceUnfit, "neither a list", {"space": {WIDTH: 5}}),
    (SpaceUnfit, "given as 8", {"vary": {WIDTH: [4, 8]}, "overrides": {WIDTH: 8}}),
    (ColumnMissing, "txet", {"columns": {"text": "txet"}}),
    (ScoreMissing, "cats_acc", {"metric": "cats_axx"}),
]


@searches
@pytest.mark.parametrize(("error", "said", "wrong"), REFUSED)
def test_what_cannot_be_is_one_sentence(
    error: type[SeqpipeError], said: str, wrong: dict[str, Any], reviews: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said) as raised:
        searched(reviews, tmp_path / "out", **{"trials": 1, **wrong})
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_without_optuna_it_says_how_to_get_it(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ExtraMissing, match=r"seqpipe\[tune\]"):
        searched(reviews, tmp_path / "out")


# Spaces -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", sorted(SPACES))
def test_a_stage_lies_in_its_space(stage: str) -> None:
    from seqpipe.cli._search import make_search

    search = make_search(
        stage,
        f"bundled:{BUNDLED[stage]}",
        columns=COLUMNS.get(stage, {}),
        overrides={},
        usual=SPACES[stage],
        asked={},
        sampler="tpe",
        pruner="none",
        metric=None,
        seed=0,
        keep_models=False,
    )
    assert search.begin is not None


BUNDLED = {
    "generator": "verse_en",
    "sentiment": "reviews_en",
    "tokenizer": "sentences_en",
    "translator": "phrases_en_de",
}
COLUMNS = {"translator": {"source": "en", "target": "de"}}


def test_a_space_is_read_from_json_and_cfg(tmp_path: Path) -> None:
    wanted = {RATE: Range(low=1e-4, high=0.1, log=True), CELL: Choice(("gru", "lstm"))}
    plain = {RATE: {"low": 1e-4, "high": 0.1, "log": True}, CELL: ["gru", "lstm"]}
    (tmp_path / "space.json").write_text(json.dumps(plain))
    (tmp_path / "space.cfg").write_text(
        f'[{RATE}]\nlow = 1e-4\nhigh = 0.1\nlog = true\n\n[{CELL}]\nchoices = ["gru", "lstm"]\n'
    )
    assert read_space(tmp_path / "space.json") == read_space(tmp_path / "space.cfg") == wanted


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"training": 3}'])
def test_a_file_that_is_no_space_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text(text)
    with pytest.raises(SpaceUnfit):
        read_space(tmp_path / "space.json")


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("a.b=1..4", Range(low=1, high=4)),
        ("a.b=1e-4..1e-2 log", Range(low=1e-4, high=1e-2, log=True)),
        ('a.b={"low": 1, "high": 5, "step": 2}', Range(low=1, high=5, step=2)),
        ('a.b=["x", 1, null]', Choice(("x", 1, None))),
    ],
)
def test_a_setting_is_varied_by_a_word(word: str, part: Range | Choice) -> None:
    assert spoken([word]) == {"a.b": part}


@pytest.mark.parametrize("word", ["a.b", "b=1..2", "a.b=1..", "a.b=x", "a.b=1..2 lgo"])
def test_a_word_that_says_nothing_is_refused(word: str) -> None:
    with pytest.raises((SpaceUnfit, UsageError)):
        spoken([word])


def test_a_grid_has_ends_and_middles() -> None:
    space = {
        "a": part_of("a", {"low": 1, "high": 100, "log": True}),
        "b": part_of("b", {"low": 0, "high": 12, "step": 4}),
        "c": part_of("c", {"low": 0.5, "high": 0.5}),
    }
    values = {name: {row[name] for row in grid(space)} for name in space}
    assert values == {"a": {1, 10, 100}, "b": {0, 4, 12}, "c": {0.5}}


# Runs that train ------------------------------------------------------------------------------


@searches
def test_the_best_config_trains_to_the_same_score(
    reviews: Path, tmp_path: Path, seqpipe: Command
) -> None:
    output = tmp_path / "out"
    quick = [word for name, value in QUICK.items() for word in (f"--{name}", value)]
    vary = ["--vary", f"{RATE}=0.001..0.1 log", "--vary", f"{WIDTH}=4..8"]
    ran = seqpipe("tune", "sentiment", reviews, "--output", output, "--trials", 3, *quick, *vary)
    assert ran.code == 0, ran.err
    assert "best: trial" in ran.out and f"train {output / 'best.cfg'}" in ran.out
    best = max(read_lines(output / "trials.jsonl"), key=lambda line: float(line["score"]))
    assert sorted(p.name for p in (output / "trials" / "000").iterdir()) == [
        "log.jsonl",
        "run.json",
    ]
    for name, data in (("a", None), ("b", str(reviews))):
        train(str(output / "best.cfg"), data, output=tmp_path / name)
        scores = [line["score"] for line in read_lines(tmp_path / name / "log.jsonl")]
        assert max(scores) == best["score"]


@searches
@pytest.mark.parametrize(
    ("stage", "data"),
    [("tokenizer", "sentences"), ("translator", "pairs"), ("generator", "bundled:verse_en")],
)
def test_every_stage_can_be_tuned(
    stage: str, data: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tuned = tune(
        stage,
        data if ":" in data else str(request.getfixturevalue(data)),
        output=tmp_path / "out",
        columns={"limit": 40},
        overrides={"training.max_steps": 2, f"components.{stage}.model.width": 8},
        trials=2,
        keep_models=True,
    )
    assert tuned.best is not None
    assert (tmp_path / "out" / "trials" / "001" / "model-best").is_dir()


@searches
def test_a_score_of_ones_own_that_is_better_the_lower(reviews: Path, tmp_path: Path) -> None:
    tuned = searched(reviews, tmp_path / "out", metric="cats_ece", trials=3)
    done = [tried.score for tried in tuned.trials if tried.score is not None]
    assert tuned.best is not None and tuned.best.score == min(done) >= 0


@searches
def test_killed_in_a_trial_it_ends_in_the_same_table(reviews: Path, tmp_path: Path) -> None:
    search: dict[str, Any] = {"trials": 3, "space": SMALL, "overrides": QUICK}
    tune("sentiment", str(reviews), output=tmp_path / "whole", **search)
    output = tmp_path / "out"
    searching = apart(search_on, data=str(reviews), output=output, trial=1, step=3, **search)
    assert ended(searching) == [-signal.SIGKILL]
    tune("sentiment", str(reviews), output=output, resume=True, **search)
    assert tables(output) == tables(tmp_path / "whole")


@searches
def test_workers_share_the_trials(reviews: Path, tmp_path: Path) -> None:
    told: list[int] = []
    heard: Callable[[Any], None] = lambda tried: told.append(tried.number)  # noqa: E731
    tuned = searched(reviews, tmp_path / "out", trials=4, workers=2, told=heard)
    assert sorted(told) == [0, 1, 2, 3] == sorted(tried.number for tried in tuned.trials)


@searches
def test_a_worker_that_cannot_work_says_why(reviews: Path, tmp_path: Path) -> None:
    with pytest.raises(SeqpipeError, match="no column 'txet'"):
        searched(reviews, tmp_path / "out", columns={"text": "txet"}, trials=2, workers=2)
