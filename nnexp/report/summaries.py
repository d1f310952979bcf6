"""What of a run's curve is judged: its last value, the best of its rows, its mean height, or when it reaches a target.

Only what is asked for is read from metrics.csv; the final score, which is judged where nothing is said, is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from nnexp.errors import InputError
from nnexp.report.arrivals import times_to
from nnexp.report.asked import Asked
from nnexp.report.axes import UNITS, Points, at, axis_of
from nnexp.report.courses import PLACES, Course, Read, best_of_rows, course_of, scored
from nnexp.report.findings import decimals_of
from nnexp.report.frame import Frame
from nnexp.report.guard import ENDED
from nnexp.report.matching import limit_of, told_limit
from nnexp.report.numbers import number, signed
from nnexp.report.statistics import summarize
from nnexp.report.tables import Column

MATCHED = {"updates": "step", "seconds": "seconds"}
"""The columns that --match cuts at."""


def of_curves(data: Frame, members: Sequence[Sequence[int]], metric: str | None, higher: bool, asked: Asked) -> Read:
    """What is asked of the runs' curves. Raises InputError where there are none to read it from."""
    over = axis_of(asked.x or "epochs")
    if metric is None:
        raise InputError(f"{_option(asked)}: none of these runs has finished")
    ended = [i for index in members for i in index if data.runs[i].status in ENDED]
    courses = {i: course_of(data.runs[i], metric, over, asked.match in MATCHED) for i in ended}
    counted = {i: c for i, c in courses.items() if c.finished and c.values}
    if not counted:
        why = ": test scores are taken once, at the end" if metric.startswith("test_") else ""
        raise InputError(f"{_option(asked)}: no finished run has rows of {metric} in its metrics.csv{why}")
    unmeasured = sum(c.finished and not c.values for c in courses.values())
    courses = {i: c for i, c in courses.items() if c.values or not c.finished}
    notes: list[str] = []
    meta: dict[str, Any] = {}
    columns: list[Column] = []
    cells: list[dict[str, Any]] = [{} for _ in members]
    if asked.match in MATCHED:
        place = PLACES.index(MATCHED[asked.match])
        limit, shortest = limit_of({c.run.id: c.places[-1][place] for c in counted.values()})
        courses = {i: c.up_to(place, limit) for i, c in courses.items()}
        if late := [c.run.id for c in courses.values() if c.finished and not c.values]:
            raise InputError(
                f"--match {asked.match}: {late[0]} has no row up to {number(limit)} {asked.match}, "
                f"where {shortest} ends"
            )
        read = {i: c.places[-1][place] for i, c in courses.items() if c.finished and c.values}
        data = _read_at(data, courses)
        notes.append(told_limit(limit, asked.match, shortest, list(read.values())))
        meta["match"] = {"by": asked.match, "at": limit, "read": [min(read.values()), max(read.values())]}
        columns.append(Column("read_at", f"at {asked.match}", number, True, 1))
        for row, index in zip(cells, members, strict=True):
            row["read_at"] = summarize([read[i] for i in index if i in read]).mean
    levels = [[courses[i] for i in index if i in courses] for index in members]
    if asked.reach is not None:
        found = times_to(data, levels, metric, asked.reach, over, higher)
    elif asked.summary == "area":
        found = _areas(data, levels, metric, over, higher)
    elif asked.summary == "best":
        found = _bests(data, levels, metric, higher)
    else:
        found = replace(scored(data, levels, lambda course: course.values[-1], higher), what=metric)
    for row, more in zip(cells, found.cells, strict=False):
        row |= more
    summary = {"summary": asked.summary if asked.reach is None else "reach", "judged": found.what}
    return replace(
        found,
        unmeasured=unmeasured,
        cells=cells,
        columns=[*found.columns, *columns],
        notes=[*notes, *found.notes],
        meta={**summary, **found.meta, **meta},
    )


def _option(asked: Asked) -> str:
    if asked.reach is not None:
        return f"--reach {asked.reach:g}"
    return f"--match {asked.match}" if asked.summary == "last" else f"--summary {asked.summary}"


