"""Rows of a comparison: grouped by level, each computation counted once, in order, the best marked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from nnexp.errors import InputError, did_you_mean
from nnexp.report import frame as frames
from nnexp.report.frame import Frame
from nnexp.report.tables import Column
from nnexp.store.runs import Run


def groups_of(data: Frame, keys: Sequence[str]) -> dict[tuple[Any, ...], list[int]]:
    """Rows by their values of the keys, in the order of their first; all in one where there are no keys."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    levels = zip(*(map(plain, data[key]) for key in keys), strict=True) if keys else [()] * len(data)
    for i, level in enumerate(levels):
        groups.setdefault(level, []).append(i)
    return groups


def varies_within(data: Frame, keys: Sequence[str], key: str) -> bool:
    """Whether a column takes several values in any one group of `keys`."""
    combined = {tuple(map(plain, level)) for level in data.combinations(*keys, key)}
    return len(combined) > len({level[:-1] for level in combined})


def distinct(runs: Sequence[Run]) -> list[int]:
    """The runs that count in a mean: of several runs of the same computation one, the last that has a result."""
    last: dict[str, int] = {}
    for i, run in enumerate(runs):
        key = run.brief.fingerprint
        if key not in last or run.brief.scores or not runs[last[key]].brief.scores:
            last[key] = i
    return sorted(last.values())


def plain(value: Any) -> Any:
    return None if frames.missing(value) else value


def named_metric(word: str, metrics: Sequence[str]) -> str:
    """The metric that a word means: itself, or `accuracy` for the first split that has it. Raises InputError."""
    found = [name for name in metrics if word in (name, name.partition("_")[2])]
    if found:
        return found[0]
    offered = [name for name in metrics if not name.startswith("test_")]
    guess = did_you_mean(word, [*(name.partition("_")[2] for name in offered), *offered])
    raise InputError(f"no run has the metric '{word}'{guess} (there is {', '.join(metrics)})")


def numeric(data: Frame, key: str) -> bool:
    return all(isinstance(v, int | float) or frames.missing(v) for v in data[key]) and not all(
        isinstance(v, bool) for v in data[key]
    )


def column_of(word: str, shown: Sequence[Column], more: Sequence[str] = ()) -> str:
    """The column to sort by: a key or heading of the table, or a key that the runs have. Raises InputError."""
    for column in shown:
        if word in (column.key, column.heading):
            return column.key
    return frames.resolve(word, [*(column.key for column in shown), *more])


def ordered_by(rows: list[dict[str, Any]], key: str, descending: bool) -> list[dict[str, Any]]:
    """Rows in the order of a column; missing values last either way, text after numbers."""
    known = [row for row in rows if row[key] is not None]
    missing = [row for row in rows if row[key] is None]

    def order(row: dict[str, Any]) -> tuple:
        value = row[key]
        return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value))

    return sorted(known, key=order, reverse=descending) + missing


def best_of(values: Sequence[Any], metric: str, runs: Sequence[Run], top: int | None) -> frozenset[int]:
    """Where the best value of all stands among the first `top`; nowhere if there is nothing to be better than."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return frozenset()
    target = max(known) if frames.higher_is_better(runs, metric) else min(known)
    return frozenset(i for i, value in enumerate(values[:top]) if value == target)


def notes_on(runs: Sequence[Run], consequence: str = "") -> list[str]:
    """How many runs did not finish."""
    notes = []
    found = Counter(run.status for run in runs)
    total = f"{len(runs)} run{'s' if len(runs) > 1 else ''}"
    for status, one, several in (
        ("diverged", "diverged", "diverged"),
        ("failed", "failed", "failed"),
        ("pruned", "was pruned by a search", "were pruned by a search"),
        ("interrupted", "was interrupted (nnexp train --resume RUN)", "were interrupted (nnexp train --resume RUN)"),
        ("lost", "is lost: its process is gone", "are lost: their processes are gone"),
        ("running", "is still running", "are still running"),
    ):
        count = found[status]
        if count:
            notes.append(f"{count} of {total} {one if count == 1 else several}{consequence}")
    return notes


def datasets_of(runs: Sequence[Run]) -> list[str]:
    """The data sets of runs: their names, and the file where the name is only that of a format."""
    found = set()
    for setting in {id(run.brief.setting): run.brief.setting for run in runs}.values():
        name, path = str(setting.config.get("dataset.name")), setting.config.get("dataset.path")
        found.add(name if path is None else f"{name} {PurePath(str(path)).name}")
    return sorted(found)
