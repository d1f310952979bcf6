"""Sensitivity: a final metric over the values of a hyperparameter, a line a level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnexp.errors import InputError
from nnexp.report.frame import config_columns, frame, metric_columns, resolve
from nnexp.report.grouping import Level, Levels, differing, ended_otherwise
from nnexp.report.numbers import decimals_for, number, score
from nnexp.report.pictures.comparison import (
    LETTER,
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
from nnexp.report.pictures.scales import Scale, marks
from nnexp.report.pictures.terminal import LETTERS, Canvas, Page, below
from nnexp.report.rows import plain
from nnexp.report.statistics import Summary, summarize
from nnexp.report.tables import headings
from nnexp.report.usable import Tried, Usable, usable
from nnexp.store.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 4.2
"""Inches of the axis."""


@dataclass(frozen=True)
class Spot:
    """One level at one value: its mean, and how many of its runs have no final score."""

    value: float
    summary: Summary
    bad: int


class Sensitivity(Comparison):
    """A final metric over a hyperparameter, on a logarithmic axis where its values lie geometrically."""

    def __init__(self, levels: Levels, over: str, metric: str | None = None, within: float | None = None):
        """`over` is a key of configuration; `within` how much worse than the best is usable, one standard deviation of
        the best by default. Raises InputError for too many levels, and where nothing can be drawn.
        """
        not_too_many(levels)
        if within is not None and not 0 <= within < math.inf:
            raise InputError(f"--within: {within:g} is no size of a difference; how much worse is still usable, >= 0?")
        self.levels, self.over, self.metric = levels, over, levels.metric(metric)
        self.higher = levels.higher(self.metric)
        self.lines = [(level, self._spots(level)) for level in levels.each]
        self.lines = [(level, spots) for level, spots in self.lines if spots]
        self.values = sorted({spot.value for _, spots in self.lines for spot in spots})
        if len(self.values) < 2:
            raise InputError(f"--over: {over} has one value in these runs; a curve needs two")
        self.scale = Scale.of(self.values)
        summaries = [spot.summary for _, spots in self.lines for spot in spots]
        means = [s.mean for s in summaries if s.mean is not None]
        if not means:
            raise InputError(f"--over: no run with a value of {over} has a final {self.metric}")
        self.logarithmic = not self.higher and steep(means)
        bands = [v for s in summaries for v in interval(s) if v > 0 or not self.logarithmic]
        self.low, self.high = limits([self._place(v) for v in means], [self._place(v) for v in bands])
        counted = count_beside([spot.summary.n for _, spots in self.lines for spot in spots if spot.summary.n])
        self.counted = counted
        self.decimals = decimals_for(min((s.half for s in summaries if s.half), default=None))
        self.within = within
        self.ranges = [self._usable(spots) for _, spots in self.lines]

    def _spots(self, level: Level) -> list[Spot]:
        found: dict[float, list[Run]] = {}
        for run in level.runs:
            value = plain(run.config.get(self.over))
            if value is not None:
                found.setdefault(value, []).append(run)
        spots = []
        for value, runs in sorted(found.items()):
            part = Level((), "", runs)
            spots.append(Spot(value, summarize(part.scores(self.metric)), len(part.unfinished)))
        return spots

    def _usable(self, spots: Sequence[Spot]) -> Usable | None:
        tried = [Tried(spot.value, spot.summary.mean, spot.summary.std, spot.bad) for spot in spots]
        return usable(tried, self.higher, self.scale.logarithmic, self.within) if len(tried) > 1 else None

    def _place(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value

    @property
    def head(self) -> str:
        return headings([self.over])[self.over]

    @property
    def words(self) -> str:
        return f"{self.metric} over {self.head}" + (f" by {self.levels.title}" if self.levels.keys else "")

    def caption(self, letters: bool = False) -> list[str]:
        counts = {spot.summary.n for _, spots in self.lines for spot in spots} - {0}
        told = []
        if max(counts) > 1:
            several = f"{min(counts)} to {max(counts)}" if self.counted else f"{max(counts)}"
            bands = "in brackets" if letters else "bands"
            told.append(f"Marks: means of {several} seeds; {bands}: 95 % Student-t interval of the mean.")
        if any(self.ranges):
            how = "one standard deviation between its seeds" if self.within is None else number(self.within)
            range_ = "Usable range" if letters else "Thick: the usable range"
            told.append(f"{range_}, of means at most {how} worse than the best of the line.")
            if not letters and not self.levels.keys:
                told.append(f"It is {self.ranges[0]}.")
        bad = ended_otherwise(self.levels.runs, ", not in a mean.")
        if bad:
            told += [*bad, "×: no run has a value there." + ("" if letters else " Hollow marks: some have none.")]
        return told + self.levels.notes

    def parts(self, spots: Sequence[Spot]) -> list[list[Spot]]:
        """The runs of neighbours that have means: no line is drawn across a value where nothing was left."""
        found: list[list[Spot]] = [[]]
        for spot in spots:
            if spot.summary.mean is None:
                found.append([])
            else:
                found[-1].append(spot)
        return [part for part in found if part]

    def within_range(self, spots: Sequence[Spot], found: Usable) -> tuple[list[float], list[float]]:
        """The piece of a line that lies in its usable range: places and means."""
        known = [spot for spot in spots if spot.summary.mean is not None]
        ends = sorted({found.low, found.high, *(s.value for s in known if found.low <= s.value <= found.high)})
        places = [self.scale.place(value) for value in ends]
        at = [self.scale.place(s.value) for s in known]
        heights = np.interp(places, at, [self._place(s.summary.mean or 0.0) for s in known])
        return places, (10.0**heights if self.logarithmic else heights).tolist()

    @staticmethod
    def last(spots: Sequence[Spot]) -> Spot:
        """Where the label of a line belongs: the last mean, or where there is none the last cross."""
        return ([spot for spot in spots if spot.summary.mean is not None] or spots)[-1]

    def draw(self) -> Figure:
        widths = ["" if found is None else f"\n{found.wide}" for found in self.ranges]
        names = wrapped([level.label for level, _ in self.lines])
        labels = [name + width for name, width in zip(names, widths, strict=True)]
        alone = not self.levels.keys
        height = 2.7
        places = [self.scale.place(v) for v in self.values]
        far = places[-1] - 0.1 * (places[-1] - places[0])
        early = any(self.scale.place(self.last(spots).value) < far for _, spots in self.lines)
        figure, axes = panel(
            self.caption(), self.metric, 0.62, 0.2 if alone else label_room(labels, early), WIDTH, height
        )
        bottom, top = (10**self.low, 10**self.high) if self.logarithmic else (self.low, self.high)
        axes.set_ylim(bottom, top)
        if self.logarithmic:
            logarithmic(axes)
        room = 0.03 * (places[-1] - places[0])
        axes.set_xlim(places[0] - room, places[-1] + room)
        ticks = self.scale.below(self.values, int(WIDTH / LETTER))
        axes.set_xticks([places[0] + at * (places[-1] - places[0]) for at, _ in ticks], [text for _, text in ticks])
        axes.set_xlabel(self.head)
        labelled = []
        crossed: dict[float, int] = {}
        for index, ((_, spots), label) in enumerate(zip(self.lines, labels, strict=True)):
            ink = Ink.of(index)
            for part in self.parts(spots):
                xs = [self.scale.place(spot.value) for spot in part]
                axes.plot(xs, [spot.summary.mean or 0.0 for spot in part], linewidth=1.5, **ink.line)
                ends = [interval(spot.summary) for spot in part]
                banded = [(x, max(end[0], bottom), end[1]) for x, end in zip(xs, ends, strict=True) if end]
                if 1 < len(banded) == len(part):
                    across, under, above = zip(*banded, strict=True)
                    axes.fill_between(across, under, above, color=ink.colour, alpha=0.16, linewidth=0)
                    continue
                for x, start, stop in banded:
                    axes.plot([x, x], [start, stop], color=ink.colour, linewidth=3, alpha=0.25)
            if (found := self.ranges[index]) is not None:
                xs, means = self.within_range(spots, found)
                axes.plot(xs, means, linewidth=3.6, color=ink.colour, solid_capstyle="butt")
            for spot in spots:
                x = self.scale.place(spot.value)
                if spot.summary.mean is None:
                    crossed[x] = crossed.get(x, 0) + 1
                    away = 0.04 * (crossed[x] - 1)
                    axes.plot(x, away if self.higher else 1 - away, "x", color=ink.colour, markersize=5.5,
                              transform=axes.get_xaxis_transform(), clip_on=False, zorder=5)  # fmt: skip
                else:
                    inside = "white" if spot.bad else ink.colour
                    axes.plot(x, spot.summary.mean, ink.marker, color=ink.colour, markerfacecolor=inside, markersize=5,
                              clip_on=False, zorder=4)  # fmt: skip
            last = self.last(spots)
            worst = bottom if self.higher else top
            end = worst if last.summary.mean is None else last.summary.mean
            labelled.append((self.scale.place(last.value), end, label, ink))
        if not alone:
            end_labels(axes, height, labelled, early)
        return figure

    def write(self, page: Page) -> None:
        left, right = (self.scale.place(v) for v in (self.values[0], self.values[-1]))
        beside = marks(self.low, self.high, self.logarithmic)
        canvas = Canvas(page.width - Canvas.margin(beside), 16)

        def spot_of(spot: Spot) -> tuple[float, float]:
            x = (self.scale.place(spot.value) - left) / (right - left)
            if spot.summary.mean is None:
                return x, 0.0 if self.higher else 1.0
            return x, (self._place(spot.summary.mean) - self.low) / (self.high - self.low)

        for index, (_, spots) in enumerate(self.lines):
            for part in self.parts(spots):
                canvas.line([spot_of(spot) for spot in part], "·", index)
        for index, (_, spots) in enumerate(self.lines):
            for spot in spots:
                canvas.put(*spot_of(spot), "×" if spot.summary.mean is None else LETTERS[index], index)
        canvas.onto(page, beside)
        page.line(" " * Canvas.margin(beside) + below(canvas.width, self.scale.below(self.values, canvas.width)))
        page.line(f"{self.head:>{page.width}}")
        wide = max(len(level.label) for level, _ in self.lines)
        for index, (level, spots) in enumerate(self.lines):
            page.line((f"{LETTERS[index]}  {level.label:<{wide}}  {self._best(spots)}", index))
            if (found := self.ranges[index]) is not None:
                page.line((f"{'':<{wide + 3}}  usable {found}", index))
        page.line()

    def _best(self, spots: Sequence[Spot]) -> str:
        known = [spot for spot in spots if spot.summary.mean is not None]
        if not known:
            return "no run has a value"
        sign = -1 if self.higher else 1
        best = min(known, key=lambda spot: sign * (spot.summary.mean or 0.0))
        ends = " to ".join(score(v, self.decimals) for v in interval(best.summary))
        inside = f" ({ends})" if ends else ""
        return f"best {score(best.summary.mean, self.decimals)}{inside} at {self.head} {number(best.value)}"


def over_key(runs: Sequence[Run], word: str | None) -> str:
    """The hyperparameter that is meant: the word's, or the one key with numbers that varies. Raises InputError."""
    data = frame(runs)
    config = config_columns(data, metric_columns(runs))
    if word is not None:
        key = resolve(word, config)
        wrong = next((v for v in data[key] if not _number(plain(v)) and plain(v) is not None), None)
        if wrong is not None:
            raise InputError(f"--over: {key} must have numbers for values, found {number(wrong)}; "
                             f"'nnexp plot strips --by {word}' compares other values")  # fmt: skip
        return key
    found = [
        key
        for key in differing(data, config)
        if key not in ("seed", "case") and all(_number(plain(v)) or plain(v) is None for v in data[key])
    ]
    if len(found) != 1:
        what = f"one of {', '.join(found)}" if found else "no key with numbers varies in these runs"
        raise InputError(f"--over: which hyperparameter? {what}")
    return found[0]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