def _read_at(data: Frame, courses: Mapping[int, Course]) -> Frame:
    """The frame with where each run was read in place of where it ended."""
    told: dict[str, list[Any]] = {key: list(data[key]) for key in ("epoch", "step", "train_seconds")}
    for i, course in courses.items():
        if course.finished and course.places:
            for key, value in zip(told, course.places[-1], strict=True):
                told[key][i] = value
    return data.instead(**told)


# -- the best of all rows --------------------------------------------------------------------------


def _bests(data: Frame, levels: Sequence[Sequence[Course]], metric: str, higher: bool) -> Read:
    """The best row of each run, and how much better than the last one it is."""
    cells: list[dict[str, Any]] = []
    counts = []
    for level in levels:
        gains = [
            best_of_rows(course.values, higher) - course.values[-1]
            for course in level
            if course.finished and course.values and math.isfinite(course.values[-1])
        ]
        s = summarize(gains)
        cells.append({"gain": s, "optimism": s.mean, "optimism_n": s.n})
        cells[-1] |= {"optimism_low": s.low, "optimism_high": s.high}
        counts += [len(course.values) for course in level if course.finished and course.values]
    decimals = decimals_of([(row["gain"].mean, row["gain"].half) for row in cells])
    parts = ("optimism", "optimism_low", "optimism_high", "optimism_n")
    few = min(counts, default=0), max(counts, default=0)
    rows = f"{few[0]}" if few[0] == few[1] else f"{few[0]} to {few[1]}"
    longer = " and longer runs" if few[0] < few[1] else ""
    note = (
        f"the best of {rows} rows is chosen by the score that is shown, so it is optimistic: by 'best - last', the "
        f"mean over a level's runs of the best less the last row; it favours noisy curves{longer}, and --summary last "
        "does not"
    )
    column = Column("gain", "best - last", lambda s: signed(s.mean, s.half, decimals), True, 0, parts)
    plain = scored(data, levels, lambda course: best_of_rows(course.values, higher), higher)
    what = f"best {metric} of all rows"
    return replace(plain, what=what, cells=cells, columns=[column], notes=[note], meta={"rows": list(few)})


# -- area ------------------------------------------------------------------------------------------


def mean_height(points: Points, start: float, end: float) -> float:
    """The area under a curve between two places, straight between its rows, over their distance.

        1 / (end - start) Σ (x_{i+1} - x_i) (v_i + v_{i+1}) / 2

    >>> mean_height([(0, 0.0), (2, 1.0), (4, 1.0)], 0, 3)
    0.6666666666666666
    """
    inside = [(x, v) for x, v in points if start < x < end]
    whole = [(start, at(points, start)), *inside, (end, at(points, end))]
    return math.fsum((x1 - x0) * (v0 + v1) / 2 for (x0, v0), (x1, v1) in pairwise(whole)) / (end - start)


def _areas(data: Frame, levels: Sequence[Sequence[Course]], metric: str, over: str, higher: bool) -> Read:
    """The mean height of each curve, from where the last one begins to where the first one ends."""
    counted = [course for level in levels for course in level if course.finished and course.values]
    start = max(course.xs[0] for course in counted)
    shortest = min(counted, key=lambda course: course.xs[-1])
    end, unit = shortest.xs[-1], UNITS[over]
    if not start < end:
        raise InputError(
            f"--summary area: {shortest.run.id} ends at {number(end)} {unit}, before there are two places on the axis "
            "that all runs have seen"
        )
    plain = scored(data, levels, lambda course: mean_height(course.points, start, end), higher)
    what = f"mean height of {metric} over {number(start)} to {number(end)} {unit}"
    longer = any(course.xs[-1] > end for course in counted)
    ends = f"; the shortest curve, that of {shortest.run.id}, ends there" if longer else ""
    notes = [f"area: trapezoids from {number(start)} to {number(end)} {unit}, over that length{ends}"]
    return replace(plain, what=what, notes=notes, meta={"x": unit, "from": start, "to": end})
