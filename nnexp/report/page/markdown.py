"""A document as Markdown, as GitHub reads it; its pictures are files of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from nnexp import __version__
from nnexp.report.page.blocks import Block, Code, Document, Facts, Figure, Fold, Points, Table, Text
from nnexp.report.page.html import GENERATOR
from nnexp.report.tables import Column, Grid

_SIGNS = re.compile(r"[\\`*\[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINKS = re.compile(r"(?i)\b(https?|ftp)://|\bwww\.")
_BEGINNING = re.compile(r"^(\d*)([#+=.)-])(?=\s|[-=#]|$)")
MARKS = {"strong": ("**", "**"), "small": ("<sub>", "</sub>"), "": ("", "")}


def as_markdown(document: Document, pictures: str) -> str:
    """The text. `pictures` is the folder with them, as it is seen from the file."""
    blocks = [
        f"<!-- {GENERATOR} {__version__} -->",
        f"# {said(document.title)}",
        paragraph(document.subtitle),
        *([paragraph(document.lead)] if document.lead else []),
    ]
    for section in document.sections:
        blocks.append(f"## {said(section.title)}")
        blocks += [part for block in section.blocks for part in _block(block, pictures)]
    blocks.append(f"<sub>{said(document.footer)}</sub>")
    return "\n\n".join(blocks) + "\n"


def said(text: str) -> str:
    r"""Plain text in one line in which no sign means anything to Markdown or HTML; not for the beginning of a line.

    >>> print(said("<b>n_1</b> | 2 * 3 _x_"))
    &lt;b&gt;n_1&lt;/b&gt; \| 2 \* 3 \_x\_
    """
    line = _SIGNS.sub(r"\\\g<0>", escape(_line(text), quote=False))
    # GitHub makes links and mentions of bare words
    return _LINKS.sub(lambda found: found[0].replace(":", "&#58;").replace(".", "&#46;"), line).replace("@", "&#64;")


def _line(text: str) -> str:
    """Text in one line, with a sign in the place of those that cannot be seen."""
    return " ".join("".join(one if one.isprintable() or one.isspace() else "\ufffd" for one in text).split())


def paragraph(text: str) -> str:
    r"""The same as a line of its own, which begins no list, heading or rule.

    >>> print(paragraph("1. first"), paragraph("# x"), paragraph("-0.5 is less"))
    1\. first \# x -0.5 is less
    """
    return _BEGINNING.sub(r"\1\\\2", said(text))


def _table(grid: Grid, columns: Sequence[Column]) -> Iterator[str]:
    """The lines of a table, the best rows in bold."""
    yield "| " + " | ".join(said(column.heading) for column in columns) + " |"
    yield "|" + "|".join("---:" if column.right else "---" for column in columns) + "|"
    for place, cells in enumerate(grid.cells(columns)):
        mark = "**" if place in grid.best else ""
        yield "| " + " | ".join(f"{mark}{said(cell)}{mark}" if cell else "" for cell in cells) + " |"


def _block(block: Block, pictures: str) -> Iterator[str]:
    match block:
        case Text(text, weight):
            before, behind = MARKS[weight]
            yield f"{before}{said(text) if before else paragraph(text)}{behind}"
        case Points(items):
            yield "\n".join(f"- {paragraph(item)}" for item in items)
        case Code(text, language):
            fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
            yield f"{fence}{language}\n{text}\n{fence}"
        case Facts(rows):
            lines = [f"| {said(word)} | {said(text)} |" for word, text in rows]
            yield "\n".join(["| | |", "|---|---|", *lines])
        case Table(grid):
            for title, columns in grid.panels:
                if title:
                    yield f"{paragraph(title)}:"
                yield "\n".join(_table(grid, columns))
        case Figure(name, picture):
            yield f"![{said(picture.words)}]({pictures}/{name}.svg)"
        case Fold(summary, blocks):
            yield f"<details><summary>{escape(_line(summary), quote=False)}</summary>"  # in HTML Markdown is no more
            for inner in blocks:
                yield from _block(inner, pictures)
            yield "</details>"
