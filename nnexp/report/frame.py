"""Runs as one tidy frame: a row a run, a column for each configuration key, outcome and metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from nnexp.errors import InputError, did_you_mean
from nnexp.store.brief import Setting
from nnexp.store.runs import Run
from nnexp.store.scores import default_metric as default_metric
from nnexp.store.scores import higher_is_better as higher_is_better
from nnexp.store.scores import metric_columns as metric_columns

OUTCOME = (
    "id",
    "name",
    "label",
    "case",
    "status",
    "created",
    "epoch",
    "step",
    "parameters",
    "train_seconds",
)
"""Columns of the frame that are neither configuration nor metric."""
HIDDEN = ("name", "monitor", "threads")
"""Configuration that does not count as a difference between runs."""


class Frame:
    """Columns of equal length by name, a value a run; None for what a run does not have.

    Configuration is looked at once a setting rather than once a run, and a column is made when it is asked for. It is
    not pandas' frame, whose import takes longer than comparing thousands of runs.
    """

    def __init__(self, runs: Sequence[Run], index: Sequence[int] | None = None, columns: Sequence[str] = ()):
        self.runs = runs
        self.index: Sequence[int] = range(len(runs)) if index is None else index
        """For each row, which of the runs that the first frame was made of."""
        settings: dict[int, int] = {}
        self._setting = [settings.setdefault(id(run.brief.setting), len(settings)) for run in runs]
        """For each row, which of the settings."""
        first = dict(zip(reversed(self._setting), reversed(runs), strict=True))
        self._settings = [first[number].brief.setting for number in range(len(settings))]
        names = dict.fromkeys(columns or OUTCOME)
        for setting in self._settings:
            names |= dict.fromkeys(setting.config)
            names |= dict.fromkeys(setting.metrics)
        self.columns = list(names)
        self._kept: dict[str, list[Any]] = {}

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, key: str) -> list[Any]:
        """A column. Raises KeyError."""
        if key not in self._kept:
            if key not in self.columns:
                raise KeyError(key)
            cell = [_reader(key, setting) for setting in self._settings]
            self._kept[key] = [cell[number](run) for number, run in zip(self._setting, self.runs, strict=True)]
        return self._kept[key]

    def take(self, rows: Sequence[int]) -> Frame:
        """A frame of these rows, with all columns."""
        return Frame([self.runs[i] for i in rows], [self.index[i] for i in rows], self.columns)

    def instead(self, **columns: list[Any]) -> Frame:
        """The same rows with other values in some columns. What `take` makes of it has the old ones."""
        other = self.take(range(len(self)))
        other.columns += [name for name in columns if name not in other.columns]
        other._kept |= columns
        return other

    def combinations(self, *keys: str) -> list[tuple[Any, ...]]:
        """The values of these columns side by side, each combination at least once: a row a run, or a row a setting."""
        if any(key in (*OUTCOME, "seed") or any(key in s.metrics for s in self._settings) for key in keys):
            return list(zip(*(self[key] for key in keys), strict=True))
        return [tuple(_cell(setting.config.get(key)) for key in keys) for setting in self._settings]


def _reader(key: str, setting: Setting) -> Callable[[Run], Any]:
    """What gives a column's value for the runs of a setting."""
    if key in setting.metrics:
        place = setting.metrics.index(key)
        return lambda run: run.brief.scores[place]
    if key == "seed" and key in setting.config:
        return lambda run: _cell(run.brief.seed)
    if key in setting.config and key != "name":
        value = _cell(setting.config[key])
        return lambda run: value
    if key in OUTCOME:
        return attrgetter("status" if key == "status" else f"brief.{key}")
    return lambda run: None


def frame(runs: Sequence[Run]) -> Frame:
    """One row a run. Configuration under its dotted keys, final losses and metrics under their names."""
    return Frame(runs)


def _cell(value: Any) -> Any:
    return tuple(map(_cell, value)) if isinstance(value, list) else str(value) if isinstance(value, dict) else value


def config_columns(data: Frame, metrics: Sequence[str]) -> list[str]:
    """The columns that hold configuration."""
    return [c for c in data.columns if c not in OUTCOME and c not in metrics]


def varying(data: Frame, columns: Sequence[str]) -> list[str]:
    """The configuration columns in which the runs differ, `seed` last."""
    found = []
    for column in columns:
        if column.split(".")[0] in HIDDEN:
            continue
        if len({_comparable(value) for (value,) in data.combinations(column)}) > 1:
            found.append(column)
    return sorted(found, key=lambda c: c == "seed")


def essential(data: Frame, columns: Sequence[str]) -> list[str]:
    """Varying columns without those that only exist for one component and follow from its name.

    Where `optimizer.name` differs, `optimizer.beta1` differs too (adam has it, sgd does not). Such a column is
    shown only if it varies among the runs that have it.
    """
    kept = []
    for column in varying(data, columns):
        values = {_comparable(value) for (value,) in data.combinations(column)}
        if None in values and len(values) <= 2:
            continue
        family = column.rsplit(".", 1)[0] + ".name"
        if not column.endswith(".name") and family in data.columns and column != family:
            groups: dict[Any, set[Any]] = {}
            for name, value in data.combinations(family, column):
                groups.setdefault(_comparable(name), set()).add(_comparable(value))
            if len(groups) > 1 and all(len(values) == 1 for values in groups.values()):
                continue
        kept.append(column)
    return kept


def _comparable(value: Any) -> Any:
    return None if missing(value) else value if not isinstance(value, float) else float(value)


def missing(value: Any) -> bool:
    """Whether a run does not have it: None, or NaN."""
    return value is None or (isinstance(value, float) and value != value)


def resolve(key: str, columns: Sequence[str]) -> str:
    """The column that a word means: itself, a component by its family (`optimizer`), or a unique last part (`lr`).

    Raises InputError with the nearest columns.
    """
    if key in columns:
        return key
    if f"{key}.name" in columns:
        return f"{key}.name"
    found = [c for c in columns if c.endswith(f".{key}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"'{key}' may mean {', '.join(found)}; write it in full")
    offered = [c for c in columns if not c.startswith("test_")]
    words = [word for c in offered for word in (c, c.removesuffix(".name"), c.rsplit(".", 1)[-1])]
    raise InputError(f"no run has '{key}'{did_you_mean(key, words) or '; see: nnexp show RUN'}")
