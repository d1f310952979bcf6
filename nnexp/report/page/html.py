"""A document as one HTML page that loads nothing: style, script and pictures are in it."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from nnexp import __version__
from nnexp.report.page.blocks import Block, Code, Document, Facts, Figure, Fold, Points, Table, Text
from nnexp.report.page.inline import inline, palette
from nnexp.report.tables import Column, Grid

GENERATOR = "nnexp report"
"""How a page says what wrote it."""
TALL = 20
"""Rows from which on a table scrolls within the page."""
LONG = 36
"""Characters in a cell from which on it may be broken into lines."""
SPARE = 5
"""The rank from which on a column is left out on paper, which does not scroll."""
VERDICTS = ("better", "worse", "equivalent", "inconclusive", "confounded", "baseline")


def as_page(document: Document) -> str:
    """The page. The same document gives the same text."""
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # a name out of somebody's file cannot run, nor load anything, even if it got through
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:"
    numbers = {figure.name: number for number, figure in enumerate(document.figures, start=1)}
    style = _asset("page.css").replace("/*day*/", f"{palette(False)};").replace("/*night*/", f"{palette(True)};")
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta name="generator" content="{GENERATOR} {escape(__version__)}">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        '<link rel="icon" href="data:,">',
        f"<title>{_text(document.title)}</title>",
        f"<style>\n{style}</style>",
        "</head>",
        "<body>",
        "<main>",
        f"<header>\n<h1>{_text(document.title)}</h1>",
        f'<p class="subtitle">{_text(document.subtitle)}</p>',
        *([f"<p>{_text(document.lead)}</p>"] if document.lead else []),
        "</header>",
    ]
    for place, section in enumerate(document.sections, start=1):
        lines += [f'<section id="s{place}">', f"<h2>{_text(section.title)}</h2>"]
        lines += [line for block in section.blocks for line in _block(block, numbers)]
        lines.append("</section>")
    lines += ["</main>", f"<footer><p>{_text(document.footer)}</p></footer>", f"<script>{script}</script>"]
    return "\n".join([*lines, "</body>", "</html>", ""])


def _text(text: str) -> str:
    """Plain text as HTML. Signs that turn the direction of writing around, or are none, are shown as what they are."""
    return escape("".join(one if one.isprintable() or one in "\n\t" else f"\\u{ord(one):04x}" for one in text))


def _block(block: Block, numbers: Mapping[str, int]) -> Iterator[str]:
    match block:
        case Text(text, weight):
            yield f'<p class="{weight}">{_text(text)}</p>' if weight else f"<p>{_text(text)}</p>"
        case Points(items):
            yield "<ul>" + "".join(f"<li>{_text(item)}</li>" for item in items) + "</ul>"
        case Code(text):
            yield f'<pre tabindex="0"><code>{_text(text)}</code></pre>'
        case Facts(rows):
            yield "<dl>" + "".join(f"<dt>{_text(word)}</dt><dd>{_text(said)}</dd>" for word, said in rows) + "</dl>"
        case Table(grid):
            yield from _tables(grid)
        case Figure(name, picture, shaded):
            kind = "shaded" if shaded else "inked"
            drawn = inline(picture.content, numbers[name], picture.words, shaded)
            yield f'<figure class="{kind}" tabindex="0">{drawn}</figure>'
        case Fold(summary, blocks):
            yield f"<details><summary>{_text(summary)}</summary>"
            for inner in blocks:
                yield from _block(inner, numbers)
            yield "</details>"


def _tables(grid: Grid) -> Iterator[str]:
    for title, columns in grid.panels:
        caption = f"<caption>{_text(title)}</caption>" if title else ""
        heads = "".join(map(_head, columns))
        tall = " tall" if len(grid.rows) > TALL else ""
        yield f'<div class="wide{tall}" tabindex="0"><table class="sortable">{caption}'
        yield f"<thead><tr>{heads}</tr></thead><tbody>"
        for place, (row, cells) in enumerate(zip(grid.rows, grid.cells(columns), strict=True)):
            shown = "".join(_cell(column, row, cell) for column, cell in zip(columns, cells, strict=True))
            marked = ' class="best"' if place in grid.best else ""
            yield f"<tr{marked}>{shown}</tr>"
        yield "</tbody></table></div>"


def _head(column: Column) -> str:
    button = f'<button type="button">{_text(column.heading)}</button>'
    return f'<th scope="col" aria-sort="none"{_kind(column)}>{button}</th>'


def _cell(column: Column, row: Mapping[str, Any], shown: str) -> str:
    """A cell, with the unrounded value that it is sorted by, where it has one."""
    value = worth(column, row)
    exact = "" if value is None else f' data-v="{value!r}"'
    word = row.get(column.key)
    more = word if column.key == "verdict" and word in VERDICTS else "long" if len(shown) > LONG else ""
    return f"<td{_kind(column, more)}{exact}>{_text(shown)}</td>"


def worth(column: Column, row: Mapping[str, Any]) -> float | int | None:
    """The number behind a cell: its own, or the first of its parts; None for text and for what is missing."""
    for key in (column.key, *column.parts):
        value = row.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return value
    return None


def _kind(column: Column, more: str = "") -> str:
    """What CSS is to know of a cell: `n` for numbers, `spare` where it is left out on paper."""
    words = ["n" if column.right else "", "spare" if column.rank >= SPARE else "", more]
    return f' class="{" ".join(filter(None, words))}"' if any(words) else ""


@cache
def _asset(name: str) -> str:
    return (files("nnexp.report.page") / name).read_text(encoding="utf-8")
