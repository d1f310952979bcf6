"""What pictures of levels have in common: a panel with a caption, inks for levels, labels at the ends of lines."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from textwrap import fill
from typing import TYPE_CHECKING, Any

from nnexp.errors import InputError
from nnexp.report.grouping import Levels
from nnexp.report.numbers import number
from nnexp.report.pictures.style import BLACK, COLOURS, GREY, MARKERS, Picture, rendered, styled
from nnexp.report.pictures.terminal import Page, folded
from nnexp.report.statistics import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES: tuple[tuple[float, ...], ...] = ((), (5, 1.5), (1.5, 1.5), (6, 1.5, 1.5, 1.5), (9, 2), (3, 1), (1, 3))
"""Of the lines of the first, second ... level, so that they are told apart in grey, too."""
MOST = len(COLOURS)
"""Levels that one picture can tell apart."""
LETTER, LINE = 0.077, 0.15
"""Inches that a letter and a line of text take."""
LABEL = 24
"""Letters in a line of a label."""
STEEP = 20.0
"""A loss whose largest value is so many times its smallest is drawn on a logarithmic axis."""
FONT, SMALL = 9, 7.5


@dataclass(frozen=True)
class Ink:
    """How one level looks in every picture: three ways to tell it from the others."""

    colour: str
    dashes: tuple[float, ...]
    marker: str

    @classmethod
    def of(cls, number: int) -> Ink:
        return cls(COLOURS[number], DASHES[number], MARKERS[number])

    @property
    def line(self) -> dict[str, Any]:
        """What `Axes.plot` takes."""
        return {"color": self.colour, **({"dashes": self.dashes} if self.dashes else {})}


class Comparison(ABC):
    """A picture of levels: its numbers, and two ways to show them."""

    levels: Levels
    metric: str

    @property
    @abstractmethod
    def words(self) -> str:
        """What is to be seen, in a line."""

    @abstractmethod
    def caption(self, letters: bool = False) -> list[str]:
        """What means, bands and marks are, and which runs are not in them: a sentence a line."""

    @abstractmethod
    def draw(self) -> Figure:
        """The picture, in matplotlib. Call it within `styled`."""

    @abstractmethod
    def write(self, page: Page) -> None:
        """The picture, in letters."""

    def picture(self, how: str = "svg") -> Picture:
        """The picture as a file of one of `style.FORMATS`."""
        import matplotlib as mpl

        with styled(), mpl.rc_context({"text.parse_math": False}):  # a $ in the name of a level is a $
            return Picture(rendered(self.draw(), how, self.words), self.words)

    def page(self, page: Page) -> Page:
        """The picture as text, with its caption below."""
        page.title(self.words)
        self.write(page)
        for sentence in self.caption(letters=True):
            page.paragraph(sentence)
        return page


def not_too_many(levels: Levels) -> None:
    """Raises InputError where there are more levels than one picture can tell apart."""
    count = len(levels.each)
    if count > MOST:
        raise InputError(
            f"{count} levels of {levels.title} are too many for one picture; choose {MOST} at most, "
            "with --where, or with --by and a key of fewer levels"
        )


def panel(
    caption: Sequence[str], title: str, left: float, right: float, width: float, height: float, named: bool = True
) -> tuple[Figure, Axes]:
    """A figure and its axes of this size in inches, with room at both sides, a title above and a caption below.

    `named` says whether there is a word below the axis, which needs room.
    """
    from matplotlib.figure import Figure

    total = left + width + right
    lines = [line for sentence in caption for line in folded(sentence, int((total - 0.2) / (LETTER * SMALL / FONT)))]
    below, above = (0.52 if named else 0.36) + 0.13 * len(lines) + (0.06 if lines else 0), 0.34
    whole = height + below + above
    figure = Figure(figsize=(total, whole))
    axes = figure.add_axes((left / total, below / whole, width / total, height / whole))
    figure.text(0.1 / total, 1 - 0.1 / whole, title, va="top", size=FONT, color=BLACK)
    for down, line in enumerate(lines, start=1):
        figure.text(0.1 / total, (0.08 + 0.13 * (len(lines) - down)) / whole, line, va="bottom", size=SMALL, color=GREY)
    axes.locator_params(axis="y", nbins=6)
    return figure, axes


def wrapped(labels: Sequence[str]) -> list[str]:
    return [fill(label, LABEL) for label in labels]


def room_for(labels: Sequence[str]) -> float:
    """Inches that the longest line of these labels takes."""
    return 0.15 + LETTER * max((len(line) for label in labels for line in label.splitlines()), default=0)


def label_room(labels: Sequence[str], early: bool) -> float:
    """Inches that `end_labels` takes."""
    return room_for(labels) + (0.6 if early else 0.15)


def end_labels(axes: Axes, height: float, ends: Sequence[tuple[float, float, str, Ink]], early: bool) -> None:
    """Labels right of the axes at the height where each line ends, pushed apart where they would overlap.

    `ends` are x, y, label and ink of each; `height` is that of the axes in inches. Where lines end `early`, far from
    the labels, a piece of the line stands beside each. Set the axes' limits before.
    """
    from matplotlib.lines import Line2D

    boxes = []
    for x, y, label, ink in ends:
        at = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))[1]
        boxes.append((min(max(at, 0.0), 1.0), LINE * (label.count("\n") + 1) / height, label, ink, (x, y)))
    boxes.sort(key=lambda box: (box[0], box[2]))
    places = spread([box[0] for box in boxes], [box[1] for box in boxes])
    across = [axes.transAxes.inverted().transform(axes.transData.transform(point))[0] for *_, point in boxes]
    for x, place, (at, _, label, ink, _) in zip(across, places, boxes, strict=True):
        if early:  # what joins a label to a line that ends far away would look like data
            piece = Line2D((1.03, 1.105), (place, place), linewidth=1.5, **ink.line)
            mark = Line2D((1.0675,), (place,), color=ink.colour, marker=ink.marker, markersize=4)
            pieces = [piece, mark]
        else:
            pieces = [Line2D((x + 0.012, 1.028), (at, place), color=ink.colour, linewidth=0.6)]
        for one in pieces:
            one.set(transform=axes.transAxes, clip_on=False)
            axes.add_artist(one)
        start = 1.12 if early else 1.035
        axes.text(start, place, label, transform=axes.transAxes, va="center", color=ink.colour, size=FONT)


def spread(wanted: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Places near the wanted ones, in the same order, that leave each its size, from 0 to 1 as far as they fit.

    >>> spread([0.5, 0.5, 0.9], [0.2, 0.2, 0.2])
    [0.4, 0.6, 0.9]
    """
    blocks: list[tuple[float, float, list[int]]] = []  # centre of mass, whole size, members
    for own, (place, size) in enumerate(zip(wanted, sizes, strict=True)):
        block = (place, size, [own])
        while blocks and blocks[-1][0] + blocks[-1][1] / 2 > block[0] - block[1] / 2 + 1e-12:
            above, below = block, blocks.pop()
            members = [*below[2], *above[2]]
            whole = below[1] + above[1]
            # each member alone would have the block's centre where it wants itself to be
            offsets = [sum(sizes[m] for m in members[:k]) + sizes[member] / 2 for k, member in enumerate(members)]
            start = sum(wanted[m] - offset for m, offset in zip(members, offsets, strict=True)) / len(members)
            block = (start + whole / 2, whole, members)
        blocks.append(block)
    found = [0.0] * len(wanted)
    for centre, whole, members in blocks:
        at = centre - whole / 2
        for member in members:
            found[member] = at + sizes[member] / 2
            at += sizes[member]
    low = min((p - s / 2 for p, s in zip(found, sizes, strict=True)), default=0.0)
    high = max((p + s / 2 for p, s in zip(found, sizes, strict=True)), default=0.0)
    shift = max(-low, 0.0) - max(high - 1.0, 0.0) if (low < 0) != (high > 1) else 0.0
    return [round(p + shift, 9) for p in found]


