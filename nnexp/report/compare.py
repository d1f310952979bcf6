"""Comparing runs: one row a run, or one row a level with its mean over seeds and its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnexp.errors import InputError, did_you_mean
from nnexp.report import frame as frames
from nnexp.report.numbers import decimals_for, duration, number, score
from nnexp.report.statistics import Summary, summarize
from nnexp.report.tables import Column, Grid, headings
from nnexp.store.runs import Run

if TYPE_CHECKING:
    import pandas as pd


def compare(
    runs: Sequence[Run],
    by: Sequence[str] = (),
    metric: str | None = None,
    conditions: Sequence[str] = (),
    sort: str | None = None,
    top: int | None = None,
    aggregate: bool | None = None,
) -> Grid:
    """The table that `nnexp compare` shows.

    Without `by`, runs that differ only in their seeds are put together (`aggregate` None or True) by the
    configuration keys that vary; where each has one seed, or with `aggregate` False, every run has a row. Raises
    InputError for keys, metrics and conditions that no run knows, and for an empty selection.
    """
    data = frames.frame(runs)
    if conditions and len(data):
        data = frames.where(data, conditions)
    chosen = [run for run in runs if run.id in set(data["id"])] if len(data) else []
    if not chosen:
        raise InputError("no runs are left to compare" + (f" where {' and '.join(conditions)}" if conditions else ""))
    data = data.reset_index(drop=True)
    metrics = frames.metric_columns(chosen)
    if metric is not None and metric not in metrics:
        known = metrics or ["no metric: no run has finished"]
        raise InputError(
            f"no run has the metric '{metric}'{did_you_mean(metric, metrics)} (there is {', '.join(known)})"
        )
    metric = metric or frames.default_metric(chosen, metrics)
    config = frames.config_columns(data, metrics)
    keys = [frames.resolve(key, [*config, *frames.OUTCOME]) for key in by]
    differing = frames.essential(data, config)
    if data["case"].notna().all() and data["case"].nunique() > 1:
        differing = (
            ["case", *differing] if by or aggregate is False else ["case", *(["seed"] if "seed" in differing else [])]
        )
    if not keys and aggregate is not False and "seed" in differing:
        keys = [key for key in differing if key != "seed"] or ["name"]
    if keys and aggregate is not False:
        return _levels(chosen, data, keys, differing, metric, metrics, sort, top)
    return _runs(chosen, data, differing, metric, metrics, sort, top)


def _runs(
    runs: Sequence[Run],
    data: pd.DataFrame,
    differing: list[str],
    metric: str | None,
    metrics: list[str],
    sort: str | None,
    top: int | None,
) -> Grid:
    shown = [m for m in metrics if not m.startswith("test_") or m == metric]
    if metric in shown:
        shown = [metric, *(m for m in shown if m != metric)]
    names = data["name"].nunique() > 1
    keys = [*(["name"] if names else []), *differing]
    heads = headings([*keys, *shown])
    columns = [Column("id", "run")]
    columns += [Column(key, heads[key], number, _numeric(data, key), 1 if i > 3 else 0) for i, key in enumerate(keys)]
    if any(run.status != "finished" for run in runs):
        columns.append(Column("status", "status"))
    columns.append(Column("epoch", "epochs", number, True, 2))
    columns += [Column(m, m, score, True, 0 if i == 0 else 3 + i) for i, m in enumerate(shown)]
    columns.append(Column("train_seconds", "time", duration, True, 2))
    order = _sorted(data, sort, metric, runs, [c.key for c in columns])
    rows = [{column.key: _plain(data[column.key][i]) for column in columns} for i in order[:top]]
    best = _best(rows, metric, runs)
    notes = _notes(runs, metric)
    if top is not None and top < len(data):
        notes.append(f"the first {top} of {len(data)} runs")
    return Grid(columns, rows, best, notes=notes, meta={"kind": "runs", "metric": metric})


def _levels(
    runs: Sequence[Run],
    data: pd.DataFrame,
    keys: list[str],
    differing: list[str],
    metric: str | None,
    metrics: list[str],
    sort: str | None,
    top: int | None,
) -> Grid:
    groups: dict[tuple, list[int]] = {}
    for i in range(len(data)):
        groups.setdefault(tuple(_plain(data[key][i]) for key in keys), []).append(i)
    rows = []
    spread = []
    for level, index in groups.items():
        status = [data["status"][i] for i in index]
        values = (
            [] if metric is None else [float(v) for v in (data[metric][i] for i in index) if not frames._missing(v)]
        )
        s = summarize(values)
        row: dict[str, Any] = dict(zip(keys, level, strict=True))
        row |= {
            "n": s.n,
            "mean": s.mean,
            "std": s.std,
            "ci95_low": None if s.half is None or s.mean is None else s.mean - s.half,
            "ci95_high": None if s.half is None or s.mean is None else s.mean + s.half,
            "runs": len(index),
            "seconds": _mean([data["train_seconds"][i] for i in index]),
        }
        for name in ("diverged", "failed", "interrupted", "lost", "running"):
            row[name] = status.count(name)
        row["interval"] = s
        rows.append(row)
        spread.append(s.half)
    known = [h for h in spread if h]
    decimals = decimals_for(min(known) if known else None)
    heads = headings(keys)
    columns = [Column(key, heads[key], number, _numeric(data, key)) for key in keys]
    columns.append(Column("n", "n", number, True))
    columns.append(Column("mean", "mean", lambda v: score(v, decimals), True))
    columns.append(Column("std", "std", lambda v: score(v, decimals), True, 1))
    columns.append(
        Column("interval", "95 % interval", lambda s: _interval(s, decimals), True, parts=("ci95_low", "ci95_high"))
    )
    for name in ("diverged", "failed", "interrupted", "lost", "running"):
        if any(row[name] for row in rows):
            columns.append(Column(name, name, _count, True, 0 if name == "diverged" else 1))
    columns.append(Column("seconds", "time", duration, True, 2))
    better = frames.higher_is_better(runs, metric or "")
    if sort is None:
        rows.sort(key=lambda row: (row["mean"] is None, (-1 if better else 1) * (row["mean"] or 0.0)))
    else:
        descending, word = sort.startswith("-"), sort.lstrip("-")
        word = {"value": "mean", metric: "mean"}.get(word, word)
        allowed = [c.key for c in columns if not c.parts]
        key = word if word in allowed else frames.resolve(word, allowed)
        rows = _by(rows, key, descending)
    total = len(rows)
    rows = rows[:top]
    best: frozenset[int] = frozenset()
    finite = [row["mean"] for row in rows if row["mean"] is not None]
    if len(finite) > 1:
        target = max(finite) if better else min(finite)
        best = frozenset(i for i, row in enumerate(rows) if row["mean"] == target)
    notes = _notes(runs, metric)
    pooled = [key for key in differing if key not in keys and key != "seed"]
    if pooled:
        notes.append(f"each mean also pools different {', '.join(pooled[:4])}; add --by for them")
    if top is not None and top < total:
        notes.append(f"the first {top} of {total} levels")
    title = f"{metric or 'no metric'} by {', '.join(heads[key] for key in keys)}"
    return Grid(columns, rows, best, title, notes, meta={"kind": "levels", "by": keys, "metric": metric})


def _interval(s: Summary, decimals: int) -> str:
    if s.mean is None or s.half is None:
        return "-"
    return f"{score(s.mean - s.half, decimals)} to {score(s.mean + s.half, decimals)}"


def _count(value: Any) -> str:
    return str(value) if value else "-"


def _mean(values: Sequence[Any]) -> float | None:
    known = [float(v) for v in values if not frames._missing(v)]
    return sum(known) / len(known) if known else None


def _plain(value: Any) -> Any:
    return None if frames._missing(value) else value


def _numeric(data: pd.DataFrame, key: str) -> bool:
    return all(isinstance(v, int | float) or frames._missing(v) for v in data[key]) and not all(
        isinstance(v, bool) for v in data[key]
    )


def _sorted(
    data: pd.DataFrame, sort: str | None, metric: str | None, runs: Sequence[Run], shown: list[str]
) -> list[int]:
    if sort is None:
        if metric is None:
            return list(range(len(data)))
        key, descending = metric, frames.higher_is_better(runs, metric)
    else:
        word = sort.lstrip("-")
        key = word if word in shown else frames.resolve(word, list(data.columns))
        descending = sort.startswith("-")
    index = [{"i": i, key: _plain(data[key][i])} for i in range(len(data))]
    return [row["i"] for row in _by(index, key, descending)]


def _by(rows: list[dict[str, Any]], key: str, descending: bool) -> list[dict[str, Any]]:
    """Rows in the order of a column; missing values last either way, text after numbers."""
    known = [row for row in rows if row[key] is not None]
    missing = [row for row in rows if row[key] is None]

    def order(row: dict[str, Any]) -> tuple:
        value = row[key]
        return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value))

    return sorted(known, key=order, reverse=descending) + missing


def _best(rows: Sequence[dict[str, Any]], metric: str | None, runs: Sequence[Run]) -> frozenset[int]:
    if metric is None:
        return frozenset()
    values = [row[metric] for row in rows if row.get(metric) is not None and math.isfinite(row[metric])]
    if len(values) < 2:
        return frozenset()
    target = max(values) if frames.higher_is_better(runs, metric) else min(values)
    return frozenset(i for i, row in enumerate(rows) if row.get(metric) == target)


def _notes(runs: Sequence[Run], metric: str | None) -> list[str]:
    """How many runs did not finish, and that test scores are not for choosing."""
    notes = []
    total = len(runs)
    for status, what in (
        ("diverged", "diverged"),
        ("failed", "failed"),
        ("interrupted", "were interrupted (nnexp train --resume RUN)"),
        ("lost", "are lost: their process is gone (nnexp train --resume RUN)"),
        ("running", "are still running"),
    ):
        count = sum(run.status == status for run in runs)
        if count:
            notes.append(f"{count} of {total} runs {what}; no final value of theirs is in a mean")
    if metric is not None and metric.startswith("test_"):
        notes.append("test scores are for the last look; choose by validation")
    return notes
