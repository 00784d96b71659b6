"""What all pictures share: how text becomes markup, colours, and the page around them.

No script, and nothing from elsewhere: a page shows what it shows wherever it is opened, in light
and dark, narrow and wide, on paper, and read aloud.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

# Characters of control as the pictures that Unicode has of them; a page cannot hold them.
_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"} | {127: 0x2421}

_CSS = """
.seqpipe{--ink:#1b1f24;--dim:#59636e;--paper:#fff;--line:#d1d9e0;--for:9 105 218;
--against:207 87 10;--look:112 72 190;color:var(--ink);
background:var(--paper);font:16px/1.5 system-ui,sans-serif;
margin:0 0 2rem;padding:1rem;border:1px solid var(--line);border-radius:8px;overflow-wrap:anywhere;
print-color-adjust:exact;-webkit-print-color-adjust:exact}
@media (prefers-color-scheme:dark){.seqpipe{--ink:#e6edf3;--dim:#9aa4af;--paper:#14181d;
--line:#3d444d;--for:64 140 240;--against:222 118 38;--look:150 110 225}}
@media print{.seqpipe{--ink:#000;--dim:#444;--paper:#fff;--line:#999;break-inside:avoid}}
.seqpipe h2{margin:0;font-size:1.15rem}
.seqpipe p{margin:.35rem 0}
.seqpipe .told,.seqpipe caption{color:var(--dim);font-size:.875rem;text-align:start}
.seqpipe .text{font-size:1.125rem;line-height:2;white-space:pre-wrap;margin:.75rem 0}
.seqpipe mark{color:inherit;border-radius:3px;padding:.15em 0;--rgb:var(--for);
background:rgb(var(--rgb)/var(--deep));box-decoration-break:clone;-webkit-box-decoration-break:clone;
text-decoration:underline rgb(var(--rgb)) 2px;text-underline-offset:.2em}
.seqpipe mark.against{--rgb:var(--against);text-decoration-style:dashed}
.seqpipe mark.look{--rgb:var(--look);text-decoration-style:solid}
.seqpipe mark.faint{text-decoration-color:transparent}
.seqpipe caption{white-space:nowrap}
.seqpipe table{border-collapse:collapse;font-size:.9375rem;font-variant-numeric:tabular-nums}
.seqpipe th,.seqpipe td{padding:.15rem .75rem .15rem 0;text-align:end;font-weight:normal;
border-top:1px solid var(--line)}
.seqpipe thead td{border:0}
.seqpipe thead th{color:var(--dim);border:0;vertical-align:bottom}
.seqpipe th:first-child{text-align:start}
.seqpipe .wide{overflow-x:auto;white-space:nowrap;margin-top:.75rem}
.seqpipe .ladder{display:grid;grid-template-columns:minmax(0,auto) minmax(3rem,8rem) minmax(0,auto);
justify-content:start;margin:1rem 0;--rgb:var(--look)}
.seqpipe .ladder div div{height:2rem;line-height:2rem;padding:0 .4rem;overflow:hidden;
text-overflow:ellipsis;white-space:nowrap;text-align:left;background:rgb(var(--rgb)/var(--deep,0))}
.seqpipe .ladder>div:first-child div{text-align:right}
.seqpipe svg{width:100%}
.seqpipe line{stroke:rgb(var(--look));stroke-width:2;vector-effect:non-scaling-stroke}
.seqpipe .matrix td{background:rgb(var(--look)/var(--deep,0));text-align:center}
.seqpipe .matrix td,.seqpipe .matrix th{text-align:center;padding:.15rem .4rem}
.seqpipe mark.cut{--rgb:var(--look);--deep:0;border-radius:0;text-decoration-style:solid;
padding-inline-end:.1em;margin-inline-end:.1em;border-inline-end:2px solid var(--dim)}
.seqpipe mark.inside{border-inline-end:2px dotted var(--dim)}
.seqpipe mark.sentence{border-inline-end:5px double var(--ink)}
.seqpipe .strips{display:flex;flex-wrap:wrap;gap:.5rem 1rem;margin:.75rem 0;--rgb:var(--look)}
.seqpipe .strips svg{max-width:100%;height:auto}
.seqpipe .strips text{fill:var(--ink);font:16px ui-monospace,monospace;text-anchor:start}
.seqpipe .strips text.row{fill:var(--dim);font:10px system-ui,sans-serif;text-anchor:end}
.seqpipe path.up{fill:rgb(var(--for))}
.seqpipe path.down{fill:rgb(var(--against))}
.seqpipe .best{margin-top:.75rem}
.seqpipe .best caption{white-space:normal}
.seqpipe .best th{vertical-align:baseline;white-space:nowrap}
.seqpipe .best td{text-align:start;overflow-wrap:anywhere;padding-inline-end:0}
.seqpipe summary{cursor:pointer;margin-top:.75rem}
.seqpipe .aloud{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);
white-space:nowrap;user-select:none}
"""

_PAGE = """<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>body{{margin:1rem auto;max-width:60rem;padding:0 1rem;background:#fff}}
h1{{font:600 1.4rem system-ui,sans-serif;color:#1b1f24}}
@media (prefers-color-scheme:dark){{body{{background:#0b0e12}}h1{{color:#e6edf3}}}}
@media (max-width:30rem){{body{{padding:0;margin:.5rem}}}}
@media print{{body{{background:#fff;max-width:none}}h1{{color:#000}}}}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def shown(text: str) -> str:
    """Text as markup that shows it, whatever it holds."""
    return escape(text.translate(_CONTROLS))


def fragment(sections: Iterable[str]) -> str:
    """Sections with their colours, to stand in a page or a notebook."""
    return "\n".join([f"<style>{_CSS.strip()}</style>", *sections])


def page(sections: Iterable[str], *, title: str, lang: str) -> str:
    """A whole page, to be opened as a file."""
    return _PAGE.format(title=shown(title), lang=shown(lang), body=fragment(sections))


def section(heading: str, told: str, parts: Sequence[str]) -> str:
    """One doc: a heading, which is text, a line that tells what is seen, and what is seen."""
    inner = "\n".join([f'<p class="told">{told}</p>', *filter(None, parts)])
    name = shown(heading)
    return (
        f'<section class="seqpipe" aria-label="{name}">\n<h2 dir="auto">{name}</h2>\n'
        f"{inner}\n</section>"
    )


def marked(text: str, *, depth: float, kind: str = "", title: str, aloud: str = "") -> str:
    """A word on a ground of that depth, from 0 to 1; `aloud` is for those who cannot see it."""
    faint = "" if aloud else " faint"
    said = f'<span class="aloud"> ({shown(aloud)}) </span>' if aloud else ""
    name = f"{kind}{faint}".strip()
    return (
        f'<mark class="{name}" style="--deep:{0.62 * min(max(depth, 0.0), 1.0):.2f}" '
        f'title="{shown(title)}">{shown(text)}{said}</mark>'
    )


def running(text: str, words: Sequence[tuple[int, int]], marks: Sequence[str]) -> str:
    """The text with each word replaced by its mark, in the direction in which it is written."""
    parts: list[str] = []
    at = 0
    for (begin, end), mark in zip(words, marks, strict=True):
        parts += [shown(text[at:begin]), mark]
        at = end
    whole = "".join([*parts, shown(text[at:])])
    return f'<div class="text" dir="auto">{whole}</div>'


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A word and its numbers a row; cells are text."""
    names = "".join(f'<th scope="col">{shown(name)}</th>' for name in head)
    lines = "\n".join(
        f'<tr><th scope="row"><bdi>{shown(word)}</bdi></th>'
        + "".join(f"<td>{shown(cell)}</td>" for cell in cells)
        + "</tr>"
        for word, *cells in rows
    )
    return (
        f'<div class="wide"><table><caption>{shown(caption)}</caption>\n'
        f"<thead><tr>{names}</tr></thead>\n<tbody>\n{lines}\n</tbody></table></div>"
    )


def details(summary: str, inner: str) -> str:
    """Markup that shows itself when it is asked to."""
    return f"<details><summary>{shown(summary)}</summary>\n{inner}\n</details>"


def signed(number: float | None) -> str:
    """With a true minus; nothing where there is no number."""
    return "" if number is None else f"{number:+.2f}".replace("-", "\u2212")
