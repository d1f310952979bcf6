"""Time to target: when a metric is first as good as a value, and what is known of the runs in which it never is."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from nnexp.errors import InputError
from nnexp.report.axes import UNITS
from nnexp.report.courses import Course, Read, best_of_rows
from nnexp.report.findings import decimals_of
from nnexp.report.frame import Frame
from nnexp.report.numbers import number, score
from nnexp.report.statistics import summarize
from nnexp.report.survival import Arrival, horizon, logrank_scores, median, pseudo
from nnexp.report.tables import Column
from nnexp.report.verdict import Scored


def arrival(course: Course, value: float, higher: bool) -> Arrival:
    """The first row that is as good as a value; for a run that never is, where it ends, or never if it failed."""
    for x, found in zip(course.xs, course.values, strict=True):
        if math.isfinite(found) and ((found >= value) if higher else (found <= value)):
            return Arrival(x, True)
    return Arrival(course.xs[-1] if course.finished and course.xs else math.inf, False)


@dataclass(frozen=True)
class Times:
    """Arrivals as the verdict wants them: restricted means of sizes that add up, and a test of log-rank scores."""

    arrivals: Sequence[Sequence[Arrival]]
    units: Sequence[Sequence[Hashable]]
    tau: float
    outcomes: list[list[tuple[Hashable, float]]]
    """For each run of each level its unit, and its part of the restricted mean."""

    @classmethod
    def of(cls, arrivals: Sequence[Sequence[Arrival]], units: Sequence[Sequence[Hashable]]) -> Times:
        tau = horizon(arrivals)
        sizes = [list(map(float, pseudo(level, tau))) for level in arrivals]
        outcomes = [list(zip(own, found, strict=True)) for own, found in zip(units, sizes, strict=True)]
        return cls(arrivals, units, tau, outcomes)

    def scored(self, baseline: int) -> Scored:
        """The log-rank scores of each level with the baseline, a mean a unit."""
        found = {}
        for i, (own, units) in enumerate(zip(self.arrivals, self.units, strict=True)):
            if i != baseline:
                scores, others = logrank_scores(own, self.arrivals[baseline])
                found[i] = (_by_unit(units, scores), _by_unit(self.units[baseline], others))
        return found


def _by_unit(units: Sequence[Hashable], scores: Sequence[float]) -> dict[Hashable, float]:
    """The mean score of each unit, which may have several runs in a level."""
    found: dict[Hashable, list[float]] = {}
    for unit, one in zip(units, scores, strict=True):
        found.setdefault(unit, []).append(one)
    return {unit: math.fsum(several) / len(several) for unit, several in found.items()}


def times_to(
    data: Frame, levels: Sequence[Sequence[Course]], metric: str, value: float, over: str, higher: bool
) -> Read:
    """Restricted mean times until the metric is as good as a value, and what the log-rank test needs.

    Raises InputError where no run ever is.
    """
    arrivals = [[arrival(course, value, higher) for course in level] for level in levels]
    unit, least = UNITS[over], "at least" if higher else "at most"
    if not any(one.arrived for level in arrivals for one in level):
        best = best_of_rows([v for level in levels for course in level for v in course.values], higher)
        raise InputError(
            f"--reach {value:g}: in no run is {metric} ever {least} that; the best of all rows is {number(best)}"
        )
    times = Times.of(arrivals, [[course.unit for course in level] for level in levels])
    tau = times.tau
    cells: list[dict[str, Any]] = []
    errors = []
    for level, found in zip(arrivals, times.outcomes, strict=True):
        s, there = summarize([size for _, size in found]), sum(one.arrived for one in level)
        errors.append(None if s.std is None else s.std / math.sqrt(s.n))
        cells.append({"reached": (there, len(level)), "arrived": there, "ended": len(level), "error": errors[-1]})
        cells[-1]["median"] = median(level)
    decimals = decimals_of([(None, error) for error in errors])
    columns = [
        Column("reached", "arrived", lambda v: f"{v[0]}/{v[1]}", True, 0, ("arrived", "ended")),
        Column("median", "median", lambda v: "never" if v is None else number(v), True, 0),
        Column("error", "std error", lambda v: score(v, decimals), True, 1),
    ]

    target = f"{metric} is {least} {value:g}"
    notes = [f"means are restricted to τ = {number(tau)} {unit}, of the first row in which {target}"]
    notes += _censored(arrivals, tau)
    return Read(
        data,
        [list(found) for found in times.outcomes],
        higher=False,
        what=f"{unit} until {target}",
        mean="restricted mean",
        unit=unit,
        tested="log-rank scores",
        cells=cells,
        columns=columns,
        notes=notes,
        meta={"x": unit, "reach": value, "direction": least, "tau": tau},
        scored=times.scored,
    )


def _censored(arrivals: Sequence[Sequence[Arrival]], tau: float) -> list[str]:
    """What is taken of the runs that never arrive."""
    everyone = [one for level in arrivals for one in level]
    never = [one for one in everyone if not one.arrived]
    lost = sum(one.time == math.inf for one in never)
    early = sum(one.time < tau for one in never)
    notes = []
    if never:
        told = f"{len(never)} of {len(everyone)} runs never arrive; they are censored, not there yet when they ended"
        notes.append(told + (f", and the {lost} that diverged or failed up to τ" if lost else ""))
    if early:
        notes.append(
            f"{early} of them ended before τ, and are taken to be like the others that were not there yet; a run that "
            "stopped because nothing improved is not, and makes its level look quicker than it is"
        )
    return notes
