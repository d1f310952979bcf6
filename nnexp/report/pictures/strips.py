"""Final values as strips: every seed a dot, the mean of a level and its 95 % interval beneath."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from nnexp.errors import InputError
from nnexp.report.grouping import Level, Levels, ended_otherwise
from nnexp.report.numbers import decimals_for, score
from nnexp.report.pictures.comparison import Comparison, Ink, interval, limits, panel, room_for, steep, wrapped
from nnexp.report.pictures.scales import marks
from nnexp.report.pictures.style import BLACK, GREY
from nnexp.report.pictures.terminal import Canvas, Page, below
from nnexp.report.statistics import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 40
"""Levels in one picture: each has a line of its own, so more find room than a picture with lines can tell apart."""
ROW = 0.4
"""Inches for a level."""
APART, STACK = 0.12, 0.4
"""How far dots that would overlap are put apart, and how high a stack of them may be, in rows."""
CROSSES = 10
"""Crosses for runs without a value, at most; the text beside them has their number."""


class Strips(Comparison):
    """The final values of a metric, a row a level, the best mean first."""

    def __init__(self, levels: Levels, metric: str | None = None):
        """Raises InputError for an unknown metric, and where no run has a final value."""
        self.levels, self.metric = levels, levels.metric(metric)
        if len(levels.each) > MOST:
            count = len(levels.each)
            raise InputError(f"{count} levels of {levels.title} are too many for one picture; choose {MOST} at most")
        self.higher = levels.higher(self.metric)
        sign = -1 if self.higher else 1
        found = [(level, level.scores(self.metric), level.summary(self.metric)) for level in levels.each]
        self.rows: list[tuple[Level, list[float], Summary]] = sorted(
            found, key=lambda row: (row[2].mean is None, sign * (row[2].mean or 0.0))
        )
        values = [v for _, scores, _ in self.rows for v in scores]
        self.logarithmic = not self.higher and steep(values)
        bands = [v for _, _, s in self.rows for v in interval(s) if v > 0 or not self.logarithmic]
        self.low, self.high = limits([self.place(v) for v in values], [self.place(v) for v in bands])
        halves = [s.half for _, _, s in self.rows if s.half]
        self.decimals = decimals_for(min(halves, default=None))

    def place(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value

    def at(self, value: float) -> float:
        """Where a value stands from 0 (the left end) to 1; what lies beyond an end stands at it."""
        if self.logarithmic and value <= 0:
            return 0.0
        return min(max((self.place(value) - self.low) / (self.high - self.low), 0.0), 1.0)

    def said(self, level: Level, s: Summary) -> str:
        """The numbers of a row."""
        bad = len(level.unfinished)
        lost = f"{'; ' if s.n else ''}{bad} of {len(level.runs)} {_how(level)}" if bad else ""
        if s.mean is None:
            return lost
        inside = "" if s.half is None else f" ({' to '.join(score(v, self.decimals) for v in interval(s))})"
        return f"{score(s.mean, self.decimals)}{inside}{lost}"

    @property
    def words(self) -> str:
        return f"{self.metric} of every run" + (f" by {self.levels.title}" if self.levels.keys else "")

    def caption(self, letters: bool = False) -> list[str]:
        several = any(s.half is not None for _, _, s in self.rows)
        told = ["Dots: runs; below them the mean and, as a bar, its 95 % Student-t interval."] if several else []
        told += ended_otherwise(self.levels.runs, ": × at the worse end, not in a mean.")
        return told + self.levels.notes

    def draw(self) -> Figure:
        labels = wrapped([level.label for level, _, _ in self.rows])
        numbers = [self.said(level, s) for level, _, s in self.rows]
        tall = max(label.count("\n") + 1 for label in labels)
        height = len(labels) * max(ROW, 0.16 * tall + 0.1) + 0.1
        left, right = room_for(labels) + 0.15, room_for(numbers) + 0.1
        figure, axes = panel(self.caption(), self.metric, left, right, 3.4, height, named=False)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_yticks(range(len(labels)), labels)
        shown = marks(self.low, self.high, self.logarithmic)
        axes.set_xticks([place for place, _ in shown], [text for _, text in shown])
        ink = Ink.of(0)
        for row, ((level, scores, s), said) in enumerate(zip(self.rows, numbers, strict=True)):
            axes.axhline(row + 0.5, color=GREY, linewidth=0.3, alpha=0.5)
            dots = apart([self.at(v) for v in sorted(scores)], 0.022)
            step = min(APART, STACK / max([1, *(up for _, up in dots)]))
            axes.plot([x for x, _ in dots], [row + 0.04 - step * up for _, up in dots], "o", color=ink.colour,
                      markersize=4, alpha=0.7, markeredgewidth=0, clip_on=False)  # fmt: skip
            worst = 0.015 if self.higher else 0.985
            away = 0.022 if self.higher else -0.022
            crosses = [worst + away * number for number in range(min(len(level.unfinished), CROSSES))]
            axes.plot(crosses, [row - 0.06] * len(crosses), "x", color=GREY, markersize=4.5, clip_on=False)
            if s.half is not None:
                axes.plot([self.at(v) for v in interval(s)], [row + 0.24] * 2, color=BLACK, linewidth=1.6,
                          solid_capstyle="butt")  # fmt: skip
            if s.mean is not None and s.n > 1:
                axes.plot(self.at(s.mean), row + 0.24, "|", color=BLACK, markersize=7, markeredgewidth=1.6)
            axes.text(1.03, row, said, va="center", color=BLACK)
        return figure

    def write(self, page: Page) -> None:
        longest = min(max(len(level.label) for level, _, _ in self.rows), 24)
        field = page.width - longest - 3
        shown = marks(self.low, self.high, self.logarithmic)
        for level, scores, s in self.rows:
            canvas = Canvas(field, 1)
            for column, count in Counter(round(self.at(v) * (field - 1)) for v in scores).items():
                canvas.cells[0][column] = ("●" if count == 1 else str(min(count, 9)), 0)
            for number in range(min(len(level.unfinished), CROSSES)):
                canvas.cells[0][number if self.higher else -1 - number] = ("×", None)
            name = level.label if len(level.label) <= longest else level.label[: longest - 1] + "…"
            page.line(f"{name:<{longest}} │ ", *canvas.cells[0])
            canvas = Canvas(field, 1)
            if s.half is not None:
                canvas.line([(self.at(v), 0.0) for v in interval(s)], "─")
            if s.mean is not None and s.n > 1:
                canvas.put(self.at(s.mean), 0, "┼")
            page.line(f"{'':<{longest}} │ ", *canvas.cells[0])
        page.line(" " * (longest + 3) + below(field, shown))
        page.line()
        for level, _, s in self.rows:
            page.line(f"{level.label:<{max(len(one.label) for one, _, _ in self.rows)}}  {self.said(level, s)}")
        page.line()


def apart(places: list[float], size: float) -> list[tuple[float, int]]:
    """Sorted places with how many rows of dots up each goes, so that none lies on another.

    >>> apart([0.1, 0.1, 0.5], 0.02)
    [(0.1, 0), (0.1, 1), (0.5, 0)]
    """
    ends: list[float] = []
    found = []
    for place in places:
        row = next((row for row, end in enumerate(ends) if place - end >= size), len(ends))
        ends[row : row + 1] = [place]
        found.append((place, row))
    return found


def _how(level: Level) -> str:
    """How the runs without a result ended, in a word where it is one."""
    found = {run.status for run in level.unfinished}
    return found.pop() if len(found) == 1 else "without a result"
