"""How the writers of bundled corpora draw: what begins with `*` is kept for the validation part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

NEW = 0.25  # how often validation takes what training never shows, where there is some


@dataclass(kw_only=True)
class Picker:
    """Draws from lists; `new` tells whether anything kept from training was drawn."""

    random: Random
    held: bool
    new: bool = False

    def pick(self, options: Sequence[str]) -> str:
        fresh = [option for option in options if option.startswith("*")]
        if self.held and fresh and self.random.random() < NEW / 2:
            self.new = True
            return self.random.choice(fresh)[1:]
        return self.random.choice([option for option in options if option not in fresh])
