"""Where a text that is being written ends, whatever the net would say next."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import List, Optional

from seqpipe.components._search import SearchRecipe
from seqpipe.errors import SettingError
from seqpipe.search.stops import StopAt
from seqpipe.text.codec import Codec

_BYTES = 4  # of a character at most, and no piece is shorter than a byte
_BROKEN = "\ufffd"  # what a character of which some bytes are lacking reads as


@dataclass(frozen=True)
class Ending:
    """Before the first of some strings, and after so many characters; 0 for any number."""

    stops: Sequence[str] = ()
    characters: int = 0

    def __post_init__(self) -> None:
        if self.characters < 0:
            raise SettingError("characters", self.characters, "0 for no limit, or more")
        one = isinstance(self.stops, str)  # which would be taken for a list of its characters
        if one or not all(isinstance(stop, str) and stop for stop in self.stops):
            raise SettingError("stops", self.stops, "a list of strings that are not empty")
        if any(_BROKEN in stop for stop in self.stops):
            allowed = "strings without U+FFFD, which is what broken characters read as"
            raise SettingError("stops", self.stops, allowed)

    def bound(self, search: SearchRecipe) -> SearchRecipe:
        """The search with room for so many characters."""
        most = self.characters * _BYTES or search.max_length
        if not most:  # what is written hangs on no length of what was read
            raise SettingError("search.max_length", most, "1 or more, or characters = 1 or more")
        return search.changed(max_length=most)

    def stop_at(self, codec: Codec) -> Optional[StopAt]:
        """So that nothing is written for nothing."""
        if not self.stops and not self.characters:
            return None
        spans = [len(stop.encode()) for stop in self.stops]
        reach = max([*spans, self.characters * _BYTES])

        def reached(pieces: Sequence[int]) -> bool:
            text = codec.decode(pieces)
            enough = self.characters and len(text) > self.characters
            return bool(enough) or any(stop in text for stop in self.stops)

        return StopAt(reached, reach)

    def cut(self, text: str) -> str:
        """What of a text is before its end."""
        found = [at for at in map(text.find, self.stops) if at >= 0]
        text = text[: min(found)] if found else text
        text = text[: self.characters] if self.characters else text
        return text.rstrip(_BROKEN)

    def typed(self, parts: Iterable[str]) -> Iterator[str]:
        """The same of a text that comes bit by bit, each bit as soon as it is known to stay."""
        text, shown = "", 0
        for part in parts:
            text += part
            if self.cut(text) != text.rstrip(_BROKEN):
                break
            sure = len(text) - self._begun(text)
            if sure > shown:
                yield text[shown:sure]
                shown = sure
        rest = self.cut(text)[shown:]
        if rest:
            yield rest

    def _begun(self, text: str) -> int:
        """How much of the end may be the beginning of a stop, or of a character."""
        tail = len(text) - len(text.rstrip(_BROKEN))
        for stop in self.stops:
            for size in range(min(len(stop) - 1, len(text)), tail, -1):
                if text.endswith(stop[:size]):
                    tail = size
                    break
        return len(text) - len(text[: len(text) - tail].rstrip(_BROKEN))  # as `cut` has it


def parts_of(codec: Codec, pieces: Iterable[int]) -> Iterator[str]:
    """What each piece adds to a text; a character of several pieces comes with the last."""
    held: List[int] = []
    for piece in pieces:
        held.append(piece)
        text = codec.decode(held)
        if text and not text.endswith(_BROKEN):
            yield text
            held.clear()
    if held:
        yield codec.decode(held)
