"""Pipelines come from the hub and go there; the hub is a stand-in, and nobody asks the network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from hashlib import sha1
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import spacy
from commands import Command
from huggingface_hub import ModelCard, constants
from huggingface_hub.errors import (
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils._paths import filter_repo_objects
from small import make_nlp
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Config

import seqpipe as public
from seqpipe.errors import (
    HubError,
    OutputRefused,
    PipelineUnreadable,
    PushRefused,
    RepositoryMissing,
    RepositoryRefused,
    RepositoryUnreachable,
    RevisionMissing,
    SettingError,
)
from seqpipe.pipelines import load_pipeline, pinned

Files = dict[str, bytes]
SECRET = "hf_secret"


@cache
def tiny() -> Language:
    nlp = make_nlp(steps=2)
    nlp.meta["performance"] = {"cats_acc": 0.8125, "cats_macro_f": 0.8, "cats_score_desc": "F"}
    nlp.meta["seqpipe"] = {
        "trained_on": {"rows": 1234},
        "seed": 7,
        "versions": {"seqpipe": "0.1.0", "torch": "2.4.0"},
    }
    corpus = {"split": "train", "text": "said", "label": "mood"}
    nlp.config["corpora"] = {
        "train": {**corpus, "path": "some/reviews:hotels"},
        "dev": {**corpus, "path": "/home/ann/secret plans/reviews", "split": "validation"},
    }
    return nlp


def files_in(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@dataclass
class Hub:
    """Repositories with their branches, and what was brought from there to this machine."""

    cache: Path
    repositories: dict[str, dict[str, Files]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    up: bool = True
    brought: list[str] = field(default_factory=list)

    def put(self, name: str, files: Files, branch: str = "main") -> None:
        self.repositories.setdefault(name, {})[branch] = dict(files)

    def files(self, name: str, revision: str | None, token: str | None) -> tuple[str, Files]:
        response: Any = SimpleNamespace(headers={}, status_code=404, request=None)
        if not self.up:
            raise ConnectionError("nobody answers")
        if name not in self.repositories or (name in self.private and token != SECRET):
            raise RepositoryNotFoundError("404", response=response)
        for branch, files in self.repositories[name].items():
            commit = sha1(repr(sorted(files.items())).encode()).hexdigest()
            if (revision or "main") in (branch, commit):
                return commit, files
        raise RevisionNotFoundError("404", response=response)

    def snapshot_download(
        self,
        repo_id: str,
        *,
        revision: str | None,
        token: str | None,
        local_files_only: bool,
        ignore_patterns: Sequence[str],
    ) -> str:
        known = self.cache / "refs" / repo_id / (revision or "main")
        if local_files_only or not self.up:
            if not known.is_file():
                raise LocalEntryNotFoundError("Cannot find it in the cache.\nSay so.")
            return known.read_text()
        commit, files = self.files(repo_id, revision, token)
        folder = self.cache / repo_id / commit
        for name, data in files.items():
            if not any(fnmatch(name, pattern) for pattern in ignore_patterns):
                self.brought.append(name)
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
        known.parent.mkdir(parents=True, exist_ok=True)
        known.write_text(str(folder))
        return str(folder)

    def api(self, token: str | None = None) -> SimpleNamespace:
        def model_info(name: str, *, revision: str | None) -> SimpleNamespace:
            files = self.files(name, revision, token)[1]
            return SimpleNamespace(siblings=[SimpleNamespace(rfilename=file) for file in files])

        def create_repo(name: str, *, private: bool, exist_ok: bool) -> SimpleNamespace:
            if token != SECRET:
                raise LocalTokenNotFoundError("Token is required.")
            if name not in self.repositories:
                self.put(name, {})
                self.private |= {name} if private else set()
            return SimpleNamespace(repo_id=name)

        def create_branch(name: str, *, branch: str, exist_ok: bool) -> None:
            self.repositories[name].setdefault(branch, {})

        def list_repo_files(name: str, *, revision: str | None) -> list[str]:
            return sorted(self.repositories[name][revision or "main"])

        def upload_folder(
            *,
            repo_id: str,
            folder_path: Path,
            revision: str | None,
            commit_message: str,
            delete_patterns: list[str],
        ) -> SimpleNamespace:
            there = self.repositories[repo_id][revision or "main"]
            for name in list(filter_repo_objects(there, allow_patterns=delete_patterns)):
                del there[name]
            there |= files_in(folder_path)
            return SimpleNamespace(commit_url=f"https://hub/{repo_id}: {commit_message}")

        return SimpleNamespace(
            model_info=model_info,
            create_repo=create_repo,
            create_branch=create_branch,
            list_repo_files=list_repo_files,
            upload_folder=upload_folder,
        )


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub(tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", hub.api)
    monkeypatch.chdir(tmp_path)
    return hub


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return public.save_pretrained(tiny(), tmp_path_factory.mktemp("saved") / "tiny")


def cats_of(nlp: Language) -> dict[str, float]:
    return dict(nlp("a good film").cats)


# From the hub ---------------------------------------------------------------------------------


def test_what_is_pushed_comes_back(hub: Hub) -> None:
    pushed = public.push_to_hub(tiny(), "ann/stars", private=True, token=SECRET)
    assert pushed.url == "https://hub/ann/stars: A pipeline of seqpipe"
    assert set(pushed.files) == set(hub.repositories["ann/stars"]["main"])
    nlp = public.from_pretrained("ann/stars", token=SECRET)
    assert cats_of(nlp) == cats_of(tiny())
    with pytest.raises(RepositoryMissing, match="a private one needs a token"):
        public.from_pretrained("ann/stars")


def test_revisions_are_honoured(hub: Hub, saved: Path) -> None:
    public.push_to_hub(saved, "ann/stars", token=SECRET)
    other = spacy.blank("de")
    public.push_to_hub(other, "ann/stars", revision="v2", token=SECRET)
    assert public.from_pretrained("ann/stars").lang == "en"
    assert public.from_pretrained("ann/stars", revision="v2").lang == "de"
    assert load_pipeline("ann/stars@v2").lang == "de"
    with pytest.raises(RevisionMissing, match=r"'ann/stars' has no .* 'v3'"):
        public.from_pretrained("ann/stars@v3")
    with pytest.raises(SettingError, match="none beside 'ann/stars@v2'"):
        public.from_pretrained("ann/stars@v2", revision="v1")
    with pytest.raises(SettingError, match="folder or package"):
        public.from_pretrained(saved, revision="v1")


def test_offline_what_was_brought_before_will_do(hub: Hub, saved: Path) -> None:
    hub.put("ann/stars", files_in(saved))
    with pytest.raises(RepositoryUnreachable, match=r"asked for: Cannot find it in the cache\.$"):
        public.from_pretrained("ann/stars", local_files_only=True)
    load_pipeline("ann/stars")
    assert public.from_pretrained("ann/stars", local_files_only=True).lang == "en"
    hub.up = False
    assert cats_of(load_pipeline("ann/stars")) == cats_of(tiny())
    with pytest.raises(RepositoryUnreachable):
        load_pipeline("ann/moons")


def test_the_client_of_the_hub_finds_its_own_cache_offline(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789" * 4
    home = tmp_path / "models--ann--stars"
    shutil.copytree(saved, home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert cats_of(load_pipeline("ann/stars")) == cats_of(tiny())
    assert load_pipeline(f"ann/stars@{commit}").lang == "en"
    assert pinned("ann/stars") == f"ann/stars@{commit}"
    for lacking in ("ann/moons", "ann/stars@v2"):
        with pytest.raises(RepositoryUnreachable, match=lacking):
            load_pipeline(lacking)


@pytest.mark.parametrize("file", ["model.py", "sentiment/EVIL.PY", "lib/thing.so", "a.pyc"])
def test_a_repository_with_code_is_refused_before_it_is_brought_here(
    file: str, hub: Hub, saved: Path
) -> None:
    hub.put("eve/stars", {**files_in(saved), file: b"raise SystemExit"})
    with pytest.raises(RepositoryRefused, match=f"'eve/stars' is refused.*: {file}") as refused:
        public.from_pretrained("eve/stars")
    assert hub.brought == [] and len(str(refused.value).splitlines()) == 1


def test_what_nobody_reads_is_left_there(hub: Hub, saved: Path) -> None:
    """A wheel, as spaCy's own repositories have beside the pipeline, and what is pickled."""
    there = {"en_stars-any-py3-none-any.whl": b"", "pytorch_model.bin": b"", "weights.pt": b""}
    hub.put("ann/stars", {**files_in(saved), **there})
    assert cats_of(public.from_pretrained("ann/stars")) == cats_of(tiny())
    assert not {*there} & {*hub.brought}


