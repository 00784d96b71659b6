"""A pipeline that does parts; run as a program, for a parent that sends them."""

from __future__ import annotations

import gc
import os
import queue
import threading
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from seqpipe.annotation.annotator import Annotator, Found
from seqpipe.annotation.formats import FORMATS, Layout, schema_from
from seqpipe.annotation.frames import Frame, frame_of_done, receive, send, task_of
from seqpipe.annotation.rows import Row, rows_of
from seqpipe.annotation.work import Done, Failure, Recipe, Task
from seqpipe.errors import SeqpipeError, reason_of
from seqpipe.pipelines import import_code, load_pipeline, one_thread

if TYPE_CHECKING:
    from spacy.language import Language


class Worker:
    """Annotates parts with one pipeline, which is loaded unless it is given."""

    def __init__(self, recipe: Recipe, nlp: Language | None = None) -> None:
        if nlp is None:
            import_code(recipe.code)
            nlp = load_pipeline(recipe.model, device=recipe.device)
        kind = FORMATS[recipe.format]
        self.recipe = recipe
        self.annotator = Annotator(
            nlp,
            fields=recipe.fields,
            batch_size=recipe.batch_size,
            memory=recipe.memory,
            keep_docs=kind.keeps_docs,
        )
        self.format = kind(
            Layout(
                columns=self.annotator.columns,
                found=self.annotator.schema(),
                schema=schema_from(recipe.columns) if recipe.columns else None,
                nlp=nlp,
            )
        )

    def do(self, task: Task) -> Done:
        rows = self._rows(task)
        absent: set[int] = set()
        encoded = self.format.encode(self._passed(self.annotator(rows), absent, task.first))
        absent |= {failure.row - task.first for failure in encoded.failures}
        tally = self.annotator.take_tally()
        return Done(
            part=task.part,
            first=task.first,
            digest=task.digest,
            body=encoded.body,
            tally=replace(tally, documents=len(rows), failed=len(encoded.failures)),
            failures=[_blamed(failure, task) for failure in encoded.failures],
            absent=sorted(absent) if self.format.keeps_docs else (),
            weight=task.rows.nbytes,
        )

    def one_by_one(self, task: Task) -> Iterator[int]:
        """The place of each row before it is looked at alone; what is found is forgotten."""
        for row in self._rows(task):
            yield row.number - task.first
            self.format.encode(self.annotator([row]))
        self.annotator.take_tally()

    def _rows(self, task: Task) -> list[Row]:
        rows = rows_of(task.rows, first=task.first, text=self.recipe.text, id=self.recipe.id)
        for place, reason in task.lost.items():
            rows[place] = replace(rows[place], fault=reason)
        return [rows[place] for place in task.only] if task.only else rows

    def _passed(self, found: Iterable[Found], absent: set[int], first: int) -> Iterator[Found]:
        for one in found:
            if one.values is None:
                absent.add(one.row.number - first)
            yield one


def _blamed(failure: Failure, task: Task) -> Failure:
    """A row that no worker survives has failed there, and not in the input."""
    lost = failure.row - task.first in task.lost
    return replace(failure, stage="worker") if lost else failure


def main() -> None:
    """Parts in on stdin, parts out on stdout; ends when the parent does."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a stage prints must not come between
    frames = _frames(os.fdopen(os.dup(0), "rb"))
    try:
        with one_thread():
            _serve(frames, answers)
    except SeqpipeError as error:
        send(answers, Frame("failed", {"sentence": str(error)}))
    except BrokenPipeError:
        os._exit(1)
    except Exception as error:
        facts = {"reason": f"{type(error).__name__}: {reason_of(error)}"}
        send(answers, Frame("broken", {**facts, "traceback": traceback.format_exc()}))


def _serve(frames: Iterator[Frame], answers: IO[bytes]) -> None:
    worker = Worker(Recipe(**next(frames).facts))
    gc.freeze()  # all this lives as long as the process: not to be walked through again and again
    send(answers, Frame("ready", {}))
    for frame in frames:
        if frame.said == "do":
            send(answers, frame_of_done(worker.do(task_of(frame))))
        else:
            for place in worker.one_by_one(task_of(frame)):
                send(answers, Frame("at", {"place": place}))
            send(answers, Frame("survived", {}))


def _frames(pipe: IO[bytes]) -> Iterator[Frame]:
    """What the parent sends; without a parent all ends, whatever is being done."""
    held: queue.SimpleQueue[Frame] = queue.SimpleQueue()

    def read() -> None:
        while (frame := receive(pipe)) is not None:
            held.put(frame)
        os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield held.get()


if __name__ == "__main__":
    main()
