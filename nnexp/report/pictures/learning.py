"""Learning curves of levels: the mean over seeds with its 95 % interval as a band, as long as all seeds are there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from nnexp.errors import InputError
from nnexp.report.axes import AXES, Points, along, at, axis_of
from nnexp.report.firewall import not_test
from nnexp.report.frame import default_metric
from nnexp.report.grouping import Level, Levels, ended_otherwise
from nnexp.report.numbers import decimals_for, number, score
from nnexp.report.pictures.comparison import (
    Comparison,
    Ink,
    count_beside,
    end_labels,
    interval,
    label_room,
    limits,
    logarithmic,
    not_too_many,
    panel,
    steep,
    wrapped,
)
from nnexp.report.pictures.scales import marks
from nnexp.report.pictures.terminal import LETTERS, Canvas, Page, below
from nnexp.report.rows import named_metric
from nnexp.report.statistics import Summary, summarize
from nnexp.store.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 400
"""Of a curve, at most; of longer ones every second, third and so on is drawn, and the last."""
HUGE = 1e30
"""Values beyond it, of a run that diverges, are left out: an axis that holds them holds nothing else."""


@dataclass(frozen=True)
class Single:
    """A run that is drawn by itself, or the part of it that is."""

    points: Points
    status: str


@dataclass(frozen=True)
class Curve:
    """One level: the mean at each x that all its finished runs have reached, and what is drawn by itself."""

    level: Level
    n: int
    """Runs in the mean."""
    xs: list[float]
    means: list[Summary]
    singles: list[Single]

    @classmethod
    def of(cls, level: Level, logs: dict[str, Points]) -> Curve:
        """From the points (x, value) of each run, by its place."""
        counted = [logs[run.place] for run in level.finished if logs[run.place]]
        singles = [Single(logs[run.place], run.status) for run in level.unfinished if logs[run.place]]
        if not counted:
            return cls(level, 0, [], [], singles)
        start, end = max(points[0][0] for points in counted), min(points[-1][0] for points in counted)
        xs = sorted({x for points in counted for x, _ in points if start <= x <= end})
        if len(xs) > POINTS:
            every = -(-len(xs) // POINTS)
            xs = [*xs[:-1:every], xs[-1]]
        means = [summarize([at(points, x) for points in counted]) for x in xs]
        for points in counted:
            rest = [(x, v) for x, v in points if x > end]
            if rest:
                singles.append(Single([(end, at(points, end)), *rest], "finished"))
        return cls(level, len(counted), xs, means, singles)

    @property
    def line(self) -> Points:
        return [(x, s.mean) for x, s in zip(self.xs, self.means, strict=True) if s.mean is not None]

    @property
    def last(self) -> tuple[float, float]:
        """Where its label belongs: the end of the mean, or of the longest run where there is none."""
        return self.line[-1] if self.line else max(single.points[-1] for single in self.singles)


class Curves(Comparison):
    """A metric over the course of training, a line a level."""

    def __init__(self, levels: Levels, metric: str | None = None, over: str = "epoch"):
        """Reads each run's metrics.csv. Raises InputError for too many levels, an unknown metric or axis, no curve."""
        not_too_many(levels)
        self.levels, self.over = levels, axis_of(over)
        logs = {run.place: run.metrics() for run in levels.runs}
        self.metric = self._chosen(metric, logs)
        points = {run.place: _points(run, logs[run.place], self.over, self.metric) for run in levels.runs}
        curves = [Curve.of(level, points) for level in levels.each]
        self.curves = [curve for curve in curves if curve.n or curve.singles]
        if not any(len(single) > 1 for single in points.values()):
            raise InputError(f"no run has two values of {self.metric} in its metrics.csv to draw a curve through")
        self.counted = count_beside([curve.n for curve in self.curves])
        self.labels = [f"{c.level.label} ({c.n})" if self.counted else c.level.label for c in self.curves]
        self.empty = [curve.level.label for curve in curves if not (curve.n or curve.singles)]
        first, lines = self._first(), [v for curve in self.curves for _, v in curve.line]
        singles = [v for curve in self.curves for single in curve.singles for _, v in single.points]
        self.logarithmic = self.metric.endswith(("loss", "objective", "norm", "distance")) and steep(lines or singles)
        # runs outside the means do not stretch the picture
        self.lines = lines or [v for v in singles if v > 0 or not self.logarithmic]
        longer = [v for c in self.curves for s in c.singles if s.status == "finished" for _, v in s.points]
        self.lines += [v for v in longer if v > 0 or not self.logarithmic]
        self.outside = [] if self.logarithmic else _far(first, self.lines)
        for value in self.outside:
            self.lines.remove(value)

    def _first(self) -> list[float]:
        """Where the means begin: the score before training."""
        return [curve.line[0][1] for curve in self.curves if curve.line]

    def _chosen(self, word: str | None, logs: dict[str, dict[str, list[float | None]]]) -> str:
        names = dict.fromkeys(name for log in logs.values() for name in log)
        found = [name for name in names if "_" in name]
        found.sort(key=lambda name: {"validation": 0, "train": 1}.get(name.partition("_")[0], 2))
        if word is None:
            return default_metric(self.levels.runs, found) or "validation_loss"
        not_test("--metric", word)
        return word if word in names and word not in AXES else named_metric(word, found)

    @property
    def words(self) -> str:
        by = f" by {self.levels.title}" if self.levels.keys else ""
        return f"{self.metric} over {AXES[self.over]}{by}"

    def caption(self, letters: bool = False) -> list[str]:
        told = []
        counts = {curve.n for curve in self.curves if curve.n}
        if counts and max(counts) > 1:
            several = "so many seeds as stand beside the labels" if self.counted else f"{max(counts)} seeds"
            bands = "the brackets below" if letters else "bands"
            told.append(f"Lines: means of {several}; {bands}: 95 % Student-t interval of the mean.")
        if 1 in {curve.n for curve in self.curves}:
            told.append("A line of one run has no band.")
        if any(single.status == "finished" for curve in self.curves for single in curve.singles):
            told.append("A mean ends where the first of its runs does; thin lines are the longer ones by themselves.")
        if self.outside:
            ends = sorted({score(v, 2) for v in (min(self.outside), max(self.outside))}, key=float)
            told.append(f"The axis leaves out the scores before training ({' to '.join(ends)}).")
        told += ended_otherwise(self.levels.runs, ": not in a mean, drawn thin up to ×.")
        if self.empty:
            told.append(f"No row of {self.metric}: {', '.join(self.empty)}.")
        return told + self.levels.notes

    def _ends(self) -> tuple[float, float]:
        """Where the x-axis begins and ends."""
        singles = [x for curve in self.curves for single in curve.singles for x, _ in single.points]
        xs = [x for curve in self.curves for x in curve.xs] + singles
        return min(xs), max(xs)

    def _limits(self, place: Any) -> tuple[float, float]:
        ends = [v for curve in self.curves for s in curve.means for v in interval(s)]
        return limits([place(v) for v in self.lines], [place(v) for v in ends if v > 0 or not self.logarithmic])

    def draw(self) -> Figure:
        labels = wrapped(self.labels)
        height = 2.7
        left, right = self._ends()
        early = any(curve.last[0] < right - 0.1 * (right - left) for curve in self.curves)
        alone = len(self.curves) == 1 and self.curves[0].level.label == "all runs"
        figure, axes = panel(
            self.caption(), self.metric, 0.62, 0.2 if alone else label_room(labels, early), 4.2, height
        )
        low, high = self._limits(math.log10 if self.logarithmic else float)
        bottom, top = (10**low, 10**high) if self.logarithmic else (low, high)
        axes.set_ylim(bottom, top)
        axes.set_xlim(left - 0.01 * (right - left), right + 0.01 * (right - left))
        if self.logarithmic:
            logarithmic(axes)
        ends = []
        for index, (curve, label) in enumerate(zip(self.curves, labels, strict=True)):
            ink = Ink.of(index)
            banded = [(x, *interval(s)) for x, s in zip(curve.xs, curve.means, strict=True) if s.half is not None]
            if banded:
                across, under, above = zip(*banded, strict=True)
                if self.logarithmic:
                    under = tuple(max(v, bottom) for v in under)
                axes.fill_between(across, under, above, color=ink.colour, alpha=0.16, linewidth=0)
            if curve.line:
                axes.plot(*zip(*curve.line, strict=True), linewidth=1.7, **ink.line)
                axes.plot(*curve.line[-1], ink.marker, color=ink.colour, markersize=4, clip_on=False)
            for single in curve.singles:
                points = thinned(single.points)
                axes.plot(*zip(*points, strict=True), linewidth=0.7, alpha=0.8, **ink.line)
                if single.status != "finished":
                    x, y = points[-1]
                    axes.plot(x, min(max(y, bottom), top), "x", color=ink.colour, markersize=5, clip_on=False)
            x, y = curve.last
            ends.append((x, min(max(y, bottom), top), label, ink))
        axes.set_xlabel(AXES[self.over])
        if self.over != "seconds":
            axes.locator_params(axis="x", integer=True)
        if not alone:
            end_labels(axes, height, ends, early)
        return figure

    def write(self, page: Page) -> None:
        place = math.log10 if self.logarithmic else float
        low, high = self._limits(place)
        left, right = self._ends()
        beside = marks(low, high, self.logarithmic)
        canvas = Canvas(page.width - Canvas.margin(beside), 16)

        def spot(x: float, y: float) -> tuple[float, float]:
            at = place(y) if y > 0 or not self.logarithmic else low
            return (x - left) / ((right - left) or 1), min(max((at - low) / (high - low), 0.0), 1.0)

        for index, curve in enumerate(self.curves):
            for single in curve.singles:
                canvas.line([spot(*point) for point in thinned(single.points)], "·", index)
        for index, curve in enumerate(self.curves):
            points = _from(low, curve.line) if self.outside else curve.line
            canvas.line([spot(*point) for point in points], LETTERS[index], index)
        for index, curve in enumerate(self.curves):
            for single in curve.singles:
                if single.status != "finished":
                    canvas.put(*spot(*single.points[-1]), "×", index)
        canvas.onto(page, beside)
        under = marks(left, right, most=6)
        page.line(" " * Canvas.margin(beside) + below(canvas.width, under))
        page.line(f"{AXES[self.over]:>{page.width}}")
        self._legend(page)
        page.line()

    def _legend(self, page: Page) -> None:
        """A line a level: its letter, the last mean that all its runs reached, and the interval there."""
        wide = max(map(len, self.labels))
        halves = [curve.means[-1].half for curve in self.curves if curve.means and curve.means[-1].half]
        decimals = decimals_for(min((half for half in halves if half is not None), default=None))
        for index, (curve, label) in enumerate(zip(self.curves, self.labels, strict=True)):
            if not curve.means:
                page.line((f"{LETTERS[index]}  {label:<{wide}}  no mean", index))
                continue
            last, end = curve.means[-1], curve.xs[-1]
            inside = " to ".join(score(v, decimals) for v in interval(last))
            said = score(last.mean, decimals) + (f" ({inside})" if inside else "")
            page.line((f"{LETTERS[index]}  {label:<{wide}}  {said} at {self.over} {number(end)}", index))


