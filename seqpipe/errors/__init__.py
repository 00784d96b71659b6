"""Everything seqpipe raises on purpose.

SeqpipeError
├── CodecError          a tokenizer.json that is missing, damaged or of another kind
├── VectorsUnreadable   a file of word vectors that is missing or damaged
├── DataError           a corpus that cannot be read as asked
│   ├── SourceMissing       no such file, folder or data set
│   │   └── SourceUnreachable   nothing local of that name, and the hub does not answer
│   ├── SourceUnreadable    it is there, and cannot be read
│   ├── SubsetMissing       several data sets under one name, or none of the one asked for
│   ├── SplitMissing        the data set has no such part
│   ├── ColumnMissing       the table has no such column
│   ├── LinesUneven         parallel text files that do not end together
│   ├── DataEmpty           nothing usable is left
│   ├── FoldsTooMany        more folds than rows
│   ├── SizeTooLarge        fewer rows than are to be learned from
│   ├── ProbabilitiesUnfit  soft labels that are no probabilities
│   ├── LabelsStrange       labels in the data that a pipeline does not know
│   ├── SampleLacking       a label of a stream that its sample does not show
│   └── RowsUnreadable      encoded rows that are missing or damaged
├── StageError          a stage asked for something it cannot do
│   ├── NotInitialized      used before `initialize` or training
│   ├── LabelsTooFew        fewer labels than a decision needs
│   ├── LabelsFixed         a label that comes too late
│   ├── LabelUnknown        a document labelled with what the stage never saw
│   ├── MemoryUnfit         what a translator remembers is damaged or cannot be asked
│   ├── RehearsalRefused    `nlp.rehearse` on a stage that does not offer it
│   └── TorchNeeded         graphs were asked for what only a torch net can do
├── NotExplained        a doc without what is to be shown
├── SettingError        a setting whose value is not allowed
├── SettingUnknown      a setting that the config has no place for
├── ConfigUnfit         a config that spaCy refuses
├── DeviceMissing       a device that torch cannot give
├── PipelineError       a trained pipeline that cannot be used as asked
│   ├── PipelineMissing     no such folder or package
│   ├── PipelineUnreadable  it is there, and spaCy cannot load it
│   ├── FieldMissing        nothing in it writes what was asked for
│   ├── NothingShown        no stage in it has anything to show
│   ├── GraphsAlone         an exported pipeline is to run in torch
│   ├── GraphsLacking       a net that cannot be drawn as graphs
│   ├── GeneratorUnfit      no generator that another stage can begin as
│   ├── EarlierMissing      no stage in it that a new one can go on from
│   └── EarlierUnfit        weights of an earlier stage that another one cannot take
├── TaskUnknown         a task that no stage is for
├── OptionUnknown       an option that a task does not take
├── TextUnfit           what a task was given is no text
├── HubError            a repository of the hub that cannot be used as asked
│   ├── RepositoryMissing   no such repository, or none that may be read
│   ├── RevisionMissing     it has no such branch, tag or commit
│   ├── RepositoryUnreachable   it is not here, and the hub does not answer
│   ├── RepositoryRefused   it asks for code of its own
│   └── PushRefused         the hub does not take it
├── OutputInUse         a folder or file that holds another run
├── OutputRefused       a place where nothing can or may be written
├── JobError            a job of annotation
│   ├── JobChanged          it was begun with another model, input or option
│   ├── JobUnfit            it cannot be gone on with as asked
│   ├── WorkerFailed        a worker says why it cannot work
│   ├── WorkersDie          a part that no worker survives
│   ├── FailuresTooMany     more documents failed than were allowed
│   └── DocumentsFailed     it came to its end without some documents
├── StudyError          a search for settings
│   ├── SpaceUnfit          what is to be varied cannot be
│   ├── ScoreMissing        a run has no score of that name
│   ├── TrialsFruitless     none of them came to its end
│   └── TrialsDie           workers that did not come back
├── AddressRefused      a place in the network where no server can be opened
├── ExtraMissing        an optional package that is not installed
├── PackageMissing      another one, left out where pipelines are only run
├── TorchMissing        torch is not installed, and the pipeline is not exported
├── TrackerFailed       a tracker that takes no run
├── CheckpointError     a run that cannot be continued as asked
├── TeamBroken          processes that learn together, and one of them is gone
├── TeamTooLarge        more processes than there is text to read side by side
├── TrainingDiverged    losses, gradients or weights that are not finite
└── UsageError          a command line that makes no sense

Each takes facts and writes its own sentence: what was given, what is allowed, what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

from seqpipe.errors.data import (
    ColumnMissing as ColumnMissing,
    DataEmpty as DataEmpty,
    DataError as DataError,
    FoldsTooMany as FoldsTooMany,
    LabelsStrange as LabelsStrange,
    LinesUneven as LinesUneven,
    ProbabilitiesUnfit as ProbabilitiesUnfit,
    RowsUnreadable as RowsUnreadable,
    SampleLacking as SampleLacking,
    SizeTooLarge as SizeTooLarge,
    SourceMissing as SourceMissing,
    SourceUnreachable as SourceUnreachable,
    SourceUnreadable as SourceUnreadable,
    SplitMissing as SplitMissing,
    SubsetMissing as SubsetMissing,
)
from seqpipe.errors.hub import (
    HubError as HubError,
    OptionUnknown as OptionUnknown,
    PushRefused as PushRefused,
    RepositoryMissing as RepositoryMissing,
    RepositoryRefused as RepositoryRefused,
    RepositoryUnreachable as RepositoryUnreachable,
    RevisionMissing as RevisionMissing,
    TaskUnknown as TaskUnknown,
    TextUnfit as TextUnfit,
)
from seqpipe.errors.jobs import (
    DocumentsFailed as DocumentsFailed,
    FailuresTooMany as FailuresTooMany,
    JobChanged as JobChanged,
    JobError as JobError,
    JobUnfit as JobUnfit,
    ScoreMissing as ScoreMissing,
    SpaceUnfit as SpaceUnfit,
    StudyError as StudyError,
    TrialsDie as TrialsDie,
    TrialsFruitless as TrialsFruitless,
    WorkerFailed as WorkerFailed,
    WorkersDie as WorkersDie,
)
from seqpipe.errors.root import (
    SeqpipeError as SeqpipeError,
    listed as listed,
    nearest as nearest,
    reason_of as reason_of,
)
from seqpipe.errors.runs import (
    CheckpointError as CheckpointError,
    TeamBroken as TeamBroken,
    TeamTooLarge as TeamTooLarge,
    TrackerFailed as TrackerFailed,
    TrainingDiverged as TrainingDiverged,
)


class CodecError(SeqpipeError):
    def __init__(self, source: object, reason: str) -> None:
        super().__init__(f"No codec can be read from {source}: {reason}.")


class VectorsUnreadable(SeqpipeError):
    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"No word vectors can be read from {path}: {reason}.")


class StageError(SeqpipeError):
    """A stage asked for something it cannot do."""


class NotInitialized(StageError):
    def __init__(self, stage: str) -> None:
        super().__init__(
            f"The stage {stage!r} has no weights yet: train it, load it, or call nlp.initialize()."
        )


class LabelsTooFew(StageError):
    def __init__(self, stage: str, labels: Sequence[str], least: int) -> None:
        super().__init__(
            f"The stage {stage!r} needs at least {least} labels to choose from and found "
            f"{listed(labels)}: check the label column, or pass labels to nlp.initialize()."
        )


class LabelsFixed(StageError):
    def __init__(self, stage: str, label: str, labels: Sequence[str]) -> None:
        super().__init__(
            f"The stage {stage!r} has its output for {listed(labels)} already, so {label!r} comes "
            "too late: add labels before nlp.initialize(), or train a new stage."
        )


class LabelUnknown(StageError):
    def __init__(self, stage: str, label: str, labels: Sequence[str]) -> None:
        super().__init__(
            f"The stage {stage!r} was initialized with the labels {listed(labels)}; an example "
            f"carries {label!r}.{nearest(label, labels)}"
        )


class RehearsalRefused(StageError):
    def __init__(self, stage: str) -> None:
        super().__init__(
            f"The stage {stage!r} cannot rehearse: mix some of the old examples into the new ones "
            "and call nlp.update() instead."
        )


class MemoryUnfit(StageError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"What this translator remembers cannot be used: {reason}.")


class TorchNeeded(StageError):
    def __init__(self, act: str) -> None:
        super().__init__(
            f"A stage on the device 'onnx' holds graphs and cannot {act}: do that with torch, "
            "in the pipeline that it was exported from."
        )


class NewDocNeeded(StageError):
    """A stage that makes docs anew was asked to write into one."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The stage {name!r} gives a new Doc, since the tokens of one cannot be changed: call "
            f"it with the doc, or run nlp.pipe."
        )


