"""A corpus that cannot be read as asked."""

from __future__ import annotations

from collections.abc import Sequence

from seqpipe.errors.root import SeqpipeError, listed, nearest


class DataError(SeqpipeError):
    """A corpus that cannot be read as asked."""


class SourceMissing(DataError):
    def __init__(self, data: str, *, near: Sequence[str] = ()) -> None:
        here = f" Beside it there are {listed(near)}." if near else ""
        super().__init__(f"There is no file, folder or data set {data!r}.{here}")


class SourceUnreachable(SourceMissing):
    def __init__(self, data: str, reason: str, *, near: Sequence[str] = ()) -> None:
        here = f" Do you mean {listed(near)}?" if near else ""
        DataError.__init__(
            self,
            f"There is no file or folder {data!r} here, and the hub could not be asked for a data "
            f"set of that name: {reason.rstrip('.')}.{here}",
        )


class SourceUnreadable(DataError):
    def __init__(self, data: str, reason: str) -> None:
        super().__init__(f"{data!r} cannot be read: {reason.rstrip('.')}.")


class SubsetMissing(DataError):
    def __init__(self, data: str, subset: str, subsets: Sequence[str]) -> None:
        given = f"has no subset {subset!r}" if subset else "holds several data sets"
        super().__init__(
            f"{data!r} {given}: name one of {listed(subsets)} after a colon, "
            f"as in '{data}:{subsets[0] if subsets else 'name'}'.{nearest(subset, subsets)}"
        )


class SplitMissing(DataError):
    def __init__(self, data: str, split: str, splits: Sequence[str]) -> None:
        super().__init__(
            f"{data!r} has no split {split!r}: it has {listed(splits)}.{nearest(split, splits)}"
        )


class ColumnMissing(DataError):
    def __init__(self, data: str, column: str, columns: Sequence[str]) -> None:
        super().__init__(
            f"{data!r} has no column {column!r}: it has {listed(columns)}."
            f"{nearest(column, columns)}"
        )


class LinesUneven(DataError):
    def __init__(self, short: str, lines: int, longer: str, more: int) -> None:
        super().__init__(
            f"{longer!r} has {more:,} lines and {short!r} has {lines:,}: each line of the one must "
            "have its translation on the same line of the other."
        )


class DataEmpty(DataError):
    def __init__(self, data: str, wanted: str = "usable row") -> None:
        super().__init__(f"{data!r} holds no {wanted}.")


class RowsUnreadable(DataError):
    def __init__(self, folder: object, reason: str) -> None:
        super().__init__(
            f"No encoded rows can be read from {folder}: {reason}. Encode the texts anew."
        )


class FoldsTooMany(DataError):
    def __init__(self, folds: int, rows: int) -> None:
        super().__init__(
            f"{folds} folds are more than there are rows, which are {rows:,}: give fewer folds, or "
            "more rows (for a tokenizer a row is a running text of `group` sentences, for a "
            "generator a document)."
        )


class SizeTooLarge(DataError):
    def __init__(self, size: int, rows: int) -> None:
        super().__init__(
            f"{size:,} rows are more than there are to learn from, which are {rows:,}: give a "
            "smaller size, or 'all'."
        )


class ProbabilitiesUnfit(DataError):
    def __init__(self, text: str, reason: str) -> None:
        short = text if len(text) <= 40 else f"{text[:39]}…"
        super().__init__(
            f"The probabilities of the labels of {short!r} {reason}: each has to be between 0 and "
            "1, and those of labels that exclude each other have to add up to 1."
        )


class LabelsStrange(DataError):
    def __init__(self, data: str, strange: Sequence[str], known: Sequence[str]) -> None:
        super().__init__(
            f"{data!r} carries the label{'s' * (len(strange) > 1)} {listed(strange)}, and the "
            f"pipeline knows {listed(known)}: give data with these labels, or train anew."
        )


class SampleLacking(DataError):
    def __init__(self, reason: str, sample: int, stage: str) -> None:
        super().__init__(
            f"{reason} The {sample:,} rows of the sample do not show it: give --sample more of "
            f"them, or name all labels in initialize.components.{stage}.labels."
        )
