"""Text to ids and back, with the place of every piece in the text as it was given."""

from __future__ import annotations

import json
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import category

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from seqpipe.errors import CodecError, SettingError
from seqpipe.files import written
from seqpipe.text.units import (
    BOS,
    CHAR,
    EOS,
    PAD,
    SPECIALS,
    UNK,
    WORD,
    Memo,
    Unit,
    chunks,
    count_words,
    train_tokenizer,
    well_formed,
)

__all__ = ["BOS", "EOS", "PAD", "UNK", "Aligned", "Codec", "Ids", "Spelled", "Unit"]

Ids = NDArray[np.int32]

# How byte-level pieces write bytes: those that print as themselves, the others from 256 on.
_PRINTED = [*range(33, 127), *range(161, 173), *range(174, 256)]
_BYTE_OF = {chr(byte): byte for byte in _PRINTED} | {
    chr(256 + i): byte for i, byte in enumerate(sorted(set(range(256)) - set(_PRINTED)))
}

_AT_ONCE = 1024  # texts: bounds what the tokenizer holds besides the ids


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """The ids of one text and where in it each piece begins and ends, in characters."""

    ids: Ids  # (S,)
    offsets: Ids  # (S, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Spelled:
    """A text made of ids and where in it each of them begins and ends, in characters; the space
    before a word counts to none."""

    text: str
    offsets: Ids  # (T, 2)


