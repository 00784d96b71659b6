"""Where a job lies: its parts, what failed, and the file or folder that was asked for."""

from __future__ import annotations

import heapq
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from seqpipe.annotation.formats import FORMATS, Format
from seqpipe.annotation.formats.values import json_line
from seqpipe.annotation.journal import JOB, JOURNAL
from seqpipe.annotation.work import Done
from seqpipe.errors import OutputInUse, OutputRefused, UsageError, listed
from seqpipe.files import claim_folder, sweep, written

SUMMARY, FAILED, LOCK = "summary.json", "failed.jsonl", ".lock"
_OURS = {JOB, JOURNAL, SUMMARY, FAILED, "parts", "failed"}


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of parts, or one file and beside it the folder of the job that makes it."""

    output: Path
    format: str
    single: bool

    @classmethod
    def of(cls, output: Path, format: str | None) -> Place:
        """The suffix says what is written; without one it is a folder of parts."""
        kind = next((name for name in FORMATS if output.name.endswith(f".{name}")), None)
        if format is not None and format not in FORMATS:
            raise UsageError(f"--format {format} is unknown: there are {listed(FORMATS)}.")
        if kind is None and output.suffix and not output.is_dir() and format is None:
            endings = listed(f".{name}" for name in FORMATS)
            raise UsageError(
                f"{str(output)!r} does not say what to write: end it in {endings}, give the name "
                "of a folder, or say --format."
            )
        single = kind is not None and not output.is_dir()
        return cls(output, format or kind or "jsonl", single)

    @property
    def folder(self) -> Path:
        return self.output.with_name(f"{self.output.name}.job") if self.single else self.output

    def part(self, number: int) -> Path:
        return self.folder / "parts" / f"part-{number:05d}.{self.format}"

    def failures(self, number: int) -> Path:
        return self.folder / "failed" / f"part-{number:05d}.jsonl"

    def claim(self, *, overwrite: bool) -> None:
        """Nothing of another's lies there, and nothing of ours unless it may go."""
        if self.single and self.output.exists() and not self.output.is_file():
            raise OutputRefused(self.output, "it is no ordinary file")
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputRefused(self.folder, "it is a file, and a folder is needed")
        found = self._found()
        if (found or (self.single and self.output.exists())) and not overwrite:
            raise OutputInUse(self.output, "--resume or --overwrite")
        claim_folder(self.output.parent)
        if found - _OURS:
            reason = f"it holds other things than a job, such as {sorted(found - _OURS)[0]}"
            raise OutputRefused(self.folder, reason)

    def clear(self) -> None:
        """Removes an earlier job, but for the one file that it made."""
        for name in self._found():
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _found(self) -> set[str]:
        """What a job has left, or somebody else; hidden is what was never finished."""
        there = self.folder.iterdir() if self.folder.exists() else ()
        return {path.name for path in there if not path.name.startswith(".")}

    @property
    def begun(self) -> bool:
        return (self.folder / JOB).exists()

    def tidy(self) -> None:
        """Removes what killed processes left."""
        for folder in (self.folder, self.folder / "parts", self.folder / "failed"):
            for path in folder.glob(".*.*"):
                name = path.name[1:].rpartition(".")[0]
                sweep(folder / name)
        sweep(self.output)

    def keep(self, done: Done, *, failed_before: bool) -> None:
        """A part and its failures on the disk; what is there already is replaced."""
        if done.failures or failed_before:
            with written(self.failures(done.part)) as beside:
                lines = (
                    json_line({"part": done.part, **asdict(failure)}) for failure in done.failures
                )
                beside.write_bytes(b"".join(lines))
        with written(self.part(done.part)) as beside:
            beside.write_bytes(done.body)

    def gather_failures(self) -> None:
        """All failures in one file, in the order of the input; none, no file."""
        written_anew = (self.folder / "failed").glob("part-*.jsonl")
        fresh = {int(path.stem.rpartition("-")[2]): path for path in written_anew}
        place = self.folder / FAILED
        if fresh:
            with written(place) as beside, beside.open("wb") as file:
                file.writelines(_merged(place, fresh))
        if place.exists() and not place.stat().st_size:
            place.unlink()
        shutil.rmtree(self.folder / "failed", ignore_errors=True)

    def join(self, format: Format, parts: int) -> None:
        files = [self.part(number) for number in range(parts)]
        with written(self.output) as beside:
            if parts == 1:
                shutil.copyfile(files[0], beside)
            else:
                format.join(files, beside)

    def drop_parts(self) -> None:
        shutil.rmtree(self.folder / "parts", ignore_errors=True)

    def first_failure(self) -> str:
        """Why the first of the failed documents failed."""
        with (self.folder / FAILED).open(encoding="utf-8") as lines:
            return str(json.loads(next(lines))["error"])


def _merged(place: Path, fresh: dict[int, Path]) -> Iterator[bytes]:
    """The lines that were there, and in the place of parts that were done again what is new."""
    known = _lines([place] if place.exists() else [])
    old = (line for line in known if _part_of(line) not in fresh)
    return heapq.merge(old, _lines(fresh[part] for part in sorted(fresh)), key=_part_of)


def _lines(files: Iterable[Path]) -> Iterator[bytes]:
    for file in files:
        with file.open("rb") as lines:
            yield from lines


def _part_of(line: bytes) -> int:
    return int(json.loads(line)["part"])
