"""Performance profiles: for each score the share of a level's runs, over all tasks, that are above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnexp.errors import InputError
from nnexp.report.grouping import Levels, ended_otherwise
from nnexp.report.pictures.comparison import Comparison, Ink, end_labels, label_room, not_too_many, panel, wrapped
from nnexp.report.pictures.scales import marks
from nnexp.report.pictures.style import BLACK
from nnexp.report.pictures.terminal import LETTERS, Canvas, Page, below
from nnexp.report.profiles import FEWEST_TASKS, Estimate, Profile, profile
from nnexp.report.tasks import Tasks

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Profiles(Comparison):
    """The share of runs above a score, a line a level, with bootstrap bands."""

    def __init__(self, levels: Levels, tasks: Tasks):
        """Raises InputError for too many levels, and below five tasks."""
        not_too_many(levels)
        self.levels, self.tasks, self.metric = levels, tasks, tasks.metric
        summed = tasks.interquartile()
        if summed is None:
            raise InputError(
                f"performance profiles need two levels, and {FEWEST_TASKS} {tasks.several} with outcomes of each; "
                f"found {len(tasks.levels)} and {len(tasks.names)}"
            )
        self.lines: list[tuple[str, Profile, Estimate]] = [
            (name, profile(tasks.scaled(place)), summed[place]) for place, name in enumerate(tasks.levels)
        ]
        self.lines.sort(key=lambda line: -line[2].value)

    @property
    def words(self) -> str:
        return f"performance profiles of {self.metric} by {self.levels.title} over {self.tasks.counted}"

    def caption(self, letters: bool = False) -> list[str]:
        task = "data set" if self.tasks.several == "data sets" else "task"
        fewest = min(len(level) for one in self.tasks.outcomes for level in one)
        told = [f"Scores: from 0, the worst run of its {task}, to 1, the best; each {task} weighs the same."]
        bands = "in brackets" if letters else "bands"
        narrow = ", too narrow with so few seeds" if fewest < 10 else ""
        told.append(f"IQM: mean of the middle half of all runs; {bands}: 95 % by a bootstrap of the seeds{narrow}.")
        if self.tasks.incomplete:
            told.append(f"Without {', '.join(self.tasks.incomplete)}: not every level has an outcome there.")
        return told + ended_otherwise(self.levels.runs, ": diverged and failed ones count as 0.") + self.levels.notes

    def draw(self) -> Figure:
        labels = wrapped([f"{name}  {found.value:.2f}" for name, _, found in self.lines])
        height = 2.7
        figure, axes = panel(
            self.caption(), f"share of runs of {self.metric} above τ", 0.62, label_room(labels, True), 4.2, height
        )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("normalised score τ")
        ends = []
        for index, ((_, drawn, found), label) in enumerate(zip(self.lines, labels, strict=True)):
            ink = Ink.of(index)
            axes.fill_between(drawn.taus, drawn.low, drawn.high, color=ink.colour, alpha=0.16, linewidth=0)
            every = (7 + 4 * index, 25)  # marks of several lines stand apart
            axes.plot(drawn.taus, drawn.shares, linewidth=1.5, marker=ink.marker, markersize=4.5, markevery=every,
                      **ink.line)  # fmt: skip
            ends.append((1.0, found.value, label, ink))
        axes.text(1.12, 1.0, "IQM", transform=axes.transAxes, va="center", color=BLACK)
        end_labels(axes, height, ends, early=True)
        return figure

    def write(self, page: Page) -> None:
        beside = marks(0.0, 1.0)
        canvas = Canvas(page.width - Canvas.margin(beside), 14)
        for index, (_, drawn, _) in enumerate(self.lines):
            canvas.line(list(zip(drawn.taus, drawn.shares, strict=True)), LETTERS[index], index)
        canvas.onto(page, beside)
        page.line(" " * Canvas.margin(beside) + below(canvas.width, marks(0.0, 1.0)))
        page.line(f"{'normalised score τ':>{page.width}}")
        wide = max(len(name) for name, _, _ in self.lines)
        for index, (name, _, found) in enumerate(self.lines):
            inside = f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
            page.line((f"{LETTERS[index]}  {name:<{wide}}  IQM {inside}", index))
        page.line()