class NotExplained(SeqpipeError):
    def __init__(self, style: str, way: str) -> None:
        super().__init__(f"This doc holds nothing to show in the style {style!r}: {way}.")


class SettingError(SeqpipeError):
    def __init__(self, setting: str, value: object, allowed: str) -> None:
        super().__init__(f"The setting {setting} = {value!r} is not allowed: give {allowed}.")


class SettingUnknown(SeqpipeError):
    def __init__(self, setting: str, section: str, there: Sequence[str]) -> None:
        missing = setting.removeprefix(f"{section}.").split(".")[0]
        super().__init__(
            f"The config has no setting {setting!r}: {section or 'its top'} holds "
            f"{listed(there)}.{nearest(missing, there)}"
        )


class ConfigUnfit(SeqpipeError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"spaCy refuses this config: {reason}.")


class DeviceMissing(SeqpipeError):
    def __init__(self, device: str, reason: str) -> None:
        super().__init__(f"The device {device!r} cannot be used: {reason}. Give 'cpu' or 'auto'.")


class SentencesMissing(SettingError):
    def __init__(self, stage: str) -> None:
        SeqpipeError.__init__(
            self,
            f"{stage!r} translates sentences and the doc has none: put a sentencizer, a parser or "
            "seqpipe_tokenizer before it, or set its unit to 'doc'.",
        )


