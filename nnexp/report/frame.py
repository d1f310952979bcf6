"""Runs as one tidy pandas frame: a row a run, a column for each configuration key, outcome and metric."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnexp.errors import InputError, did_you_mean
from nnexp.store.runs import Run

if TYPE_CHECKING:
    import pandas as pd

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

_CONDITION = re.compile(r"^\s*([\w.@-]+)\s*(==|!=|<=|>=|=|<|>)\s*(.*?)\s*$")


def frame(runs: Sequence[Run]) -> pd.DataFrame:
    """One row a run. Configuration under its dotted keys, final losses and metrics under their names."""
    import pandas as pd

    rows = []
    for run in runs:
        row: dict[str, Any] = {key: run.record.get(key) for key in OUTCOME}
        row["status"] = run.status
        row |= {key: _cell(value) for key, value in run.config.items() if key != "name"}
        row |= run.final
        rows.append(row)
    return pd.DataFrame(rows, dtype=object)


def _cell(value: Any) -> Any:
    return tuple(map(_cell, value)) if isinstance(value, list) else str(value) if isinstance(value, dict) else value


def config_columns(data: pd.DataFrame, metrics: Sequence[str]) -> list[str]:
    """The columns that hold configuration."""
    return [c for c in data.columns if c not in OUTCOME and c not in metrics]


def metric_columns(runs: Sequence[Run]) -> list[str]:
    """Losses and metrics that any of the runs has, validation first, then training, then test."""
    names: dict[str, None] = {}
    for run in runs:
        names |= dict.fromkeys(run.final)
    order = {"validation": 0, "train": 1, "test": 2}
    return sorted(names, key=lambda name: order.get(name.split("_")[0], 3))


def higher_is_better(runs: Sequence[Run], metric: str) -> bool:
    """Whether a metric is to be large, as the runs recorded it."""
    return any(metric in run.record.get("higher_is_better", ()) for run in runs)


def default_metric(runs: Sequence[Run], metrics: Sequence[str]) -> str | None:
    """What to judge by where nothing is said: the first validation metric to be large, else a loss."""
    for split in ("validation", "train"):
        for name in metrics:
            if name.startswith(split) and higher_is_better(runs, name):
                return name
    return metrics[0] if metrics else None


def varying(data: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """The configuration columns in which the runs differ, `seed` last."""
    found = []
    for column in columns:
        if column.split(".")[0] in HIDDEN:
            continue
        cells = [_comparable(value) for value in data[column]]
        if len(set(cells)) > 1:
            found.append(column)
    return sorted(found, key=lambda c: c == "seed")


def essential(data: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Varying columns without those that only exist for one component and follow from its name.

    Where `optimizer.name` differs, `optimizer.beta1` differs too (adam has it, sgd does not). Such a column is
    shown only if it varies among the runs that have it.
    """
    kept = []
    for column in varying(data, columns):
        present = [_comparable(v) for v in data[column] if not _missing(v)]
        partly = len(present) < len(data)
        if partly and len(set(present)) <= 1:
            continue
        family = column.rsplit(".", 1)[0] + ".name"
        if not column.endswith(".name") and family in data.columns and column != family:
            groups: dict[Any, set[Any]] = {}
            for name, value in zip(data[family], data[column], strict=True):
                groups.setdefault(_comparable(name), set()).add(_comparable(value))
            if len(groups) > 1 and all(len(values) == 1 for values in groups.values()):
                continue
        kept.append(column)
    return kept


def _comparable(value: Any) -> Any:
    return None if _missing(value) else value if not isinstance(value, float) else float(value)


def _missing(value: Any) -> bool:
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
    words = [word for c in columns for word in (c, c.removesuffix(".name"), c.rsplit(".", 1)[-1])]
    raise InputError(f"no run has '{key}'{did_you_mean(key, words) or '; see: nnexp show RUN'}")


def where(data: pd.DataFrame, conditions: Sequence[str]) -> pd.DataFrame:
    """The rows that meet all conditions, such as `optimizer=adam` or `optimizer.lr < 0.1 and status = finished`."""
    from nnexp.config.yaml import scalar

    for text in conditions:
        for part in re.split(r"\s+and\s+", text):
            match = _CONDITION.match(part)
            if not match or not match[3]:
                raise InputError(f"--where: '{part}' is not a condition; write KEY=VALUE, for example optimizer.lr<0.1")
            column = resolve(match[1], list(data.columns))
            wanted = scalar(match[3].strip("'\""))
            if match[2][0] in "<>" and (isinstance(wanted, bool) or not isinstance(wanted, int | float)):
                raise InputError(f"--where: '{part}': {match[2]} needs a number, not '{match[3]}'")
            data = data[[_holds(value, match[2], wanted) for value in data[column]]]
    return data


def _holds(value: Any, sign: str, wanted: Any) -> bool:
    missing = _missing(value)
    if sign in ("=", "==", "!="):
        same = value == wanted or (missing and wanted is None) or str(value) == str(wanted)
        if isinstance(value, tuple):
            same = str(list(value)).replace(" ", "") == str(wanted).replace(" ", "")
        return same if sign != "!=" else not same
    if missing or isinstance(value, str | tuple | bool):
        return False
    return {"<": value < wanted, "<=": value <= wanted, ">": value > wanted, ">=": value >= wanted}[sign]