class Codec:
    """A `tokenizers.Tokenizer` of one of our units; takes the tokenizer over as its own."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._adopt(tokenizer, "the tokenizer given")

    def _adopt(self, tokenizer: Tokenizer, source: object) -> None:
        settings = json.loads(tokenizer.to_str())
        self.unit: Unit = _unit_of(settings, source)
        self._pieces = _pieces_of(tokenizer, source)
        # Not kept in tokenizer.json, so it must be said each time: a text that spells out the name
        # of a special token is text.
        tokenizer.encode_special_tokens = True
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._by_chunk = Memo(self._chunk_bytes)
        self._by_word = Memo(self._word_id)
        self._table: Ids | None = None
        # The short ways hold for today's patterns; what another version has cut goes the long way.
        short: dict[str | None, Callable[[Sequence[str]], list[Ids]]] = {
            WORD: self._encode_words,
            CHAR: self._encode_chars,
        }
        self._encode_some = short.get(_pattern_of(settings), self._encode_whole)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        unit: Unit = "word",
        size: int = 20000,
        min_count: int = 1,
        lower: bool = True,
        reserved: Sequence[str] = (),
    ) -> Codec:
        """Learns at most `size` pieces, specials included; `lower` counts for words alone.

        Each `reserved` character is a piece besides, wherever it stands.
        """
        return cls(
            train_tokenizer(
                texts, unit=unit, size=size, min_count=min_count, lower=lower, reserved=reserved
            )
        )

    @classmethod
    def of_words(
        cls,
        docs: Iterable[Iterable[str]],
        *,
        size: int = 20000,
        min_count: int = 1,
        lower: bool = True,
    ) -> Codec:
        """For `encode_words`: the words of each doc are pieces whatever stands in them."""
        return cls(count_words(docs, size=size, min_count=min_count, lower=lower))

    @property
    def lossless(self) -> bool:
        """Whether `decode(encode(text))` gives back every text that is free of lone surrogates.

        Characters give back every text of known characters, which is less than every text.
        """
        return self.unit in ("bpe", "unigram")

    @property
    def splits_at_spaces(self) -> bool:
        """Whether the ids of a text are those of the parts between its spaces, one after the other:
        so it is with words."""
        return self._encode_some == self._encode_words

    @property
    def tokenizer(self) -> Tokenizer:
        """The one that this codec took over."""
        return self._tokenizer

    def __len__(self) -> int:
        return len(self._pieces)

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """One array of ids a text, without BOS and EOS; an empty text gives an empty array."""
        parts = (texts[at : at + _AT_ONCE] for at in range(0, len(texts), _AT_ONCE))
        return [ids for part in parts for ids in self._encode_some(part)]

    def encode_words(self, docs: Sequence[Sequence[str]]) -> list[Ids]:
        """One id for each word given; a word that is not one piece of the vocabulary is UNK."""
        if self.unit != "word":
            raise SettingError("unit", self.unit, "a codec of words, which alone has an id a word")
        find = self._by_word.__getitem__
        return [np.fromiter(map(find, words), np.int32, len(words)) for words in docs]

    def align(self, text: str) -> Aligned:
        """The same ids as `encode`, and the offsets of their pieces in the text as given."""
        found = self._tokenizer.encode(well_formed(text), add_special_tokens=False)
        offsets = np.array(found.offsets, np.int32).reshape(-1, 2)
        if self.unit == "word" and not text.isascii():
            _cover_marks(text, offsets)
        return Aligned(np.array(found.ids, np.int32), offsets)

    def spell(self, ids: Sequence[int] | Ids, unknown: Sequence[str] | None = None) -> Spelled:
        """The text of these ids and where in it each of them stands; specials stand for nothing,
        or, if `unknown` has a text for each place, an unknown piece for that."""
        parts = self._parts(ids)
        if unknown is not None:
            parts = [t if id == UNK else p for p, id, t in zip(parts, ids, unknown, strict=True)]
        if self.unit == "word":
            first = next((i for i, part in enumerate(parts) if part), 0)
            parts = [f" {part}" if part and i > first else part for i, part in enumerate(parts)]
        ends = np.cumsum([0, *map(len, parts)])
        starts = ends[:-1] + [part.startswith(" ") and len(part) > 1 for part in parts]
        return Spelled("".join(parts), np.stack([starts, ends[1:]], axis=1).astype(np.int32))

    def _parts(self, ids: Sequence[int] | Ids) -> list[str]:
        """What each piece adds to the text; a character of several pieces is added by the last."""
        pieces = ["" if id < len(SPECIALS) else self._pieces[id] for id in ids]
        if not self.lossless:
            return pieces
        decoder = getincrementaldecoder("utf-8")(errors="replace")
        parts = [decoder.decode(_bytes_of(piece)) for piece in pieces]
        if parts:
            parts[-1] += decoder.decode(b"", final=True)
        return parts

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """Specials are left out; words are joined by a space."""
        return self._tokenizer.decode(np.asarray(ids, np.int64).tolist(), skip_special_tokens=True)

    def piece(self, id: int) -> str:
        """The entry of the vocabulary; in units of bytes each character stands for one byte."""
        if not 0 <= id < len(self):
            raise SettingError("id", id, f"a whole number from 0 to {len(self) - 1}")
        return self._pieces[id]

    def pieces(self) -> list[str]:
        """The vocabulary in the order of ids."""
        return list(self._pieces)

    def joined(self) -> list[bool]:
        """Which pieces are single letters of a script without case: in most of them, Chinese above
        all, words are not set apart, and two pieces in a row are often one."""
        if self.unit not in ("word", "char"):
            return [False] * len(self)
        return [len(piece) == 1 and category(piece) == "Lo" for piece in self._pieces]

    def extended(self, pieces: Iterable[str]) -> Codec:
        """The same ids, and more of them for pieces that are new; in units of bytes, which spell
        whatever there is, none is."""
        if self.lossless:
            return self
        settings = json.loads(self._tokenizer.to_str())
        vocab = settings["model"]["vocab"]
        # what was reserved is numbered by where it stands here, or else behind all that is
        vocab.update({token["content"]: token["id"] for token in settings["added_tokens"]})
        known = {*self._pieces}
        new = [piece for piece in dict.fromkeys(pieces) if piece not in known]
        vocab.update({piece: id for id, piece in enumerate(new, len(self))})
        return Codec(Tokenizer.from_str(json.dumps(settings)))

    def to_bytes(self) -> bytes:
        """The text of tokenizer.json."""
        return self._tokenizer.to_str(pretty=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Codec:
        """Refuses what `to_bytes` has not written."""
        return cls._read(data, "the bytes given")

    def save(self, path: Path | str) -> None:
        """Writes beside the path and renames, so that a reader never sees half a file."""
        with written(Path(path)) as beside:
            beside.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: Path | str) -> Codec:
        """Refuses a file that is missing, damaged or not one of ours in one sentence."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise CodecError(path, error.strerror or str(error)) from error
        return cls._read(data, path)

    @classmethod
    def _read(cls, data: bytes, source: object) -> Codec:
        try:
            tokenizer = Tokenizer.from_str(data.decode())
        except Exception as error:  # the tokenizers library raises nothing more precise
            raise CodecError(source, f"it is not a whole tokenizer.json ({error})") from error
        codec = cls.__new__(cls)
        codec._adopt(tokenizer, source)
        return codec

    def __reduce__(self) -> tuple[Callable[[bytes], Codec], tuple[bytes]]:
        return type(self).from_bytes, (self.to_bytes(),)

    def _encode_words(self, texts: Sequence[str]) -> list[Ids]:
        find = self._by_chunk.__getitem__
        # Joining bytes costs a third of collecting numbers; a bytearray leaves the array writable.
        joined = [bytearray().join(map(find, chunks(text))) for text in texts]
        return [np.frombuffer(ids, np.int32) for ids in joined]

    def _chunk_bytes(self, chunk: str) -> bytes:
        found = self._tokenizer.encode(well_formed(chunk), add_special_tokens=False)
        return np.array(found.ids, np.int32).tobytes()

    def _word_id(self, word: str) -> int:
        word = well_formed(word)
        if self._tokenizer.normalizer is not None:
            word = self._tokenizer.normalizer.normalize_str(word)
        found = self._tokenizer.token_to_id(word)
        return UNK if found is None or word in SPECIALS else found

    def _encode_chars(self, texts: Sequence[str]) -> list[Ids]:
        if self._table is None:
            self._table = _table_of(self._pieces)
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
        ids = self._table.take(codes, mode="clip")
        ends = np.cumsum([len(text) for text in texts]).tolist()
        return [ids[a:b] for a, b in zip([0, *ends], ends, strict=False)]

    def _encode_whole(self, texts: Sequence[str]) -> list[Ids]:
        clean = [well_formed(text) for text in texts]
        found = self._tokenizer.encode_batch_fast(clean, add_special_tokens=False)
        return [np.array(one.ids, np.int32) for one in found]


