"""What a parent and its workers say to each other: a line of JSON, and bytes behind it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import IO, Any

from seqpipe.annotation.parts import packed, unpacked
from seqpipe.annotation.work import Done, Failure, Tally, Task


@dataclass(frozen=True, slots=True)
class Frame:
    said: str  # what kind it is
    facts: Mapping[str, Any]
    body: bytes = b""


def send(pipe: IO[bytes], frame: Frame) -> None:
    head = {"said": frame.said, "facts": frame.facts, "size": len(frame.body)}
    pipe.write(json.dumps(head, default=str).encode() + b"\n")
    pipe.write(frame.body)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Frame | None:
    """The next frame, None where the other side is gone, in the middle of one too."""
    line = pipe.readline()
    if not line.endswith(b"\n"):
        return None
    head = json.loads(line)
    body = pipe.read(head["size"])
    if len(body) < head["size"]:
        return None
    return Frame(head["said"], head["facts"], body)


def frame_of_task(task: Task, said: str = "do") -> Frame:
    facts = {
        "part": task.part,
        "first": task.first,
        "digest": task.digest,
        "only": [*task.only],
        "lost": {str(place): reason for place, reason in task.lost.items()},
    }
    return Frame(said, facts, packed(task.rows).to_pybytes())


def task_of(frame: Frame) -> Task:
    facts = dict(frame.facts)
    lost = {int(place): reason for place, reason in facts.pop("lost").items()}
    return Task(**facts, rows=unpacked(frame.body), lost=lost)


def frame_of_done(done: Done) -> Frame:
    facts = {
        "part": done.part,
        "first": done.first,
        "digest": done.digest,
        "tally": asdict(done.tally),
        "failures": [asdict(failure) for failure in done.failures],
        "absent": [*done.absent],
        "weight": done.weight,
    }
    return Frame("done", facts, done.body)


def done_of(frame: Frame) -> Done:
    facts = dict(frame.facts)
    tally = Tally(**facts.pop("tally"))
    failures = [Failure(**failure) for failure in facts.pop("failures")]
    return Done(**facts, body=frame.body, tally=tally, failures=failures)