def _points(run: Run, log: dict[str, list[float | None]], over: str, metric: str) -> Points:
    pairs = zip(along(run, log, over), log.get(metric, []), strict=False)
    return [(x, v) for x, v in pairs if x is not None and v is not None and isfinite(v) and abs(v) < HUGE]


def thinned(points: Points) -> Points:
    every = -(-len(points) // POINTS)
    return [*points[:-1:every], points[-1]]


def _far(first: list[float], values: list[float]) -> list[float]:
    """The first values of curves, where an axis with them would leave a quarter at most to all others.

    >>> _far([0.1], [0.1, 0.94, 0.97, 0.98, 0.98]), _far([0.5], [0.5, 0.7, 0.8, 0.85, 0.9])
    ([0.1], [])
    """
    others = list(values)
    for value in first:
        others.remove(value)
    if len(others) < 4 * len(first):
        return []
    return first if max(values) - min(values) > 4 * (max(others) - min(others)) > 0 else []


def _from(low: float, points: Points) -> Points:
    """A line without its first point, where that is below the picture: from where it comes in.

    >>> _from(0.5, [(0, 0.0), (1, 1.0), (2, 1.0)])
    [(0.5, 0.5), (1, 1.0), (2, 1.0)]
    """
    (x, y), (right, above) = points[:2]
    return points if y >= low or above <= low else [(x + (low - y) / (above - y) * (right - x), low), *points[1:]]