def test_code_that_another_program_has_brought_is_refused_too(hub: Hub, saved: Path) -> None:
    hub.put("ann/stars", files_in(saved))
    load_pipeline("ann/stars")
    folder = Path(hub.snapshot_download("ann/stars", **_plain()))
    (folder / "custom.py").write_text("raise SystemExit")
    with pytest.raises(RepositoryRefused, match=r"custom\.py"):
        public.from_pretrained("ann/stars", local_files_only=True)


def _plain() -> dict[str, Any]:
    return {"revision": None, "token": None, "local_files_only": False, "ignore_patterns": ()}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('factory = "seqpipe_sentiment"', 'factory = "eve_stage"', "the factory 'eve_stage'"),
        ('"seqpipe.Codec.v1"', '"eve.Codec.v1"', "@misc = 'eve.Codec.v1'"),
        ('"spacy.Tokenizer.v1"', '"eve.Tokenizer.v1"', "@tokenizers = 'eve.Tokenizer.v1'"),
        ("multi_label = false", "trust_remote_code = true", "trust_remote_code = True"),
    ],
)
def test_a_config_that_asks_for_code_is_refused_by_name(
    before: str, after: str, told: str, hub: Hub, saved: Path
) -> None:
    files = files_in(saved)
    config = files["config.cfg"].decode()
    assert before in config
    hub.put("eve/stars", {**files, "config.cfg": config.replace(before, after).encode()})
    with pytest.raises(RepositoryRefused) as refused:
        public.from_pretrained("eve/stars")
    assert "'eve/stars' is refused" in str(refused.value) and told in str(refused.value)