def _cover_marks(text: str, offsets: Ids) -> None:
    """Where `e` and an accent became one letter, the tokenizer ends the piece before the accent.

    Words leave nothing out but spaces, so what stands between two pieces belongs to the first.
    """
    starts, ends = offsets.T.tolist()
    for i, limit in zip(range(len(ends)), [*starts[1:], len(text)], strict=False):
        while ends[i] < limit and not text[ends[i]].isspace():
            ends[i] += 1
    offsets[:, 1] = ends


def _bytes_of(piece: str) -> bytes:
    """What a piece of a lossless unit writes; one that was reserved writes itself."""
    if len(piece) == 1 and piece not in _BYTE_OF:
        return piece.encode()
    return bytes(map(_BYTE_OF.__getitem__, piece))


def _table_of(pieces: list[str]) -> Ids:
    """Code point to id, as long as the highest known character; all beyond clip to its end."""
    known = {ord(piece): id for id, piece in enumerate(pieces) if id >= len(SPECIALS)}
    table = np.full(max(known, default=0) + 2, UNK, np.int32)
    table[list(known)] = list(known.values())
    table[0xD800:0xE000] = known.get(0xFFFD, UNK)
    return table


def _unit_of(settings: dict[str, Any], source: object) -> Unit:
    splitter = (settings["pre_tokenizer"] or {}).get("type")
    fused = (settings["decoder"] or {}).get("type") == "Fuse"
    units: dict[tuple[str, str | None, bool], Unit] = {
        ("WordLevel", "Split", False): "word",
        ("WordLevel", "Split", True): "char",
        ("BPE", "ByteLevel", False): "bpe",
        ("Unigram", "ByteLevel", False): "unigram",
    }
    model = settings["model"]["type"]
    if (model, splitter, fused) not in units:
        raise CodecError(source, f"its pieces ({model}) are not cut the way seqpipe cuts them")
    return units[model, splitter, fused]


def _pattern_of(settings: dict[str, Any]) -> str | None:
    pattern = settings["pre_tokenizer"].get("pattern", {})
    return pattern.get("Regex") if isinstance(pattern, dict) else None


def _pieces_of(tokenizer: Tokenizer, source: object) -> list[str]:
    vocab = tokenizer.get_vocab(with_added_tokens=True)
    pieces = sorted(vocab, key=vocab.__getitem__)
    if pieces[: len(SPECIALS)] != SPECIALS or vocab[pieces[-1]] != len(pieces) - 1:
        raise CodecError(source, f"its ids do not run from 0 with {', '.join(SPECIALS)} in front")
    return pieces
