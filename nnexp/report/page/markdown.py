"""A document as Markdown, as GitHub reads it; its pictures are files of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nnexp import __version__
from nnexp.report.page.blocks import Block, Code, Document, Facts, Figure, Fold, Points, Table, Text
from nnexp.report.page.html import GENERATOR
from nnexp.report.tables import pipe_table

_SIGNS = re.compile(r"([\\`*_\[\]|~])")


def as_markdown(document: Document, pictures: str) -> str:
    """The text. `pictures` is the folder with them, as it is seen from the file."""
    blocks = [
        f"<!-- {GENERATOR} {__version__} -->",
        f"# {said(document.title)}",
        said(document.subtitle),
        *([said(document.lead)] if document.lead else []),
    ]
    for section in document.sections:
        blocks.append(f"## {said(section.title)}")
        blocks += [part for block in section.blocks for part in _block(block, pictures)]
    blocks.append(f"<sub>{said(document.footer)}</sub>")
    return "\n\n".join(blocks) + "\n"


def said(text: str) -> str:
    """Plain text in which no sign means anything to Markdown or HTML, in one line.

    >>> said("<b>n_1</b> | 2 * 3")
    '&lt;b&gt;n\\\\_1&lt;/b&gt; \\\\| 2 \\\\* 3'
    """
    line = " ".join("".join(one if one.isprintable() or one.isspace() else "\ufffd" for one in text).split())
    line = _SIGNS.sub(r"\\\1", line.replace("&", "&amp;")).replace("<", "&lt;").replace(">", "&gt;")
    # what is a list, a heading or a rule at the beginning of a line; what is made into a link or a mention anywhere
    line = re.sub(r"^([#+=-]|\d+[.)])(?=\s|[-=#]|$)", lambda m: f"{m[1][:-1]}\\{m[1][-1]}", line)
    return re.sub(r"(?i)\b(https?|ftp)://", r"\1&#58;//", line).replace("@", "&#64;")


def _block(block: Block, pictures: str) -> Iterator[str]:
    match block:
        case Text(text, weight):
            line = said(text)
            yield f"**{line}**" if weight == "strong" else f"<sub>{line}</sub>" if weight == "small" else line
        case Points(items):
            yield "\n".join(f"- {said(item)}" for item in items)
        case Code(text, language):
            fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
            yield f"{fence}{language}\n{text}\n{fence}"
        case Facts(rows):
            lines = [f"| {said(word)} | {said(text)} |" for word, text in rows]
            yield "\n".join(["| | |", "|---|---|", *lines])
        case Table(grid):
            for title, columns in grid.panels:
                if title:
                    yield f"{said(title)}:"
                yield "\n".join(pipe_table(grid, columns, said))
        case Figure(name, picture):
            yield f"![{said(picture.words)}]({pictures}/{name}.svg)"
        case Fold(summary, blocks):
            yield f"<details><summary>{said(summary)}</summary>"
            for inner in blocks:
                yield from _block(inner, pictures)
            yield "</details>"