def test_code_that_is_registered_here_is_ours_to_run(hub: Hub, saved: Path) -> None:
    files = files_in(saved)
    config = files["config.cfg"].decode().replace("seqpipe.Codec.v1", "ann.Codec.v1")
    hub.put("ann/stars", {**files, "config.cfg": config.encode()})
    registry.misc.register("ann.Codec.v1", func=registry.misc.get("seqpipe.Codec.v1"))
    assert cats_of(public.from_pretrained("ann/stars")) == cats_of(tiny())


def test_a_repository_of_something_else_is_not_brought_here(hub: Hub) -> None:
    hub.put("ann/bert", {"config.json": b"{}", "model.safetensors": b"0" * 100})
    with pytest.raises(PipelineUnreadable, match=r"'ann/bert' .* no config\.cfg at its top"):
        load_pipeline("ann/bert")
    assert hub.brought == []


@pytest.mark.parametrize("name", ["nowhere", "stars/model-best", "here/stars", "./a/b", "a/b/c"])
def test_what_looks_like_a_place_here_is_never_asked_for(name: str, hub: Hub) -> None:
    (Path.cwd() / "here").mkdir()
    hub.put(name, {})
    with pytest.raises(Exception, match="no folder or installed package") as refused:
        load_pipeline(name)
    assert not isinstance(refused.value, HubError)


def test_every_command_takes_a_repository(hub: Hub, saved: Path, seqpipe: Command) -> None:
    hub.put("ann/stars", files_in(saved), "main")
    hub.put("ann/stars", files_in(saved), "v2")
    told = json.loads(seqpipe("info", "ann/stars@v2", "--json").out)
    assert told["seed"] == 7
    Path("new.jsonl").write_text('{"text": "a good film"}\n')
    ran = seqpipe("annotate", "ann/stars", "new.jsonl", "--output", "out.jsonl")
    assert ran.code == 0, ran.err
    assert json.loads(Path("out.jsonl").read_text())["cats"] == cats_of(tiny())
    assert public.pipeline("text-classification", "ann/stars")("good")[0]["label"] == "positive"
    ran = seqpipe("info", "ann/moons")
    assert ran.code == 1 and "no repository of that name on the hub" in ran.sentence


# To the hub -----------------------------------------------------------------------------------