class PipelineError(SeqpipeError):
    """A trained pipeline that cannot be used as asked."""


class PipelineMissing(PipelineError):
    def __init__(self, model: str, *, near: Sequence[str] = ()) -> None:
        here = f" Do you mean {listed(near)}?" if near else ""
        super().__init__(f"There is no folder or installed package {model!r}.{here}")


class PipelineUnreadable(PipelineError):
    def __init__(self, model: str, reason: str, *, near: Sequence[str] = ()) -> None:
        here = f" Do you mean {listed(near)}?" if near else ""
        super().__init__(f"{model!r} is no pipeline that can be loaded: {reason}.{here}")


class FieldMissing(PipelineError):
    def __init__(self, field: str, fields: Sequence[str]) -> None:
        super().__init__(
            f"The pipeline writes no {field!r}: it writes {listed(fields)}.{nearest(field, fields)}"
        )


class GraphsAlone(PipelineError):
    def __init__(self) -> None:
        super().__init__(
            "An exported pipeline holds graphs and no weights for torch: load it as it is, on the "
            "device 'onnx', or take the pipeline that it was exported from."
        )


class GraphsLacking(PipelineError):
    def __init__(self, what: str) -> None:
        super().__init__(f"No graphs without torch can be made of {what}.")


class NothingShown(PipelineError):
    def __init__(self, stages: Sequence[str]) -> None:
        super().__init__(
            f"The pipeline holds no stage that can be shown: it holds {listed(stages)}. Give one "
            "with a tokenizer, a sentiment stage, a translator or a generator of seqpipe."
        )


class GeneratorUnfit(PipelineError):
    def __init__(self, folder: object, reason: str) -> None:
        super().__init__(
            f"No encoder can begin as a generator out of {str(folder)!r}: {reason}. Give a "
            "pipeline that seqpipe train generator has written."
        )


class EarlierMissing(PipelineError):
    def __init__(self, model: object, wanted: str, reason: str) -> None:
        super().__init__(f"{str(model)!r} has no {wanted} to go on from: {reason}.")


class EarlierUnfit(PipelineError):
    def __init__(self, name: str, own: Sequence[int], given: Sequence[int] | None) -> None:
        there = "missing" if given is None else _sizes(given)
        super().__init__(
            f"A stage cannot go on from the earlier one: {name} is {_sizes(own)} here and {there} "
            "there. Give the settings that it was trained with."
        )


class OutputInUse(SeqpipeError):
    def __init__(self, path: object, ways: str = "--overwrite or --resume") -> None:
        super().__init__(f"{path} is in use: name another output, or say {ways}.")


class OutputRefused(SeqpipeError):
    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path} cannot be the output: {reason}.")


class AddressRefused(SeqpipeError):
    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"No server can be opened at {host}, port {port}: {reason}. Give another port, 0 to "
            "have one picked, or the address of this machine."
        )


class ExtraMissing(SeqpipeError):
    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} is not installed: pip install "seqpipe[{extra}]" brings it.')


class PackageMissing(SeqpipeError):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not installed, and this needs it: pip install {name}.")


class TorchMissing(SeqpipeError):
    def __init__(self) -> None:
        super().__init__(
            "torch is not installed: pip install torch brings it. Without it exported pipelines "
            "run: python -m seqpipe export MODEL --format onnx writes one, where torch is."
        )


class UsageError(SeqpipeError):
    """A command line that makes no sense; the sentence is the caller's."""


def _sizes(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "a number"
