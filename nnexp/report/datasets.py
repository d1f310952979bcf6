"""Levels compared on several tasks, such as data sets: a table for each task, and what ranks say over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isinf
from pathlib import PurePath
from typing import Any

from nnexp.errors import InputError
from nnexp.report import frame as frames
from nnexp.report.asked import Asked
from nnexp.report.findings import _p
from nnexp.report.frame import OUTCOME, Frame
from nnexp.report.grouping import Levels
from nnexp.report.guard import examine
from nnexp.report.levels import _name, _outcomes, levels, standings
from nnexp.report.numbers import number, score
from nnexp.report.profiles import FEWEST_TASKS, Estimate, interquartile_mean, on_one_scale
from nnexp.report.ranks import Friedman, critical_difference, friedman, mid_ranks, not_apart
from nnexp.report.rows import datasets_of, distinct, groups_of, numeric, plain
from nnexp.report.statistics import LEVEL
from nnexp.report.tables import Column, Grid, headings
from nnexp.store.runs import Run

DATASET = "dataset.name"
SHOWN = 4
"""Pairs of levels that have sentences of their own."""


@dataclass(frozen=True)
class Tasks:
    """The outcomes of each level on each task, and what ranks say of them."""

    across: str
    """The key whose values are the tasks."""
    names: list[str]
    """Those tasks on which every level has an outcome."""
    incomplete: list[str]
    """Tasks that some level lacks, and that ranks are without."""
    keys: list[str]
    values: list[tuple[Any, ...]]
    """The levels: the values of their keys, in the order of the runs."""
    levels: list[str]
    """What the levels are called."""
    metric: str
    higher: bool
    outcomes: list[list[list[float | None]]]
    """For each task that is not incomplete, for each level, the scores of its runs; None for a run that failed."""
    against: str = ""
    """Why ranks are no claim."""
    ranks: list[list[float]] = field(init=False)
    """For each task the ranks of the levels by their means, 1 the best."""
    friedman: Friedman | None = field(init=False)
    """None for fewer than two tasks or levels."""

    def __post_init__(self) -> None:
        ranks = [_ranks(levels, self.higher) for levels in self.outcomes]
        tested = friedman(ranks) if len(ranks) > 1 and len(self.levels) > 1 else None
        object.__setattr__(self, "ranks", ranks)
        object.__setattr__(self, "friedman", tested)

    @property
    def several(self) -> str:
        """What the tasks are, as people say it."""
        return "data sets" if self.across == DATASET else f"values of {headings([self.across])[self.across]}"

    @property
    def counted(self) -> str:
        """How many tasks there are, in words: `6 data sets`."""
        one = self.several.replace("data sets", "data set").replace("values", "value")
        return f"{len(self.names)} {self.several if len(self.names) != 1 else one}"

    @property
    def differ(self) -> bool:
        """Whether it is known that the mean ranks differ."""
        return self.friedman is not None and not self.against and self.friedman.p <= LEVEL

    @property
    def critical(self) -> float:
        """The difference of mean ranks from which on two levels are told apart."""
        return critical_difference(len(self.names), len(self.levels))

    @property
    def groups(self) -> list[list[int]]:
        """Levels that are not told apart, the best first; where ranks are no claim, or do not differ, that is all."""
        if self.friedman is None:
            return []
        if not self.differ:
            return [self.order]
        return not_apart(self.friedman.mean_ranks, self.critical)

    @property
    def order(self) -> list[int]:
        """The levels by their mean ranks, the best first; as they stand where there are none."""
        means = self.friedman.mean_ranks if self.friedman else [0.0] * len(self.levels)
        return sorted(range(len(means)), key=lambda j: means[j])

    def scaled(self, level: int) -> list[list[float]]:
        """The scores of a level on each task, from 0, that task's worst run, to 1, its best; failed runs are 0."""
        return [task[level] for task in self._scaled]

    @cached_property
    def _scaled(self) -> list[list[list[float]]]:
        return [on_one_scale(levels, self.higher) for levels in self.outcomes]

    def interquartile(self) -> list[Estimate] | None:
        """The interquartile mean of each level; None below five tasks or two levels."""
        if len(self.names) < FEWEST_TASKS or len(self.levels) < 2:
            return None
        return [interquartile_mean(self.scaled(level)) for level in range(len(self.levels))]


def _ranks(outcomes: Sequence[Sequence[float | None]], higher: bool) -> list[float]:
    """Ranks of levels on a task: by means or, where a run failed, by mean ranks of all runs, failures last."""
    found = standings(outcomes, higher)
    # means of the same scores in another order may differ in their last digit
    return mid_ranks([float(f"{value:.12g}") for value in found if value is not None])