def test_a_dry_run_asks_nobody(hub: Hub, saved: Path, seqpipe: Command) -> None:
    hub.up = False
    how = ("--private", "--revision", "v2", "--license", "mit", "--dry-run")
    ran = seqpipe("push", saved, "ann/stars", *how)
    assert ran.code == 0 and not hub.repositories
    assert "To the private repository ann/stars (branch v2) would go:" in ran.out
    assert "sentiment/model.safetensors" in ran.out and "pipeline_tag: text-class" in ran.out


def test_pushing_from_the_command_line(
    hub: Hub, saved: Path, seqpipe: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = seqpipe("push", saved, "ann/stars")
    assert ran.code == 1 and "`hf auth login` keeps one" in ran.sentence
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda token: hub.api(SECRET))
    ran = seqpipe("push", saved, "ann/stars", "--message", "More rows")
    assert ran.code == 0 and ran.out.strip().endswith("files: https://hub/ann/stars: More rows")
    assert hub.repositories["ann/stars"]["main"] == files_in(saved)


def test_what_is_there_stays_unless_it_is_replaced(hub: Hub, saved: Path) -> None:
    hub.put("ann/stars", {"LICENSE": b"MIT", "config.cfg": b"old"})
    public.push_to_hub(saved, "ann/stars", token=SECRET)
    there = hub.repositories["ann/stars"]["main"]
    assert there["LICENSE"] == b"MIT" and there["config.cfg"] != b"old"


def test_stages_that_went_away_go_from_there_too(hub: Hub, saved: Path) -> None:
    earlier = {"old[s]/cfg": b"", "old[s]/net/weights": b"", "tokenizer/model": b""}
    own = {"LICENSE": b"", "olds/notes.md": b"", "other/model.safetensors": b""}
    hub.put("ann/stars", {**files_in(saved), **earlier, **own, "sentiment/lexicon.txt": b""})
    public.push_to_hub(saved, "ann/stars", token=SECRET)
    assert hub.repositories["ann/stars"]["main"] == {**files_in(saved), **own}


def test_nothing_goes_where_there_was_no_pipeline(hub: Hub, saved: Path) -> None:
    own = {"tokenizer/vocab.json": b"", "net/cfg": b"", "config.cfg": b""}
    hub.put("ann/stars", own)
    public.push_to_hub(saved, "ann/stars", token=SECRET)
    assert {*own} <= {*hub.repositories["ann/stars"]["main"]}


