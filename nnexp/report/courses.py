"""What of the runs is judged, and where it was read: their final scores, or their rows in metrics.csv."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnexp.errors import InputError
from nnexp.report.axes import Points, along, columns_for
from nnexp.report.frame import Frame
from nnexp.report.guard import ENDED
from nnexp.report.tables import Column
from nnexp.report.verdict import Scored
from nnexp.store.runs import Run

Outcome = tuple[Hashable, float | None]
"""A run's unit, its seed with its data, and its score; None where it failed."""


PLACES = ("epoch", "step", "seconds")
"""Columns that say where a row stands."""


@dataclass(frozen=True)
class Read:
    """What the runs of each level are judged by, and what a table has to say of it."""

    data: Frame
    """With the epochs, updates and seconds at which runs were read."""
    outcomes: list[list[Outcome]]
    higher: bool
    """Whether large outcomes are good."""
    what: str = ""
    """What the table is of."""
    unmeasured: int = 0
    """Runs that finished and were not measured by the metric."""
    mean: str = "mean"
    """The heading of the means."""
    unit: str = ""
    """What the outcomes count, where that is not the metric itself."""
    tested: str = ""
    """What the test is made on, where that is not the outcomes."""
    cells: list[dict[str, Any]] = field(default_factory=list)
    """More of each level."""
    columns: list[Column] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)
    scored: Callable[[int], Scored] | None = None
    """From the number of the baseline, what the test is made on."""


@dataclass(frozen=True)
class Course:
    """A run's rows that have a value of the metric, in order, as far as they are compared."""

    run: Run
    xs: list[float]
    values: list[float]
    places: list[tuple[float, float, float]]
    """What PLACES say of each row, where that is needed."""

    def up_to(self, column: int, limit: float) -> Course:
        """The rows whose epoch, step or seconds (column 0, 1, 2) are not beyond a limit."""
        n = sum(place[column] <= limit for place in self.places)
        return Course(self.run, self.xs[:n], self.values[:n], self.places[:n])

    @property
    def finished(self) -> bool:
        return self.run.status == "finished"

    @property
    def unit(self) -> Hashable:
        """What it shares with the runs that it is paired with."""
        return (self.run.brief.seed, self.run.brief.data)

    @property
    def points(self) -> Points:
        return list(zip(self.xs, self.values, strict=True))


def final_scores(data: Frame, members: Sequence[Sequence[int]], metric: str | None, higher: bool) -> Read:
    """The score of each run's final parameters."""
    values: list[Any] = data[metric] if metric in data.columns else [None] * len(data)
    status, outcomes, unmeasured = data["status"], [], 0
    for index in members:
        found: list[Outcome] = []
        for i in index:
            brief, value = data.runs[i].brief, values[i]
            if metric is not None and status[i] == "finished" and metric not in brief.setting.metrics:
                unmeasured += 1
            elif status[i] in ENDED:
                bad = status[i] != "finished" or value is None or not math.isfinite(value)
                found.append(((brief.seed, brief.data), None if bad else float(value)))
        outcomes.append(found)
    return Read(data, outcomes, higher, metric or "no result yet,", unmeasured)


def course_of(run: Run, metric: str, over: str, placed: bool) -> Course:
    """The rows of a run, with their places where they are needed.

    Raises InputError for a metrics.csv that cannot be read, of a run that finished.
    """
    try:
        log = run.metrics({metric, *columns_for(over), *(PLACES if placed else ())})
    except InputError:
        if run.status == "finished":
            raise
        log = {}  # a run that failed may have failed before it
    if metric not in log:
        return Course(run, [], [], [])
    xs, values = along(run, log, over), log[metric]
    places = list(zip(*([v or 0.0 for v in log[column]] for column in PLACES), strict=True)) if placed else []
    if None in xs or None in values:
        kept = [i for i, (x, value) in enumerate(zip(xs, values, strict=True)) if x is not None and value is not None]
        xs, values, places = [xs[i] for i in kept], [values[i] for i in kept], [places[i] for i in kept if placed]
    return Course(run, xs, values, places)  # type: ignore[arg-type]


def scored(data: Frame, levels: Sequence[Sequence[Course]], value: Callable[[Course], float], higher: bool) -> Read:
    """An outcome a run: what `value` makes of its course, and None for one that failed or whose value is not finite."""
    outcomes: list[list[Outcome]] = []
    for level in levels:
        outcomes.append([])
        for course in level:
            found = value(course) if course.finished and course.values else math.nan
            outcomes[-1].append((course.unit, found if math.isfinite(found) else None))
    return Read(data, outcomes, higher)


def best_of_rows(values: Sequence[float], higher: bool) -> float:
    """The best finite value; NaN where there is none."""
    known = [v for v in values if math.isfinite(v)]
    return (max if higher else min)(known, default=math.nan)
