"""What of a page can be seen in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Locator

HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(1)>"  # for those who let it run
Scheme = Literal["light", "dark"]
SCHEMES: list[Scheme] = ["light", "dark"]

_VISIBLE = """found => {
  const copy = found.cloneNode(true);
  copy.querySelectorAll(".aloud").forEach(one => one.remove());
  return copy.textContent;
}"""


def visible(found: Locator) -> str:
    """Its text without what is only read aloud."""
    return str(found.evaluate(_VISIBLE))
