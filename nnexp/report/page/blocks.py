"""What a document is made of: blocks that know no format."""

from __future__ import annotations

from dataclasses import dataclass, field

from nnexp.report.pictures.style import Picture
from nnexp.report.tables import Grid


@dataclass(frozen=True)
class Text:
    """A paragraph. All text in a document is plain: a format escapes what would mean something to it."""

    text: str
    weight: str = ""
    """`strong` for what is to be read first, `small` for what explains; else nothing."""


@dataclass(frozen=True)
class Points:
    """Sentences below each other."""

    items: list[str]


@dataclass(frozen=True)
class Code:
    """Lines to copy: commands, YAML."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Facts:
    """Words, and beside each what it is."""

    rows: list[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """The one or two tables of a comparison, without the sentences below."""

    grid: Grid


@dataclass(frozen=True)
class Figure:
    """A picture as SVG."""

    name: str
    """What its file is called, without an ending."""
    picture: Picture
    shaded: bool = False
    """Whether its colours are values, which may not be another where the page is dark."""


@dataclass(frozen=True)
class Fold:
    """What is shown when it is asked for."""

    summary: str
    blocks: list[Block]


Block = Text | Points | Code | Facts | Table | Figure | Fold


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: list[Block]


@dataclass(frozen=True)
class Document:
    """All of it."""

    title: str
    subtitle: str
    sections: list[Section]
    lead: str = ""
    """What else the sweep's file says of the question."""
    footer: str = ""
    left_out: list[str] = field(default_factory=list)
    """What could not be put into it, in sentences; they stand in it, too."""

    @property
    def figures(self) -> list[Figure]:
        """The pictures, in their order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Figure)]
