"""Lines of JSON that should not stop anybody: known ones, and as many as Hypothesis makes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import cycle, islice

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st


def _row(text: str) -> bytes:
    return json.dumps({"text": text}).encode()


# What is no JSON at all is among them.
BAD: Sequence[bytes] = (
    _row(""),
    _row(" \t\u00a0\u3000"),
    _row("\x00"),
    _row("a\x00b\x1b[31m\x7f"),
    _row("\ud800"),
    _row("\udfff\ud800 the wrong way round"),
    _row("\ufeffbegins with a mark"),
    _row("\u202egnp.exe\u202c"),
    _row("\u2066\u2067\u2068\u2069\u200b\u200d\u2060"),
    _row("Z" + "".join(chr(0x300 + i % 112) for i in range(500)) + "algo"),
    _row("\u0301" * 1000),
    _row("👩‍👩‍👧‍👦" * 200 + "🏴\U000e0067\U000e0062\U000e007f"),
    _row("one\u2028two\u2029three\u0085four\rfive\nsix\x0bseven\x0ceight"),
    _row("a" * 20_000),
    _row("word " * 20_000),
    _row("，。！" * 2_000),
    _row("\U0010ffff\ufffe\uffff"),
    _row("﷽" * 300),
    _row("' OR 1=1; -- <script>alert(1)</script> ${jndi:ldap://x} %s%n {0} \\"),
    b'{"text": null}',
    b'{"text": 5}',
    b'{"text": ["a", "b"]}',
    b'{"text": {"text": "a"}}',
    b'{"text": NaN}',
    b'{"text": true}',
    b'{"words": "no text"}',
    b"{}",
    b"[]",
    b"null",
    b'"a string"',
    b'{"text": "never ends',
    b'{"text": "a"} {"text": "b"}',
    b'{"text": "\xff\xfe\xfa"}',
    b'{"text": "\xed\xa0\x80"}',
    b'{"text": "\xc0\x80 too long"}',
    b'{"text": "caf\xe9"}',
    b'{"text": "\\u12"}',
    b"\x00\x01\x02",
    b"\xff",
    b"[" * 5_000,
    b'{"text": "a", "text": "b"}',
    b'{"text": "a", "big": ' + b"9" * 5_000 + b"}",
)


def strange(count: int, seed: int) -> list[bytes]:
    """Texts as Hypothesis finds them, surrogates among them."""
    found: list[bytes] = []

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=not seed,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(st.text(st.characters(), max_size=300))
    def gather(text: str) -> None:
        found.append(_row(text))

    gather()
    return [*islice(cycle(found), count)]
