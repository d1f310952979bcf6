"""Mean ranks over tasks: a critical-difference diagram, where a bar joins levels that are not told apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nnexp.errors import InputError
from nnexp.report.datasets import findings_on, notes_on
from nnexp.report.grouping import Levels
from nnexp.report.numbers import number
from nnexp.report.pictures.comparison import FONT, Comparison, panel, room_for, wrapped
from nnexp.report.pictures.scales import marks, round_values
from nnexp.report.pictures.style import BLACK, GREY
from nnexp.report.pictures.terminal import Canvas, Page, below
from nnexp.report.tasks import Tasks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 24
"""Levels in one picture."""
BAR, ROW = 0.13, 0.24
"""Inches that a bar of a group and a label take."""


class Ranks(Comparison):
    """The mean rank of each level over tasks, such as data sets; the best is at the left."""

    def __init__(self, levels: Levels, tasks: Tasks):
        """Raises InputError for fewer than two levels, or tasks with all of them, and for too many levels."""
        self.levels, self.tasks, self.metric = levels, tasks, tasks.metric
        if tasks.friedman is None:
            raise InputError(findings_on(tasks)[0])
        if len(tasks.levels) > MOST:
            raise InputError(f"{len(tasks.levels)} levels are too many for one picture; choose {MOST} at most")
        self.means = tasks.friedman.mean_ranks
        self.order = tasks.order

    @property
    def words(self) -> str:
        return f"mean ranks of {self.metric} by {self.levels.title} over {self.tasks.counted}"

    def caption(self, letters: bool = False) -> list[str]:
        bars = "side by side with a bar" if letters else "joined by a bar"
        told = [f"1 is the best. Not told apart: levels {bars}."] if self.tasks.groups else ["1 is the best."]
        if self.tasks.differ:
            told.append(f"CD: the critical difference (Nemenyi), {self.tasks.critical:.2f}.")
        first = findings_on(self.tasks)[0].removeprefix("~ ")
        told.append(f"{first[0].upper()}{first[1:]}.")
        told += [f"{note[0].upper()}{note[1:]}." for note in notes_on(self.tasks) if note.startswith("without")]
        return told + self.levels.notes

    @property
    def ticks(self) -> list[float]:
        """Ranks that are written at the axis."""
        k = len(self.means)
        return [float(rank) for rank in range(1, k + 1)] if k <= 9 else round_values(1.0, float(k), 8)

    def draw(self) -> Figure:
        k, groups = len(self.means), self.tasks.groups
        half = math.ceil(k / 2)
        labels = wrapped([f"{self.tasks.levels[j]}  {self.means[j]:.2f}" for j in self.order])
        side = max(room_for(labels), 0.9) + 0.15
        above = 0.62 if self.tasks.differ else 0.34
        height = above + 0.1 + BAR * len(groups) + ROW * half + 0.08
        width = 4.2
        figure, axes = panel(self.caption(), self.words, side, side, width, height, named=False)
        axes.set_axis_off()
        room = 0.02 * (k - 1)
        axes.set_xlim(1 - room, k + room)
        axes.set_ylim(above - height, above)  # in inches, with the axis at 0
        axes.plot([1, k], [0, 0], color=BLACK, linewidth=1.0)
        for rank in self.ticks:
            axes.plot([rank, rank], [0, 0.06], color=BLACK, linewidth=1.0)
            axes.text(rank, 0.09, number(rank), ha="center", va="bottom", color=BLACK)
        if self.tasks.differ:
            self._critical(axes, k)
        for row, group in enumerate(groups):
            ends = [self.means[group[0]] - room, self.means[group[-1]] + room]
            axes.plot(ends, [-0.1 - BAR * row] * 2, color=BLACK, linewidth=3.2, solid_capstyle="butt", zorder=4)
        start = -0.1 - BAR * len(groups)
        for place, (level, label) in enumerate(zip(self.order, labels, strict=True)):
            left = place < half
            row = place if left else k - 1 - place
            down = start - ROW * (row + 0.5)
            end = 1 - room if left else k + room
            mean = self.means[level]
            axes.plot([mean, mean, end], [0, down, down], color=GREY, linewidth=0.9, clip_on=False)
            axes.plot(mean, 0, "o", color=BLACK, markersize=3.5, zorder=5)
            axes.annotate(
                label, (end, down), (-4 if left else 4, 0), textcoords="offset points", va="center",
                ha="right" if left else "left", color=BLACK, size=FONT, annotation_clip=False,
            )  # fmt: skip
        return figure

    def _critical(self, axes: Axes, k: int) -> None:
        """The critical difference as a bar over the axis; where it is longer than that, its number alone."""
        size = self.tasks.critical
        end = min(1 + size, k)
        axes.plot([1, end], [0.36, 0.36], color=BLACK, linewidth=1.0)
        for x in (1, 1 + size):
            if x <= k:
                axes.plot([x, x], [0.32, 0.4], color=BLACK, linewidth=1.0)
        axes.text((1 + end) / 2, 0.41, f"CD {size:.2f}", ha="center", va="bottom", color=BLACK)

    def write(self, page: Page) -> None:
        k, groups = len(self.means), self.tasks.groups
        names = [self.tasks.levels[j] for j in self.order]
        longest = min(max(map(len, names)), 28)
        bars = [["┃" if j in group else " " for group in groups] for j in self.order]
        beside = f"{'':<{longest}}  {' ' * (len(groups) + 1 if groups else 0)}{'':>5} │ "
        field = max(page.width - len(beside), 12)
        for place, (level, name) in enumerate(zip(self.order, names, strict=True)):
            canvas = Canvas(field, 1)
            canvas.put((self.means[level] - 1) / (k - 1), 0, "●")
            name = name if len(name) <= longest else name[: longest - 1] + "…"
            joined = "".join(bars[place]) + (" " if groups else "")
            page.line(f"{name:<{longest}}  {joined}{self.means[level]:5.2f} │ ", *canvas.cells[0])
        if self.tasks.differ:
            canvas = Canvas(field, 1)
            share = min(self.tasks.critical / (k - 1), 1.0)
            canvas.line([(0.0, 0.0), (share, 0.0)], "─")
            canvas.put(0.0, 0, "├")
            if self.tasks.critical <= k - 1:
                canvas.put(share, 0, "┤")
            page.line(f"{'CD':<{len(beside) - 8}}{self.tasks.critical:5.2f} │ ", *canvas.cells[0])
        shown = [((rank - 1) / (k - 1), number(rank)) for rank in self.ticks] if k <= 9 else marks(1.0, float(k))
        page.line(" " * len(beside) + below(field, shown))
        page.line()
