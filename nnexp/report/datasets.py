"""Levels compared on several tasks, such as data sets: a table for each task, and what ranks say over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isinf
from typing import Any

from nnexp.errors import InputError
from nnexp.report import frame as frames
from nnexp.report.asked import Asked, Wanted
from nnexp.report.findings import p_in_words
from nnexp.report.frame import Frame
from nnexp.report.levels import levels
from nnexp.report.numbers import number, score
from nnexp.report.profiles import FEWEST_TASKS, Estimate
from nnexp.report.rows import distinct, numeric, plain
from nnexp.report.statistics import LEVEL
from nnexp.report.tables import Column, Grid, headings
from nnexp.report.tasks import Tasks, parts_of, tasks_of
from nnexp.store.runs import Run

SHOWN = 4
"""Pairs of levels that have sentences of their own."""


def over_tasks(runs: Sequence[Run], data: Frame, across: str, wanted: Wanted) -> Grid:
    """A table of levels for each task, and one of ranks. Raises InputError as `levels` does, and without scores."""
    keys, asked = wanted.keys, wanted.asked
    if wanted.metric is None:
        raise InputError("--across compares scores, and none of these runs has a final one")
    counted = distinct(runs)
    tasks = tasks_of(data.take(counted), keys, across, wanted.metric, wanted.config, asked.allow_confounded)
    order = {level: place for place, level in enumerate(tasks.values)}
    of_run = list(zip(*(map(plain, data[key]) for key in keys), strict=True))
    before = []
    for name, index in parts_of(data, across).items():
        index = sorted(index, key=lambda i: order.get(of_run[i], len(order)))  # one baseline for all tasks
        part = data.take(index)
        differing = [key for key in frames.essential(part, wanted.config) if key not in keys]
        try:
            grid = levels([runs[i] for i in index], part, differing, wanted)
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        before.append(_titled(grid, across, name, [*part[across]]))
    return _table(tasks, before, data, asked)


def _titled(grid: Grid, across: str, name: str, values: Sequence[Any]) -> Grid:
    """The table of one task, with its name in the title, and for machines in a column."""
    rows = [{across: plain(values[0]), "task": name, **row} for row in grid.rows]
    columns = [Column(across, across, panel=2), Column("task", "task", panel=2), *grid.columns]
    second = f"{grid.second}, {name}" if grid.second else ""
    meta = {"task": name, **grid.meta}
    return replace(grid, columns=columns, rows=rows, title=f"{grid.title}, {name}", second=second, meta=meta)


def _table(tasks: Tasks, before: list[Grid], data: Frame, asked: Asked) -> Grid:
    tested = tasks.friedman
    order = tasks.order
    summed = tasks.interquartile()
    heads = headings(tasks.keys)
    letters = _letters(tasks)
    rows = []
    for level in order:
        outcomes = [scores[level] for scores in tasks.outcomes]
        row: dict[str, Any] = dict(zip(tasks.keys, tasks.values[level], strict=True))
        row |= {"runs": sum(map(len, outcomes)), "failed_runs": sum(one.count(None) for one in outcomes)}
        row |= {f"rank {name}": ranks[level] for name, ranks in zip(tasks.names, tasks.ranks, strict=True)}
        row |= {"mean_rank": tested and tested.mean_ranks[level], "group": letters[level]}
        if summed:
            found = summed[level]
            row |= {"summed": found, "iqm": found.value, "iqm_low": found.low, "iqm_high": found.high}
        rows.append(row)
    columns = [Column(key, heads[key], number, numeric(data, key)) for key in tasks.keys]
    columns.append(Column("runs", "runs", number, True, 2))
    if any(row["failed_runs"] for row in rows):
        columns.append(Column("failed_runs", "failed", number, True, 1))
    columns += [Column(f"rank {name}", name, _rank, True, 3) for name in tasks.names]
    if tested:
        columns.append(Column("mean_rank", "mean rank", lambda v: score(v, 2), True))
    if tasks.differ:
        columns.append(Column("group", "group"))
    if summed:
        columns.append(Column("summed", "IQM", _estimate, True, 0, ("iqm", "iqm_low", "iqm_high")))
    meta: dict[str, Any] = {"kind": "tasks", "by": tasks.keys, "metric": tasks.metric, "across": tasks.across}
    meta |= {"tasks": tasks.names, "against": tasks.against, "friedman": None}
    if tested:
        meta["friedman"] = {
            "statistic": tested.statistic,
            "p": tested.p,
            "exact": tested.exact,
            "f": None if isinf(tested.f) else tested.f,
            "p_f": tested.p_f,
            "critical_difference": tasks.critical,
            "not_apart": [[tasks.levels[j] for j in group] for group in tasks.groups],
        }
    if asked.test:
        looks = [one.meta.pop("tested") for one in before if "tested" in one.meta]
        sets = sorted({name for look in looks for name in look["datasets"]})
        meta["tested"] = {"datasets": sets, "runs": sum(look["runs"] for look in looks)}
    best = frozenset({0}) if tested and len({*tested.mean_ranks}) > 1 else frozenset()
    title = f"ranks of {tasks.metric} by {', '.join(heads[key] for key in tasks.keys)} over {tasks.counted}"
    return Grid(columns, rows, best, title, notes_on(tasks), meta, findings_on(tasks), before=before)


def _rank(value: Any) -> str:
    return "" if value is None else f"{value:g}"


def _estimate(found: Estimate) -> str:
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _letters(tasks: Tasks) -> list[str]:
    """For each level the letters of the groups that it is in; levels with a letter in common are not told apart."""
    found = [""] * len(tasks.levels)
    groups = tasks.groups
    alone = [[j] for j in tasks.order if not any(j in group for group in groups)]
    place = {level: i for i, level in enumerate(tasks.order)}
    for number_, group in enumerate(sorted([*groups, *alone], key=lambda group: place[group[0]])):
        for level in group:
            found[level] += chr(ord("a") + number_) if number_ < 26 else f"({number_ + 1})"
    return found


def findings_on(tasks: Tasks) -> list[str]:
    """What the ranks say, in sentences."""
    tested = tasks.friedman
    if tested is None:
        if len(tasks.levels) < 2:
            return ["no ranks: there is one level"]
        return [f"no ranks: {tasks.counted} with outcomes of every level, and ranks need two"]
    if tasks.against:
        return [f"no claim about ranks: {tasks.against}"]
    how = "" if tested.exact else ", sampled"
    f = "∞" if isinf(tested.f) else f"{tested.f:.2f}"
    k, n = len(tasks.levels), tested.tasks
    basis = f"Friedman χ² = {tested.statistic:.2f}, permutation p {p_in_words(tested.p)}{how}; "
    basis += f"F({k - 1}, {(k - 1) * (n - 1)}) = {f}, p {p_in_words(tested.p_f)}"
    if not tasks.differ:
        if tested.least_p > LEVEL:
            why = f"{n} {tasks.several} cannot decide between {k} levels: the smallest p is {tested.least_p:.2g}"
            return [f"no claim about ranks, for {why} ({basis})"]
        return [f"~ no level is known to rank ahead of another over {tasks.counted} ({basis})"]
    told = [f"the mean ranks differ over {tasks.counted} ({basis})"]
    order, means = tasks.order, tested.mean_ranks
    pairs = [
        (a, b)
        for place, a in enumerate(order)
        for b in order[place + 1 :]
        if means[b] - means[a] >= tasks.critical - 1e-12
    ]
    for a, b in pairs[: SHOWN if len(pairs) > SHOWN + 1 else None]:
        told.append(f"{tasks.levels[a]} ranks ahead of {tasks.levels[b]}: {means[a]:.2f} to {means[b]:.2f}")
    if len(pairs) > SHOWN + 1:
        told.append(f"{len(pairs) - SHOWN} more pairs are told apart; levels with a letter in common are not")
    if not pairs:
        told.append(f"~ which of them is not known: no two are {tasks.critical:.2f} apart")
    told += [
        f"~ not told apart: {', '.join(tasks.levels[j] for j in group)}" for group in tasks.groups[:SHOWN] if pairs
    ]
    told.append(f"told apart: mean ranks that differ by Nemenyi's critical difference, {tasks.critical:.2f}, or more")
    return told


def notes_on(tasks: Tasks) -> list[str]:
    """What ranks and means over tasks are made of."""
    failed = any(None in level for task in tasks.outcomes for level in task)
    told = []
    if tasks.friedman:
        how = "by the mean ranks of all runs with failed ones last where any failed, else " if failed else ""
        told.append(f"ranks: 1 is the best of its column, {how}by the mean over seeds; each column counts once")
    if tasks.differ and len(tasks.names) < FEWEST_TASKS:
        told.append(f"{tasks.counted} are few: what ranks say of them says little of others")
    if tasks.incomplete:
        lacking = ", ".join(tasks.incomplete)
        told.append(f"without {lacking}: not every level has an outcome there")
    if len(tasks.levels) < 2:
        return told
    if len(tasks.names) >= FEWEST_TASKS:
        lost = "; a failed run is 0" if failed else ""
        fewest = min(len(level) for task in tasks.outcomes for level in task)
        told.append(
            f"IQM: mean of the middle half of all runs, each scaled from 0, the worst run of its data set, to 1, the "
            f"best{lost}; 95 % intervals of a bootstrap of the seeds"
            + (f", too narrow with {fewest} of them" if fewest < 10 else "")
        )
    elif len(tasks.names) > 1:
        told.append(f"interquartile means need {FEWEST_TASKS} {tasks.several}")
    return told