def test_a_card_of_ones_own_is_kept(hub: Hub, saved: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(saved, tmp_path / "own")
    (folder / "README.md").write_text("My own words.")
    (folder / ".hidden").write_text("secret")
    pushed = public.push_to_hub(folder, "ann/stars", dry_run=True)
    assert pushed.card == "My own words." and ".hidden" not in pushed.files


def test_what_could_not_be_loaded_is_not_pushed(hub: Hub, saved: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(saved, tmp_path / "own")
    (folder / "code.py").write_text("")
    with pytest.raises(RepositoryRefused, match=r"code\.py"):
        public.push_to_hub(folder, "ann/stars", dry_run=True)
    with pytest.raises(PushRefused, match="'no such name'"):
        public.push_to_hub(saved, "no such name", dry_run=True)


def test_a_saved_pipeline_replaces_an_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    folder = public.save_pretrained(nlp, tmp_path / "model")
    (folder / "left").write_text("by an earlier one")
    public.save_pretrained(nlp, folder)
    assert not (folder / "left").exists() and spacy.load(folder).lang == "en"
    (tmp_path / "precious").write_text("")
    with pytest.raises(OutputRefused, match="something else than a pipeline"):
        public.save_pretrained(nlp, tmp_path)


@pytest.mark.parametrize("trained", [False, True], ids=["pipeline", "folder"])
def test_nobody_reads_where_data_lay(trained: bool, hub: Hub, saved: Path, tmp_path: Path) -> None:
    nlp = load_pipeline(saved)
    nlp.config["paths"]["train"] = "/home/ann/secret plans/rows.jsonl"
    nlp.config["initialize"]["components"]["sentiment"] = {"tokenizer": "~/secret/tokenizer.json"}
    read = {"path": "/home/ann/secret plans/rows.jsonl", "text": "said"}
    nlp.meta["seqpipe"]["trained_on"]["corpora"] = {"train": read}
    nlp.to_disk(tmp_path / "trained")
    public.push_to_hub(tmp_path / "trained" if trained else nlp, "ann/stars", token=SECRET)
    there = hub.repositories["ann/stars"]["main"]
    assert not [name for name, data in there.items() if b"secret" in data or b"/home" in data]
    config = Config().from_bytes(there["config.cfg"], interpolate=False)
    assert (config["paths"]["train"], config["paths"]["vectors"]) == ("./rows.jsonl", None)
    assert config["initialize"]["components"]["sentiment"]["tokenizer"] == "./tokenizer.json"
    assert config["corpora"]["train"]["path"] == "some/reviews:hotels"
    meta = json.loads(there["meta.json"])
    assert meta["seqpipe"]["trained_on"]["corpora"]["train"] == {**read, "path": "./rows.jsonl"}
    assert cats_of(public.from_pretrained("ann/stars", token=SECRET)) == cats_of(tiny())


def test_what_names_no_place_is_saved_to_the_byte(tmp_path: Path) -> None:
    nlp = make_nlp()
    nlp.config["paths"] |= {"train": "some/reviews", "dev": "https://hub/some/reviews/rows.csv"}
    nlp.config["corpora"] = {"train": {"path": "${paths.train}"}}
    nlp.to_disk(tmp_path / "plain")
    saved = public.save_pretrained(nlp, tmp_path / "model")
    (saved / "README.md").unlink()
    assert files_in(saved) == files_in(tmp_path / "plain")


# The card -------------------------------------------------------------------------------------


def test_the_card_tells_what_training_knows(saved: Path) -> None:
    card = ModelCard.load(saved / "README.md")
    data = card.data
    assert (data.language, data.library_name) == (["en"], "seqpipe")
    assert (data.pipeline_tag, data.datasets) == ("text-classification", ["some/reviews"])
    assert {"spacy", "seqpipe", "text-classification"} <= {*data.tags}
    assert [(r.metric_type, r.metric_value) for r in data.eval_results] == [
        ("accuracy", 0.8125),
        ("f1", 0.8),
    ]
    assert {(r.dataset_name, r.dataset_split) for r in data.eval_results} == {
        ("reviews", "validation")
    }
    assert all(set(one) == {"text"} for one in data["widget"])
    told = ["1,234 rows", "`some/reviews`", "`negative`", "`positive`", "Seed 7", "0.8125"]
    told += ["Meant for sorting texts", "under which licence", "label `mood`", "lstm"]
    for words in told:
        assert words in card.text, words
    assert "secret plans" not in str(card)


def test_a_licence_is_told(tmp_path: Path) -> None:
    folder = public.save_pretrained(tiny(), tmp_path / "model", license="mit")
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "mit" and "under which licence" not in card.text


def test_a_card_of_what_nobody_has_written_down(tmp_path: Path) -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    card = ModelCard.load(public.save_pretrained(nlp, tmp_path / "model") / "README.md")
    assert card.data.eval_results is None and card.data.language is None
    assert "Nobody has written" in card.text


def test_the_card_of_a_translator_names_both_languages_and_percents(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("seqpipe_translator")
    nlp.meta["performance"] = {"bleu": 0.345, "chrf": 0.5}
    corpus = {"source": "en", "target": "de"}
    nlp.config["corpora"] = {
        "train": {**corpus, "path": "bundled:phrases_en_de"},
        "dev": {"corpus": {**corpus, "path": "bundled:phrases_en_de"}},
    }
    data = ModelCard.load(public.save_pretrained(nlp, tmp_path / "model") / "README.md").data
    assert (data.language, data.pipeline_tag) == (["en", "de"], "translation")
    assert [(r.metric_name, r.metric_value) for r in data.eval_results] == [
        ("BLEU", 34.5),
        ("chrF", 50.0),
    ]
    assert not data.datasets


def test_a_doc_of_a_repository_is_a_doc(hub: Hub, saved: Path) -> None:
    hub.put("ann/stars", files_in(saved))
    doc = public.from_pretrained("ann/stars")("a good film")
    assert isinstance(doc, Doc) and doc._.sentiment["label"] == "positive"
