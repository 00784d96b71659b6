"""What all tasks have in common: how texts come in, and in what shape answers go out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

from spacy.language import Language

from seqpipe.errors import FieldMissing, OptionUnknown, SettingError, TextUnfit
from seqpipe.pipelines import fields_of, one_thread

Options = Mapping[str, Any]


class Task:
    """Answers one text, a list of texts, or whatever yields some, as it is walked."""

    OPTIONS: ClassVar[tuple[str, ...]] = ()
    AT_ONCE: ClassVar[int] = 64  # texts, where nobody says how many

    def __init__(
        self, name: str, nlp: Language, *, batch_size: int | None, options: Options
    ) -> None:
        self.task = name
        self.nlp = nlp
        self.batch_size = self._size(batch_size)
        self.options: Options = {}
        self.options = self._asked(options)

    def answers(self, texts: Sequence[str], asked: Options) -> Sequence[Any]:
        """What is said of each text, in the shape that a generator of texts is answered in."""
        raise NotImplementedError

    def alone(self, answer: Any, asked: Options) -> Any:
        """The answer to a single string."""
        return answer

    def together(self, answers: list[Any]) -> list[Any]:
        """Those to a list of them."""
        return answers

    def check(self, asked: Options) -> None:
        """Refuses what makes no sense, before any text is read."""

    def __call__(self, inputs: Any, *, batch_size: int | None = None, **options: Any) -> Any:
        """Answers to a string or a list at once, to anything else one by one as it is walked."""
        asked = self._asked(options)
        size = self.batch_size if batch_size is None else self._size(batch_size)
        if isinstance(inputs, str):
            return self.alone(next(self._walk([inputs], size, asked)), asked)
        if isinstance(inputs, Mapping):
            return next(self._walk([inputs], size, asked))
        if isinstance(inputs, list | tuple):
            return self.together(list(self._walk(inputs, size, asked)))
        return self._walk(self._each(inputs), size, asked)

    def _walk(self, inputs: Iterable[Any], size: int, asked: Options) -> Iterator[Any]:
        walk = map(self._text, inputs)
        while texts := list(islice(walk, size)):
            with one_thread():
                found = self.answers(texts, asked)
            yield from found

    def _each(self, inputs: Any) -> Iterable[Any]:
        """What can be walked, or, as the data sets of torch, only counted through."""
        if hasattr(inputs, "__iter__"):
            each: Iterable[Any] = inputs
            return each
        if hasattr(inputs, "__getitem__") and hasattr(inputs, "__len__"):
            return (inputs[at] for at in range(len(inputs)))
        raise TextUnfit(self.task, type(inputs).__name__)

    def _text(self, one: Any) -> str:
        if isinstance(one, Mapping) and one.get("text_pair") is not None:
            raise TextUnfit(self.task, "a pair: these stages read one text at a time")
        text = one.get("text") if isinstance(one, Mapping) else one
        if not isinstance(text, str):
            raise TextUnfit(self.task, f"{type(one).__name__} for one of them")
        return text

    def _asked(self, options: Options) -> Options:
        """What was said when the task was made, and now."""
        for name in options:
            if name not in self.OPTIONS:
                raise OptionUnknown(self.task, name, self.OPTIONS)
        asked = {**self.options, **options}
        self.check(asked)
        return asked

    def _size(self, batch_size: int | None) -> int:
        if batch_size is not None and batch_size < 1:
            raise SettingError("batch_size", batch_size, "1 or more")
        return batch_size or self.AT_ONCE


def stage_of(nlp: Language, factory: str, *, writes: str) -> Any:
    """The first stage of this factory; `writes` is what nothing there would write without it."""
    for name, pipe in nlp.pipeline:
        if nlp.get_pipe_meta(name).factory == factory:
            return pipe
    raise FieldMissing(writes, fields_of(nlp))
