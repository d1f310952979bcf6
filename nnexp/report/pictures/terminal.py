"""Pictures in letters: a page of lines for a terminal, with colours where it has them, in ASCII where it must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red", "bright_black")
"""Of the first, second ... level."""
LETTERS = "abcdefg"
"""Marks of the first, second ... level."""
ASCII = str.maketrans(
    {"×": "x", "±": "+", "│": "|", "─": "-", "┼": "|", "├": "|", "┤": "|", "└": "+", "┴": "+", "●": "o", "·": ".",
     "░": ".", "▒": ":", "▓": "*", "█": "#", "≈": "~", "–": "-", "…": "~", "┃": "|", "━": "=", "′": "'"}
)  # fmt: skip
"""What stands for the signs of a picture where a terminal has only ASCII; what else is missing becomes a `?`."""
WIDEST = 100


@dataclass
class Page:
    """Lines of text, each a list of pieces with the number of their level; None for what is no level's."""

    width: int = 80
    ascii: bool = False
    coloured: bool = False
    lines: list[list[tuple[str, int | None]]] = field(default_factory=list)

    @classmethod
    def on(cls, console: Console) -> Page:
        """A page for this console: 80 columns where it is no terminal."""
        wide = min(console.width, WIDEST) if console.is_terminal else 80
        coloured = console.color_system is not None and not console.no_color
        return cls(max(wide, 40), console.options.ascii_only, coloured)

    def line(self, *pieces: str | tuple[str, int | None]) -> None:
        self.lines.append([(piece, None) if isinstance(piece, str) else piece for piece in pieces])

    def title(self, text: str) -> None:
        self.paragraph(text)
        self.line()

    def paragraph(self, text: str) -> None:
        for line in folded(text, self.width):
            self.line(line)

    def plain(self) -> str:
        """The page without colours."""
        return "".join("".join(self._said(text) for text, _ in line).rstrip() + "\n" for line in self.lines)

    def print(self, console: Console) -> None:
        from rich.text import Text

        if not self.coloured:
            console.file.write(self.plain())
            return
        for line in self.lines:
            text: Text = Text(no_wrap=True, overflow="crop")
            for said, level in line:
                text.append(self._said(said), style="" if level is None else COLOURS[level])
            text.rstrip()
            console.print(text, soft_wrap=True)

    def _said(self, text: str) -> str:
        return text.translate(ASCII).encode("ascii", "replace").decode() if self.ascii else text


def folded(text: str, width: int) -> list[str]:
    """Lines of a paragraph; a number and its % stay together.

    >>> folded("bands: 95 % of all", 10)
    ['bands:', '95 % of', 'all']
    """
    return [line.replace("\xa0", " ") for line in wrap(text.replace(" %", "\xa0%"), width)]


class Canvas:
    """A field of cells, each empty or with a sign of a level; what is drawn later lies on top.

    Where the letters of several levels meet they take turns, so that none hides another along a line.
    """

    def __init__(self, width: int, height: int):
        self.width, self.height = width, height
        self.cells: list[list[tuple[str, int | None]]] = [[(" ", None)] * width for _ in range(height)]
        self._met: dict[tuple[int, int], list[tuple[str, int | None]]] = {}

    def put(self, x: float, y: float, sign: str, level: int | None = None) -> None:
        """A sign at x and y from 0 (left, bottom) to 1; what lies outside is not drawn."""
        if 0 <= x <= 1 and 0 <= y <= 1:
            row, column = round((1 - y) * (self.height - 1)), round(x * (self.width - 1))
            if sign in LETTERS:
                met = self._met.setdefault((row, column), [])
                if (sign, level) not in met:
                    met.append((sign, level))
                sign, level = met[column % len(met)]
            self.cells[row][column] = (sign, level)

    def line(self, points: Sequence[tuple[float, float]], sign: str, level: int | None = None) -> None:
        """A broken line through points."""
        if len(points) == 1:
            self.put(*points[0], sign, level)
        for (x0, y0), (x1, y1) in pairwise(points):
            steps = max(1, round(abs(x1 - x0) * self.width), round(abs(y1 - y0) * self.height)) * 2
            for k in range(steps + 1):
                self.put(x0 + (x1 - x0) * k / steps, y0 + (y1 - y0) * k / steps, sign, level)

    def onto(self, page: Page, marks: Sequence[tuple[float, str]]) -> None:
        """Write it with an axis at its left that has these marks: places from 0 to 1, and texts."""
        texts = {round((1 - place) * (self.height - 1)): text for place, text in reversed(marks)}
        margin = max((len(text) for text in texts.values()), default=0)
        for row, cells in enumerate(self.cells):
            tick = "┤" if row in texts else "│"
            page.line(f"{texts.get(row, ''):>{margin}} {tick}", *joined(cells))

    @staticmethod
    def margin(marks: Sequence[tuple[float, str]]) -> int:
        """Columns left of the first cell."""
        return max((len(text) for _, text in marks), default=0) + 2


def joined(cells: Sequence[tuple[str, int | None]]) -> list[tuple[str, int | None]]:
    """Neighbours of one level put together."""
    found: list[tuple[str, int | None]] = []
    for sign, level in cells:
        if found and found[-1][1] == level:
            found[-1] = (found[-1][0] + sign, level)
        else:
            found.append((sign, level))
    return found


def below(width: int, marks: Sequence[tuple[float, str]]) -> str:
    """Texts below an axis of so many cells, each centred at its place from 0 to 1; those without room are left out."""
    line = [" "] * (width + 1)
    for place, text in [*marks[:1], *marks[:0:-1]]:  # both ends first
        start = min(max(round(place * (width - 1)) - len(text) // 2, 0), max(width - len(text), 0))
        around = line[max(start - 1, 0) : start + len(text) + 1]
        if all(sign == " " for sign in around) and start + len(text) <= width:
            line[start : start + len(text)] = text
    return "".join(line).rstrip()
