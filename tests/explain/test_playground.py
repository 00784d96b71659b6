"""The playground as a server: what it answers, whom, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest
import spacy
from small import make_nlp
from spacy.language import Language
from spacy.tokens import Doc

import seqpipe
from seqpipe.errors import AddressRefused, NothingShown
from seqpipe.explain.playground import Playground

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def nlp() -> Language:
    return make_nlp(steps=5)


@pytest.fixture(scope="module")
def play(nlp: Language) -> Iterator[Playground]:
    with seqpipe.serve(nlp, port=0, block=False) as playground:
        yield playground


def asked(
    play: Playground,
    method: str,
    path: str,
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[HTTPResponse, str]:
    place = urlsplit(play.url)
    with closing(HTTPConnection(place.hostname or "", place.port, timeout=30)) as line:
        line.request(method, path, body, dict(headers or {}))
        answer = line.getresponse()
        return answer, answer.read().decode()


def looks(play: Playground, text: str) -> list[dict[str, Any]]:
    answer, told = asked(play, "POST", "/looks", json.dumps({"text": text}), JSON)
    assert answer.status == 200 and answer.headers.get_content_type() == "application/json"
    found: list[dict[str, Any]] = json.loads(told)["looks"]
    return found


def test_the_page_runs_its_own_script_and_nothing_else(play: Playground) -> None:
    pages = [asked(play, "GET", "/") for _ in range(2)]
    nonces = set()
    for answer, told in pages:
        policy = answer.headers["Content-Security-Policy"]
        (nonce,) = re.findall(r'<script nonce="([^"]+)">', told)
        nonces.add(nonce)
        assert "default-src 'none'" in policy and f"script-src 'nonce-{nonce}'" in policy
        assert not re.search(r"https?:|src=|@import|url\(|\son\w+=", told)
        assert "while you type: sentiment." in told and answer.headers["Set-Cookie"] is None
        assert answer.headers["Cache-Control"] == "no-store"
    assert len(nonces) == 2


@pytest.mark.parametrize("text", ["good", "", "<script>alert(1)</script> 好", "a\x00b\n\nc"])
def test_a_text_is_shown_and_not_run(play: Playground, nlp: Language, text: str) -> None:
    (look,) = looks(play, text)
    doc = seqpipe.explained(nlp, text)
    seen = seqpipe.render(doc, "saliency").partition("</h2>")[2].rpartition("\n</section>")[0]
    assert look["heading"].startswith(f"sentiment: {doc._.explanation['label']}: ")
    assert seen in look["markup"] and "<script" not in look["markup"] and not look["failed"]


def test_several_pipelines_come_by_their_names(nlp: Language) -> None:
    both = {"films & books": nlp, "rooms": nlp}
    with seqpipe.serve(both, port=0, block=False) as play:
        told = asked(play, "GET", "/")[1]
        assert "films &amp; books (sentiment) and rooms (sentiment)." in told
        found = [look["heading"].split(":")[0] for look in looks(play, "good")]
        assert found == ["films & books", "rooms"]


@Language.component("stumbles")
def stumbles(doc: Doc) -> Doc:
    if "?" in doc.text:
        raise ValueError(f"There is a <b>question</b> in {doc.text!r}.")
    return doc


def test_a_stage_that_fails_says_why_and_the_next_goes_on() -> None:
    nlp = make_nlp()
    nlp.add_pipe("stumbles", first=True)
    with seqpipe.serve(nlp, port=0, block=False) as play:
        assert [look["failed"] for look in looks(play, "good")] == [False]
        failed, shown = looks(play, "good?")
        assert (failed["heading"], failed["failed"]) == ("stumbles: nothing to see", True)
        assert "There is a &lt;b&gt;question&lt;/b&gt; in" in failed["markup"]
        assert shown["heading"].startswith("sentiment: ") and not shown["failed"]
        (broken,) = looks(play, "half of a sign: \ud83d")
        assert broken["failed"] and broken["heading"].startswith("tokenizer: ")


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:80", "192.168.0.7:8765"])
def test_its_own_addresses(play: Playground, host: str) -> None:
    assert asked(play, "GET", "/", headers={"Host": host})[0].status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "[", "127.0.0.1.evil.com"])
def test_a_name_that_only_points_here_is_refused(play: Playground, host: str) -> None:
    told = '{"text": "good"}'
    for answer, said in (
        asked(play, "GET", "/", headers={"Host": host}),
        asked(play, "POST", "/looks", told, {**JSON, "Host": host}),
    ):
        assert answer.status == 403 and "by its address" in said


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/looks", None, {}, 404),
        ("GET", "/../setup.cfg", None, {}, 404),
        ("POST", "/", "{}", JSON, 404),
        ("PUT", "/", "{}", JSON, 501),
        ("POST", "/looks", '{"text": "x"}', {"Content-Type": "text/plain"}, 415),
        ("POST", "/looks", '{"text": "x"}', {}, 415),
        ("POST", "/looks", None, {**JSON, "Content-Length": "-1"}, 411),
        ("POST", "/looks", None, {**JSON, "Content-Length": "70000"}, 413),
        ("POST", "/looks", None, {**JSON, "Content-Length": "9" * 5000}, 413),
        ("POST", "/looks", json.dumps({"text": "x" * 10_001}), JSON, 413),
        ("POST", "/looks", "{", JSON, 400),
        ("POST", "/looks", "[" * 50_000, JSON, 400),
        ("POST", "/looks", b"\xff", JSON, 400),
        ("POST", "/looks", '{"text": 1}', JSON, 400),
        ("POST", "/looks", "null", JSON, 400),
    ],
)
def test_what_is_refused(
    play: Playground,
    method: str,
    path: str,
    body: str | bytes | None,
    headers: Mapping[str, str],
    status: int,
) -> None:
    answer, said = asked(play, method, path, body, headers)
    assert answer.status == status
    if method == "POST":
        assert json.loads(said)["error"].endswith(".")
    assert len(looks(play, "good")) == 1


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are looked at, in the place of looks."""
    texts: list[str] = []

    def look(given: object, text: str) -> Iterator[Any]:
        texts.append(text)
        yield from ()

    monkeypatch.setattr("seqpipe.explain.playground.looks_of_all", look)
    return texts


