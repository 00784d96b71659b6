"""What a piece of text is, unit by unit, and how a vocabulary of such pieces is learned."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Literal, TypeVar, get_args

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from seqpipe.errors import SettingError

# Letters of scripts that set no spaces between words.
SPACELESS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")

_LETTER = SPACELESS.pattern
_WORD = re.compile(rf"{_LETTER}|[^\W{_LETTER[1:-1]}]+|[^\w\s]")

# The thread pool of `tokenizers` does not survive a fork; whoever wants it has said so already.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

Unit = Literal["word", "char", "bpe", "unigram"]
UNITS: tuple[Unit, ...] = get_args(Unit)

# Letters and brackets never meet in one piece of any unit, so no text can produce these names.
SPECIALS = ["<pad>", "<unk>", "<bos>", "<eos>"]
PAD, UNK, BOS, EOS = range(4)

# Scripts written without spaces: a character, with its marks, is a piece. Han takes no marks, so
# that a text can be cut at every Han character before the tokenizer sees it (see `chunks`). Marks
# in a row stay together whatever their script: NFC may change their order.
_ALONE = r"\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\x{30FC}\x{FF70}"
_LETTER = rf"[\p{{M}}[\p{{L}}\p{{N}}&&[^\p{{Han}}{_ALONE}]]]"
# Apostrophes, and the invisible joiners of Persian and Indic spelling, hold a word together.
_JOINER = r"['\x{2019}\x{200C}\x{200D}]"
# Python calls \x1c to \x1f spaces and Unicode does not: both are taken at their word.
_SYMBOL = r"[^\s\x1c-\x1f\p{L}\p{N}\p{M}\p{Han}]"
WORD = (
    rf"(?!\p{{M}})\p{{Han}}|(?!\p{{M}})[{_ALONE}]\p{{M}}*"
    rf"|(?>{_LETTER}+)(?>(?:{_JOINER}{_LETTER}+)*)|({_SYMBOL})(?>\1*)"
)
CHAR = r"[\s\S]"
_ALPHABET = frozenset(pre_tokenizers.ByteLevel.alphabet())
_BYTES = sorted(_ALPHABET)

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_CHUNK = re.compile(rf"[{_HAN}]|[^\s{_HAN}]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_KEPT = 64  # characters; what is longer hardly comes twice
_MOST = 1 << 16  # chunks remembered before starting over: some 15 MB

T = TypeVar("T")


class Memo(dict[str, T]):
    """What became of each short string, so that a word is looked at once, not each time."""

    def __init__(self, work: Callable[[str], T]) -> None:
        super().__init__()
        self._work = work

    def __missing__(self, key: str) -> T:
        value = self._work(key)
        if len(key) <= _KEPT:
            if len(self) >= _MOST:
                self.clear()
            self[key] = value
        return value


def chunks(text: str) -> list[str]:
    """Cut where no word, and no composed character, can reach across: at spaces, around Han."""
    return text.split() if text.isascii() else _CHUNK.findall(text)


def well_formed(text: str) -> str:
    """Lone surrogates as U+FFFD: no tokenizer takes them, and the length stays."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def train_tokenizer(
    texts: Iterable[str],
    *,
    unit: Unit,
    size: int,
    min_count: int,
    lower: bool,
    reserved: Sequence[str] = (),
) -> Tokenizer:
    """Ids 0 to 3 are the specials; `lower` counts for words, the other units keep each letter.

    Each `reserved` character is a piece of its own wherever it stands, besides the `size`.
    """
    if unit not in _TRAINERS:
        raise SettingError("unit", unit, "one of " + ", ".join(UNITS))
    _check(unit, size, min_count)
    texts = map(well_formed, texts)
    if reserved:
        gone = dict.fromkeys(map(ord, reserved))
        texts = (text.translate(gone) for text in texts)
    tokenizer = _TRAINERS[unit](texts, size, min_count, lower)
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.add_tokens([AddedToken(one, normalized=False) for one in reserved])
    return tokenizer


def count_words(
    docs: Iterable[Iterable[str]], *, size: int, min_count: int, lower: bool
) -> Tokenizer:
    """The unit of words, over words that someone else has set apart: each is a piece as it is."""
    _check("word", size, min_count)
    normalizer = _normalizer(lower)
    counts: Counter[str] = Counter()
    for words in docs:
        counts.update(normalizer.normalize_str(well_formed(word)) for word in words)
    tokenizer = _looking_up(counts, size, min_count, normalizer)
    tokenizer.add_special_tokens(SPECIALS)
    return tokenizer