def tasks_of(
    data: Frame, keys: list[str], across: str, metric: str, config: Sequence[str], allow_confounded: bool = False
) -> Tasks:
    """The tasks that the values of `across` are, and the levels of `keys`. `data` has each computation once."""
    parts = parts_of(data, across)
    heads = headings(keys)
    values = list(groups_of(data, keys))
    outcomes, against, incomplete = {}, [], []
    for name, index in parts.items():
        part = data.take(index)
        groups = groups_of(part, keys)
        scores = [[v for _, v in _outcomes(part, groups.get(level, []), metric)] for level in values]
        if all(scores):
            outcomes[name] = scores
        else:
            incomplete.append(name)
        if len(groups) > 1:
            guard = examine(part, groups, keys, [_name(level, keys, heads) for level in groups], metric, config)
            why = guard.incomparable or ("" if allow_confounded else guard.confounded)
            against += [f"on {name}, {why}"] if why else []
    return Tasks(
        across,
        list(outcomes),
        incomplete,
        keys,
        values,
        [_name(level, keys, heads) for level in values],
        metric,
        frames.higher_is_better(data.runs, metric),
        list(outcomes.values()),
        against[0] if against else "",
    )


def parts_of(data: Frame, across: str) -> dict[str, list[int]]:
    """The rows of each task, by what it is called."""
    head = headings([across])[across]
    parts: dict[str, list[int]] = {}
    paths = data["dataset.path"] if across == DATASET and "dataset.path" in data.columns else [None] * len(data)
    for i, (value, path) in enumerate(zip(map(plain, data[across]), paths, strict=True)):
        name = number(value) if across == DATASET or isinstance(value, str) else f"{head} {number(value)}"
        parts.setdefault(name if plain(path) is None else f"{name} {PurePath(str(path)).name}", []).append(i)
    return parts


def across_key(data: Frame, keys: Sequence[str], config: Sequence[str], word: str | None, named: bool) -> str | None:
    """The key that a comparison goes across: the word's, or the data set where levels that were `named` have several.

    None where it goes across none. Raises InputError for a key that no run has, that is compared, or has one value.
    """
    if word is not None:
        key = frames.resolve(word, config)
        if key in keys or key == "seed":
            why = "pairs runs, and is no task" if key == "seed" else "is what is compared; give --by another key"
            raise InputError(f"--across: {key} {why}")
        parts = parts_of(data, key)
        if len(parts) < 2:
            raise InputError(f"--across: all of these runs have {key} {number(plain(data[key][0]))}; there is one task")
        return key
    if not named or DATASET not in data.columns or any(key.startswith("dataset.") or key in OUTCOME for key in keys):
        return None
    if len(datasets_of(data.runs)) < 2:
        return None
    everything = len(groups_of(data, keys))
    found = [len(groups_of(data.take(index), keys)) for index in parts_of(data, DATASET).values()]
    return DATASET if found.count(everything) > 1 else None


def keys_within(data: Frame, keys: Sequence[str], across: str) -> list[str]:
    """Those keys that vary within a task, but for the seed: what is the same in all its runs is part of the task.

    Raises InputError where none does.
    """
    parts = [data.take(index) for index in parts_of(data, across).values()]
    candidates = [key for key in keys if key not in (across, "seed")]
    found = [key for key in candidates if any(len(set(map(plain, part[key]))) > 1 for part in parts)]
    if not found:
        raise InputError("--across compares levels on several tasks; say by what: --by KEY")
    return found


def key_of(runs: Sequence[Run], word: str) -> str:
    """The key that a picture goes across. Raises InputError for a key that no run has, or that has one value."""
    data = frames.frame(runs)
    config = frames.config_columns(data, frames.metric_columns(runs))
    key = across_key(data, (), config, word, True)
    assert key is not None
    return key


def tasks_in(levels: Levels, across: str, metric: str | None) -> Tasks:
    """The tasks of a picture's levels. Raises InputError where the key is one of the levels', or for the metric."""
    config = frames.config_columns(levels.data, frames.metric_columns(levels.runs))
    across_key(levels.data, levels.keys, config, across, True)
    return tasks_of(levels.data, levels.keys, across, levels.metric(metric), config)


# -- the tables ------------------------------------------------------------------------------------


def over_tasks(
    runs: Sequence[Run],
    data: Frame,
    keys: list[str],
    across: str,
    metric: str | None,
    config: Sequence[str],
    sort: str | None,
    top: int | None,
    asked: Asked,
) -> Grid:
    """A table of levels for each task, and one of ranks. Raises InputError as `levels` does, and without scores."""
    if metric is None:
        raise InputError("--across compares scores, and none of these runs has a final one")
    counted = distinct(runs)
    tasks = tasks_of(data.take(counted), keys, across, metric, config, asked.allow_confounded)
    order = {level: place for place, level in enumerate(tasks.values)}
    of_run = list(zip(*(map(plain, data[key]) for key in keys), strict=True))
    before = []
    for name, index in parts_of(data, across).items():
        index = sorted(index, key=lambda i: order.get(of_run[i], len(order)))  # one baseline for all tasks
        part = data.take(index)
        differing = [key for key in frames.essential(part, config) if key not in keys]
        try:
            grid = levels([runs[i] for i in index], part, keys, differing, metric, config, sort, top, asked)
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
    basis = f"Friedman χ² = {tested.statistic:.2f}, permutation p {_p(tested.p)}{how}; "
    basis += f"F({k - 1}, {(k - 1) * (n - 1)}) = {f}, p {_p(tested.p_f)}"
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