def test_the_longest_text_comes_through(play: Playground, seen: list[str]) -> None:
    assert looks(play, "\ud800" * 10_000) == [] and [len(text) for text in seen] == [10_000]


def test_who_has_gone_is_not_worked_for(play: Playground, seen: list[str]) -> None:
    place = urlsplit(play.url)
    with play._server.lock:
        for text in ("first", "second"):
            line = HTTPConnection(place.hostname or "", place.port)
            line.request("POST", "/looks", json.dumps({"text": text}), JSON)
            line.close()
    assert looks(play, "third") == []
    assert seen == ["third"]


def test_everybody_gets_an_answer_of_their_own(play: Playground) -> None:
    texts = [f"good {at}" for at in range(8)]
    with ThreadPoolExecutor(len(texts)) as pool:
        answers = [*pool.map(lambda text: looks(play, text), texts)]
    assert all(f">{at}</bdi>" in look["markup"] for at, (look,) in enumerate(answers))


def test_a_closed_one_gives_its_port_back(nlp: Language) -> None:
    play = seqpipe.serve(nlp, port=0, block=False)
    port = urlsplit(play.url).port or 0
    with pytest.raises(AddressRefused, match=f"at 127.0.0.1, port {port}: .*Give another port, 0"):
        seqpipe.serve(nlp, port=port)
    play.close()
    play.close()
    with pytest.raises(ConnectionRefusedError):
        asked(play, "GET", "/")
    with seqpipe.serve(nlp, port=port, block=False) as play:
        assert asked(play, "GET", "/")[0].status == 200
        assert f'<a href="{play.url}"' in play._repr_html_()


def test_it_goes_on_until_ctrl_c(
    nlp: Language, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(server: object, poll: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("socketserver.BaseServer.serve_forever", interrupted)
    play = seqpipe.serve(nlp, port=0)
    assert capsys.readouterr().out.startswith(f"{play.url} shows")
    with pytest.raises(ConnectionRefusedError):
        asked(play, "GET", "/")


def test_what_cannot_be_served(nlp: Language) -> None:
    with pytest.raises(NothingShown, match=r"it holds nothing\. Give one with a tok"):
        seqpipe.serve(spacy.blank("en"))
    for host, port in (("no such host", 0), ("127.0.0.1", 99_999), ("203.0.113.1", 0)):
        with pytest.raises(AddressRefused, match=f"at {host}, port {port}: "):
            seqpipe.serve(nlp, host=host, port=port)