def _check(unit: Unit, size: int, min_count: int) -> None:
    smallest = len(SPECIALS) + (0 if unit in ("word", "char") else len(_BYTES))
    if size < smallest:
        raise SettingError("size", size, f"at least {smallest} for the unit {unit!r}")
    if min_count < 1:
        raise SettingError("min_count", min_count, "a whole number from 1 on")


def _normalizer(lower: bool) -> normalizers.Normalizer:
    steps = [normalizers.NFC(), normalizers.Lowercase()] if lower else [normalizers.NFC()]
    return normalizers.Sequence(steps)


def _train_words(texts: Iterable[str], size: int, min_count: int, lower: bool) -> Tokenizer:
    normalizer, splitter = _normalizer(lower), _splitter()

    def cut(chunk: str) -> list[str]:
        return [p for p, _ in splitter.pre_tokenize_str(normalizer.normalize_str(chunk))]

    memo = Memo(cut)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(chain.from_iterable(map(memo.__getitem__, chunks(text))))
    return _looking_up(counts, size, min_count, normalizer)


def _splitter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(WORD), "removed", invert=True)


def _looking_up(
    counts: Counter[str], size: int, min_count: int, normalizer: normalizers.Normalizer
) -> Tokenizer:
    tokenizer = _lookup(counts, size, min_count)
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = _splitter()
    return tokenizer


def _train_chars(texts: Iterable[str], size: int, min_count: int, lower: bool) -> Tokenizer:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    tokenizer = _lookup(counts, size, min_count)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(CHAR), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def _lookup(counts: Counter[str], size: int, min_count: int) -> Tokenizer:
    """The most frequent pieces, equal counts in the order of the pieces: the same in every run."""
    often = sorted((-n, piece) for piece, n in counts.items() if n >= min_count)
    pieces = SPECIALS + [piece for _, piece in often[: size - len(SPECIALS)]]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    return Tokenizer(models.WordLevel(vocab, unk_token=SPECIALS[UNK]))


def _train_bpe(texts: Iterable[str], size: int, min_count: int, lower: bool) -> Tokenizer:
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_count,
        special_tokens=SPECIALS,
        initial_alphabet=_BYTES,
        show_progress=False,
    )
    return _on_bytes(models.BPE(), texts, trainer)


def _train_unigram(texts: Iterable[str], size: int, min_count: int, lower: bool) -> Tokenizer:
    if min_count != 1:
        raise SettingError("min_count", min_count, "1: a unigram vocabulary is pruned by its size")
    trainer = trainers.UnigramTrainer(
        vocab_size=size,
        unk_token=SPECIALS[UNK],
        special_tokens=SPECIALS,
        initial_alphabet=_BYTES,
        show_progress=False,
    )
    return _steadied(_on_bytes(models.Unigram(), texts, trainer), size)


def _steadied(learned: Tokenizer, size: int) -> Tokenizer:
    """The same pieces in the same order in every run, and no more of them than asked for.

    The trainer walks hash maps in an order of chance: bytes it has not kept get the lowest score
    and 0.0001 more for each of them it comes across, and sums differ in their last digits.
    """
    # From no text at all it learns infinite scores, which JSON writes as null.
    learnt = json.loads(learned.to_str())["model"]["vocab"]
    scores: dict[str, float] = {piece: score or 0.0 for piece, score in learnt}
    lowest = min(scores.values())
    never = lowest + 0.0001 * len(_BYTES)
    for piece, score in scores.items():
        unkept = piece in _ALPHABET and score <= never
        scores[piece] = round(lowest if unkept else score, 5)
    longer = [p for p in scores if p not in _ALPHABET and p not in SPECIALS]
    longer.sort(key=lambda piece: (-scores[piece], piece))
    kept = _BYTES + longer[: size - len(SPECIALS) - len(_BYTES)]
    vocab = [(piece, 0.0) for piece in SPECIALS] + [(piece, scores[piece]) for piece in kept]
    tokenizer = Tokenizer(models.Unigram(vocab, UNK, False))
    tokenizer.pre_tokenizer = learned.pre_tokenizer
    tokenizer.decoder = learned.decoder
    return tokenizer


def _on_bytes(model: models.Model, texts: Iterable[str], trainer: trainers.Trainer) -> Tokenizer:
    """Pieces of UTF-8 bytes: nothing is unknown and every text comes back whole."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


_TRAINERS: dict[str, Callable[[Iterable[str], int, int, bool], Tokenizer]] = {
    "word": _train_words,
    "char": _train_chars,
    "bpe": _train_bpe,
    "unigram": _train_unigram,
}


def words_in(text: str) -> int:
    """How many words and signs there are, about; a letter is a word where no spaces are set."""
    return len(_WORD.findall(text))
