"""Levels on several tasks, such as data sets: which tasks there are, and the ranks of the levels on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any

from nnexp.errors import InputError
from nnexp.report import frame as frames
from nnexp.report.courses import final_scores
from nnexp.report.frame import OUTCOME, Frame
from nnexp.report.grouping import Levels
from nnexp.report.guard import examine
from nnexp.report.levels import level_name, standings
from nnexp.report.numbers import number
from nnexp.report.profiles import FEWEST_TASKS, Estimate, interquartile_mean, on_one_scale
from nnexp.report.ranks import Friedman, critical_difference, friedman, mid_ranks, not_apart
from nnexp.report.rows import datasets_of, groups_of, plain
from nnexp.report.statistics import LEVEL
from nnexp.report.tables import headings
from nnexp.store.runs import Run

DATASET = "dataset.name"


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
    higher = frames.higher_is_better(data.runs, metric)
    for name, index in parts.items():
        part = data.take(index)
        groups = groups_of(part, keys)
        read = final_scores(part, [groups.get(level, []) for level in values], metric, higher)
        scores = [[v for _, v in ended] for ended in read.outcomes]
        if all(scores):
            outcomes[name] = scores
        else:
            incomplete.append(name)
        if len(groups) > 1:
            guard = examine(part, groups, keys, [level_name(level, keys, heads) for level in groups], metric, config)
            why = guard.incomparable or ("" if allow_confounded else guard.confounded)
            against += [f"on {name}, {why}"] if why else []
    return Tasks(
        across,
        list(outcomes),
        incomplete,
        keys,
        values,
        [level_name(level, keys, heads) for level in values],
        metric,
        higher,
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
