"""What of a page can be seen in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(1)>"  # for those who let it run

_WINDOWS: list[tuple[Literal["light", "dark"], int]] = [("light", 320), ("dark", 1200)]
_LEAST = 12.0  # of contrast; the guidelines for accessible contents of the web ask for 7
_VISIBLE = """found => {
  const copy = found.cloneNode(true);
  copy.querySelectorAll(".aloud").forEach(one => one.remove());
  return copy.textContent;
}"""
# By the formula of those guidelines.
_CONTRAST = """found => {
  const light = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(one => one / 255)
      .map(one => one <= .04045 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b + .05;
  };
  const style = getComputedStyle(found);
  const [ink, paper] = [light(style.color), light(style.backgroundColor)];
  return Math.max(ink, paper) / Math.min(ink, paper);
}"""


def visible(found: Locator) -> str:
    """Its text without what is only read aloud."""
    return str(found.evaluate(_VISIBLE))


def in_all_windows(page: Page, found: Locator) -> bool:
    """Whether a page needs no scrolling from side to side, and what is found can be read: in a
    narrow window and a wide one, in light and dark."""
    for scheme, width in _WINDOWS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        if page.evaluate("document.documentElement.scrollWidth") > width:
            return False
        if float(found.evaluate(_CONTRAST)) < _LEAST:
            return False
    return True