def limits(lines: Sequence[float], bands: Sequence[float] = (), share: float = 0.5) -> tuple[float, float]:
    """From the lowest to the highest value of lines; what bands need more, but at most `share` of that at each end."""
    known = [v for v in lines if isfinite(v)] or [0.0]
    low, high = min(known), max(known)
    room = share * (high - low) or abs(high) * 0.05 or 0.05
    inside = [v for v in bands if isfinite(v)]
    bottom, top = max(min([low, *inside]), low - room), min(max([high, *inside]), high + room)
    pad = 0.04 * (top - bottom) or room
    return bottom - pad, top + pad


def interval(s: Summary) -> tuple[float, ...]:
    """The ends of a mean's interval; nothing where there is none."""
    return () if s.low is None or s.high is None else (s.low, s.high)


def count_beside(counts: Sequence[int]) -> bool:
    """Whether labels must say how many runs are behind a mean: where these numbers differ."""
    return len(set(counts)) > 1


def logarithmic(axes: Axes) -> None:
    """A logarithmic y-axis whose numbers are written out."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    decades = math.log10(axes.get_ylim()[1] / axes.get_ylim()[0])
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2 else (1.0, 2.0, 5.0), numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: number(float(f"{v:.3g}"))))
    axes.yaxis.set_minor_formatter(NullFormatter())


def steep(values: Sequence[float]) -> bool:
    """Whether values are better seen on a logarithmic axis: all positive, and some many times others."""
    return bool(values) and min(values) > 0 and max(values) > STEEP * min(values)
