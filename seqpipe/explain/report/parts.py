"""What the sections of a report are put together from; all text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seqpipe.explain.html import shown

CSS = """
.seqpipe{margin-bottom:1rem}
.seqpipe h3{margin:1rem 0 .25rem;font-size:1rem}
.seqpipe summary{cursor:pointer;padding:.15rem 0;margin-top:.15rem}
.seqpipe details{margin:.25rem 0}
.seqpipe .cards{padding-inline-start:2.25rem;margin:.5rem 0}
.seqpipe .cards>li{padding:.35rem 0;border-top:1px solid var(--line)}
.seqpipe .cards>li::marker{color:var(--dim);font-size:.875rem}
.seqpipe .sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,15rem),1fr));
gap:.25rem 1.25rem}
.seqpipe .sides .text{font-size:1rem;line-height:1.5;margin:0}
.seqpipe .facts{display:grid;grid-template-columns:minmax(7rem,max-content) minmax(0,1fr);
gap:.1rem 1rem;margin:.5rem 0;font-size:.9375rem}
.seqpipe .facts dt{color:var(--dim)}
.seqpipe .facts dd{margin:0;white-space:pre-wrap}
.seqpipe .confusion td,.seqpipe .confusion th{text-align:center;padding:.25rem .6rem}
.seqpipe .confusion td{background:rgb(var(--rgb,var(--against))/var(--deep,0))}
.seqpipe .confusion td.right{--rgb:var(--for)}
.seqpipe .confusion a,.seqpipe .cards a{color:inherit}
.seqpipe [id]{scroll-margin-top:3rem}
.seqpipe :target{outline:2px solid rgb(var(--look));outline-offset:2px}
@media print{.seqpipe{break-inside:auto}.seqpipe details::details-content{
content-visibility:visible;display:block}.seqpipe .cards>li,.seqpipe figure{break-inside:avoid}}
"""


def paragraph(text: str) -> str:
    return f'<p class="told">{shown(text)}</p>'


def heading(text: str) -> str:
    return f"<h3>{shown(text)}</h3>"


def opened(summary: str, markup: str) -> str:
    """What is seen by those who ask for it."""
    return f"<details><summary>{shown(summary)}</summary>\n{markup}\n</details>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and what they are."""
    rows = "\n".join(
        f"<dt>{shown(name)}</dt><dd><bdi>{shown(value)}</bdi></dd>" for name, value in pairs
    )
    return f'<dl class="facts">\n{rows}\n</dl>'


def side(name: str, markup: str) -> str:
    """A text as markup, under its name if it has one."""
    above = f'<div class="told">{shown(name)}</div>' if name else ""
    return f'<div>{above}<div class="text" dir="auto">{markup}</div></div>'


def card(told: str, sides: Sequence[str]) -> str:
    """A line about some texts, which stand side by side where there is room."""
    head = paragraph(told) if told else ""
    return f'<li>{head}<div class="sides">{"".join(sides)}</div></li>'


def cards(items: Iterable[str]) -> str:
    inner = "\n".join(items)
    return f'<ol class="cards">\n{inner}\n</ol>' if inner else ""


def matrix(
    caption: str,
    head: Sequence[str],
    rows: Iterable[tuple[str, Sequence[str]]],
) -> str:
    """Cells are markup, made by `cell`."""
    names = "".join(f'<th scope="col"><bdi>{shown(name)}</bdi></th>' for name in head)
    lines = "\n".join(
        f'<tr><th scope="row"><bdi>{shown(name)}</bdi></th>{"".join(cells)}</tr>'
        for name, cells in rows
    )
    return (
        f'<div class="wide"><table class="confusion"><caption>{shown(caption)}</caption>\n'
        f"<thead><tr><td></td>{names}</tr></thead>\n<tbody>\n{lines}\n</tbody></table></div>"
    )


def cell(count: int, *, depth: float, right: bool, anchor: str = "") -> str:
    """On a ground as deep as its share, with a way to its examples where there are some."""
    if not count:
        return "<td>0</td>" if right else "<td></td>"
    told = f"{count:,}"
    inner = f'<a href="#{anchor}">{told}</a>' if anchor else told
    kind = ' class="right"' if right else ""
    return f'<td{kind} style="--deep:{0.6 * depth:.2f}">{inner}</td>'
