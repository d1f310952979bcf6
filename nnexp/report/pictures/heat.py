"""A grid of two keys as a heat map: each cell the mean over seeds, written out and shaded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nnexp.errors import InputError
from nnexp.report.grouping import Levels, ended_otherwise
from nnexp.report.numbers import decimals_for, number, score
from nnexp.report.pictures.comparison import LETTER, Comparison, count_beside, panel, room_for, steep
from nnexp.report.pictures.style import BLACK, GREY
from nnexp.report.pictures.terminal import Page
from nnexp.report.pivot import TwoWay
from nnexp.report.tables import headings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 16
"""Rows or columns."""
SHADES = " ░▒▓█"


class Heat(Comparison):
    """A final metric for each pair of values of two keys; the better, the darker, in grey as in colour."""

    def __init__(self, levels: Levels, metric: str | None = None):
        """Raises InputError for any other number of keys than two, too many values, and where no run has a result."""
        if len(levels.keys) != 2:
            found = f"found {', '.join(levels.keys)}" if levels.keys else "these runs differ in no key"
            raise InputError(f"--by: a grid has two keys, as in --by optimizer,lr; {found}")
        self.levels, self.metric = levels, levels.metric(metric)
        table = TwoWay.of(levels, self.metric)
        self.higher, self.rows, self.columns, self.cells = table.higher, table.rows, table.columns, table.cells
        for side, values in enumerate((self.rows, self.columns)):
            if len(values) > MOST:
                raise InputError(f"--by: {len(values)} values of {levels.keys[side]} are too many; at most {MOST}")
        self.table, self.means, self.best = table, table.means, table.best
        self.logarithmic = not self.higher and steep(self.means)
        halves = [s.half for _, s in self.cells.values() if s.half]
        self.decimals = min(decimals_for(min(halves, default=None)), 4)
        self.counted = count_beside([s.n for _, s in self.cells.values() if s.n])

    @property
    def words(self) -> str:
        return f"{self.metric} by {self.levels.title}"

    def caption(self, letters: bool = False) -> list[str]:
        counts = {s.n for _, s in self.cells.values()} - {0}
        several = f"{min(counts)} to {max(counts)}" if self.counted else f"{max(counts)}"
        told = []
        if max(counts) > 1:
            below = "" if letters else "; below each, ± half of its 95 % Student-t interval"
            told.append(f"Means of {several} seeds{below}.")
        if len(self.means) > 1:
            best = self.table.marked("the star" if letters else "the frame")
            told.append(f"Darker is better{', by the logarithm' if self.logarithmic else ''}; {best}.")
        told += ended_otherwise(self.levels.runs, ": marked by ×, not in a mean.")
        return told + self.levels.notes

    def shade(self, mean: float) -> float:
        """From 0, the worst mean of all, to 1, the best."""
        place = (lambda v: math.log10(v)) if self.logarithmic else float
        low, high = place(min(self.means)), place(max(self.means))
        if high == low:
            return 1.0
        share = (place(mean) - low) / (high - low)
        return share if self.higher else 1 - share

    def said(self, row: Any, column: Any) -> tuple[str, str]:
        """What is written in a cell: the mean, and below it its interval or how many runs have no value."""
        if (row, column) not in self.cells:
            return "", ""
        level, s = self.cells[row, column]
        bad = len(level.unfinished)
        lost = f"{bad} of {len(level.runs)} ×" if bad else ""
        if s.mean is None:
            return "×", lost
        half = "" if s.half is None else f"±{score(s.half, self.decimals)}"
        return score(s.mean, self.decimals), lost or half

    def draw(self) -> Figure:
        heads = headings(self.levels.keys)
        rows, columns = [number(v) for v in self.rows], [number(v) for v in self.columns]
        letters = max(len(text) for r in self.rows for c in self.columns for text in self.said(r, c))
        wide = max(0.62, LETTER * (max(letters, *map(len, columns)) + 1.5))
        width, height = wide * len(columns), 0.44 * len(rows)
        title = f"{self.metric}, {heads[self.levels.keys[0]]} by {heads[self.levels.keys[1]]}"
        extra = max(LETTER * len(title) - width - room_for(rows), 3.2 - width - room_for(rows), 0.2)
        figure, axes = panel(self.caption(), title, room_for(rows) + 0.25, extra, width, height)
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_xlabel(heads[self.levels.keys[1]])
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.patches import Rectangle

        colours = LinearSegmentedColormap.from_list("better", ["#F4F7FA", "#6BA6CF", "#08407A"])
        for y, row in enumerate(self.rows):
            for x, column in enumerate(self.columns):
                first, second = self.said(row, column)
                if not first:
                    continue
                mean = self.cells[row, column][1].mean
                share = None if mean is None else self.shade(mean)
                face = "white" if share is None else colours(share)
                edge = "#CCCCCC" if share is None else "white"
                axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor=edge, linewidth=1))
                ink = GREY if share is None else "white" if share > 0.55 else BLACK
                axes.text(x, y - (0.13 if second else 0), first, ha="center", va="center", color=ink)
                axes.text(x, y + 0.24, second, ha="center", va="center", color=ink, size=6.5)
        for row, column in self.best:
            corner = (self.columns.index(column) - 0.44, self.rows.index(row) - 0.43)
            edge = "white" if self.shade(self.cells[row, column][1].mean or 0.0) > 0.55 else BLACK
            axes.add_patch(Rectangle(corner, 0.88, 0.86, fill=False, edgecolor=edge, linewidth=1.4, zorder=5))
        return figure

    def write(self, page: Page) -> None:
        heads = headings(self.levels.keys)
        texts = {(r, c): self._cell(r, c) for r in self.rows for c in self.columns}
        side = max(len(text) for text in (heads[self.levels.keys[0]], *map(number, self.rows)))
        wide = max(len(text) for text in (*texts.values(), *map(number, self.columns)))
        fit = max((page.width - side) // (wide + 2), 1)
        for start in range(0, len(self.columns), fit):
            part = self.columns[start : start + fit]
            page.line(f"{'':<{side}}  {heads[self.levels.keys[1]]}")
            page.line(f"{heads[self.levels.keys[0]]:<{side}}" + "".join(f"  {number(c):>{wide}}" for c in part))
            for row in self.rows:
                page.line(f"{number(row):<{side}}" + "".join(f"  {texts[row, c]:>{wide}}" for c in part))
            page.line()

    def _cell(self, row: Any, column: Any) -> str:
        first, second = self.said(row, column)
        if (row, column) not in self.cells:
            return "-"
        mean = self.cells[row, column][1].mean
        if mean is None:
            return "×"
        shade = SHADES[round(self.shade(mean) * (len(SHADES) - 1))]
        star = "*" if (row, column) in self.best else " "
        return f"{shade * 2} {first}{'×' if '×' in second else ''}{star}"
