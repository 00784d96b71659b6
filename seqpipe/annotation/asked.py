"""What is asked of a job: a pipeline, documents and options, made ready for an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from seqpipe.annotation.annotator import Annotator
from seqpipe.annotation.formats import FORMATS
from seqpipe.annotation.input import Input, keep_apart, open_source
from seqpipe.annotation.job import Job, Progress, Summary
from seqpipe.annotation.journal import Journal
from seqpipe.annotation.local import Here, Processes
from seqpipe.annotation.parts import Parts
from seqpipe.annotation.place import LOCK, Place
from seqpipe.annotation.rows import rows_of
from seqpipe.annotation.stream import Stream
from seqpipe.annotation.work import Engine, Recipe
from seqpipe.annotation.worker import Worker
from seqpipe.errors import JobUnfit, OutputInUse, UsageError
from seqpipe.files import held
from seqpipe.pipelines import digest_of, import_code, load_pipeline, one_thread, pinned, versions_of

if TYPE_CHECKING:
    import pyarrow as pa
    from spacy.language import Language

Engines: TypeAlias = Literal["local", "ray"]
Watch: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True)
class Asked:
    """Everything but the output."""

    model: str | Path | Language
    data: Any
    text: str
    id: str
    split: str | None
    whole_files: bool
    suffix: str | None  # of what comes from standard input
    fields: Mapping[str, str]
    batch_size: int | None
    memory: int
    part_rows: int
    device: str | None
    code: str | None
    workers: int
    engine: Engines
    address: str | None
    max_failures: int | None
    watch: Watch

    def __post_init__(self) -> None:
        for name, least in {"batch_size": 1, "memory": 1, "part_rows": 1, "workers": 1}.items():
            value = getattr(self, name)
            if value is not None and value < least:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} {value} is not allowed: give {least} or more.")
        if self.max_failures is not None and self.max_failures < 0:
            raise UsageError(f"--max-failures {self.max_failures} is not allowed: give 0 or more.")

    def walk(self) -> Iterator[dict[str, Any]]:
        """Each row with what is found, as a mapping."""
        input = self._input()
        annotator = Annotator(
            self._nlp, fields=self.fields, batch_size=self.batch_size, memory=self.memory
        )
        input.agree(annotator.columns)
        nothing, first = [None] * len(annotator.fields), 0
        for table in input:
            with one_thread():
                rows = rows_of(table, first=first, text=self.text, id=self.id)
                first += len(rows)
                whole = [*annotator(rows)]
            for found in whole:
                error = found.failure and found.failure.error
                values = [*(found.values or nothing), error]
                named = zip(annotator.columns.values(), values, strict=True)
                yield {**found.row.columns, **dict(named)}

    def stream(self, format: str) -> Summary:
        """Parts to standard output, in their order and as they come."""
        if format not in ("jsonl", "csv", "conllu"):
            raise UsageError(f"{format} cannot be written to stdout: jsonl, csv and conllu can.")
        input = self._input()
        with ExitStack() as stack:
            worker = self._worker(input, format, self._model(stack))
            stream = Stream(
                worker.format,
                progress=Progress(total=input.source.total, size=input.size),
                max_failures=self.max_failures,
                watch=self.watch,
            )
            feed = Parts("-", self._walked(input), rows=self.part_rows)
            return stream.run(self._engine(worker, stream.progress), feed, worker.recipe)

    def write(self, place: Place, *, resume: bool, retry_failed: bool, overwrite: bool) -> Summary:
        """Parts into their place; of an earlier run what is missing or, if asked, has failed."""
        keep_apart(place, self.data)
        resume = resume and place.begun  # who always says so need not know whether it is the first
        if not resume:
            place.claim(overwrite=overwrite)
        input = self._input()
        keep_apart(place, self.data, input.source.files)
        with ExitStack() as stack:
            worker = self._worker(input, place.format, self._model(stack))
            facts = self._facts(input, worker)
            place.folder.mkdir(parents=True, exist_ok=True)
            if not stack.enter_context(held(place.folder / LOCK)):
                raise OutputInUse(place.output, "it again when the other run has ended")
            if not resume:
                place.clear()
            begin = Journal.resume if resume else Journal.begin
            job = Job(
                place,
                begin(place.folder, facts),
                facts=facts,
                format=worker.format,
                max_failures=self.max_failures,
                watch=self.watch,
            )
            job.progress.total, job.progress.size = input.source.total, input.size
            return self._done(job, input, worker, retry_failed=retry_failed)

    def _done(self, job: Job, input: Input, worker: Worker, *, retry_failed: bool) -> Summary:
        job.place.tidy()
        entries = job.journal.entries
        failed = {part: entry.failed for part, entry in entries.items() if entry.failed}
        if job.complete and not (retry_failed and failed):
            return job.summary()
        if retry_failed and not job.complete:
            raise JobUnfit(job.place.folder, "it has not come to its end yet: --resume it first")
        if not retry_failed:
            job.forget_lost_parts()
        feed = Parts(
            str(job.place.folder),
            self._walked(input),
            rows=self.part_rows,
            done={part: entry.digest for part, entry in entries.items()},
            again=failed if retry_failed else None,
        )
        return job.run(self._engine(worker, job.progress), feed, worker.recipe)

    def _input(self) -> Input:
        if self.engine == "ray" and self.data == "-":
            raise UsageError("--engine ray cannot read from stdin: give a file or a data set.")
        source = open_source(
            self.data,
            text=self.text,
            split=self.split,
            whole_files=self.whole_files,
            suffix=self.suffix,
        )
        return Input(self.data, source, text=self.text, id=self.id, enough=self.part_rows)

    def _walked(self, input: Input) -> Iterable[pa.Table]:
        """What an engine reads: on a cluster the source is opened where it is read."""
        return input.source if self.engine == "ray" else input

    @cached_property
    def _nlp(self) -> Language:
        if not isinstance(self.model, str | Path):
            return self.model
        import_code(self.code)
        return load_pipeline(self._named, device=self.device)

    @cached_property
    def _named(self) -> str:
        """The one and the same for all who load it, however long the work takes."""
        return pinned(str(self.model))

    def _model(self, stack: ExitStack) -> str:
        """A pipeline that lies on the disk, whatever was given."""
        if isinstance(self.model, str | Path):
            return self._named
        folder = stack.enter_context(TemporaryDirectory(prefix="seqpipe-model-"))
        self.model.to_disk(folder)
        return folder

    def _worker(self, input: Input, format: str, model: str) -> Worker:
        """One of this process, which does all or shows what the others will do."""
        recipe = Recipe(
            model=model,
            format=format,
            fields=self.fields,
            text=self.text,
            id=self.id,
            columns=input.columns() if FORMATS[format].needs_columns else None,
            device=self.device,
            code=self.code,
            batch_size=self.batch_size,
            memory=self.memory,
        )
        worker = Worker(recipe, self._nlp)
        input.agree(worker.annotator.columns)
        return worker

    def _engine(self, worker: Worker, progress: Progress) -> Engine:
        def died(how: str) -> None:
            progress.replaced += 1
            self.watch(progress)

        if self.engine == "ray":
            from seqpipe.annotation.on_ray import RayEngine

            gpus = 1.0 if (self.device or "cpu").startswith("cuda") else 0.0
            return RayEngine(self.workers, address=self.address, gpus=gpus, died=died)
        if self.workers == 1:
            return Here(worker)
        return Processes(self.workers, devices=_devices(self.device), died=died)

    def _facts(self, input: Input, worker: Worker) -> Mapping[str, Any]:
        """What must be the same when a job goes on, for its result to be the same."""
        meta = self._nlp.meta
        return {
            "model": {
                "name": f"{meta['lang']}_{meta['name']} {meta['version']}",
                "digest": digest_of(worker.recipe.model),
            },
            "input": dict(input.source.identity),
            "options": {
                "text": self.text,
                "id": self.id,
                "split": self.split,
                "whole-files": self.whole_files,
                "fields": worker.annotator.columns,
                "format": worker.recipe.format,
                "batch-size": self.batch_size or self._nlp.batch_size,
                "memory": self.memory,
                "part-rows": self.part_rows,
                "device": self.device,
            },
            "versions": versions_of("seqpipe", "spacy", "torch", "onnxruntime"),
        }


def _devices(device: str | None) -> list[str]:
    """Where workers stand side by side: on all GPUs when no one of them is named."""
    if device != "cuda":
        return []
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
