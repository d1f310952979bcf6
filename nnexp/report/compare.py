"""Comparing runs: one row a run, or one row a level with its mean over seeds and its interval."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from nnexp.errors import InputError, did_you_mean
from nnexp.report import frame as frames
from nnexp.report.choose import matching
from nnexp.report.frame import Frame
from nnexp.report.numbers import decimals_for, duration, number, score
from nnexp.report.statistics import Summary, summarize
from nnexp.report.tables import Column, Grid, headings
from nnexp.store.runs import Run


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
    given = conditions
    runs = matching(runs, conditions)
    data = frames.frame(runs)
    chosen = [runs[i] for i in data.index]
    if not chosen:
        raise InputError("no runs are left to compare" + (f" where {' and '.join(given)}" if given else ""))
    metrics = frames.metric_columns(chosen)
    metric = named_metric(metric, metrics) if metric and metrics else frames.default_metric(chosen, metrics)
    config = frames.config_columns(data, metrics)
    for key in set(by) & set(metrics):
        raise InputError(f"--by: '{key}' is a metric; judge by it with --metric {key}, and average by a key such as lr")
    keys = [frames.resolve(key, [*config, *frames.OUTCOME]) for key in by]
    differing = frames.essential(data, config)
    if None not in data["case"] and len(set(data["case"])) > 1:
        implied = (
            [] if by or aggregate is False else [key for key in differing if not _varies_within(data, ["case"], key)]
        )
        differing = ["case", *(key for key in differing if key not in implied)]
    if not keys and aggregate is not False and "seed" in differing:
        settings = [key for key in differing if key != "seed"] or ["name"]
        keys = settings if len(_groups(data, settings)) < len(data) else []
    if keys and aggregate is not False:
        return _levels(chosen, data, keys, differing, metric, metrics, sort, top)
    return _runs(chosen, data, differing, metric, metrics, sort, top)


def named_metric(word: str, metrics: Sequence[str]) -> str:
    """The metric that a word means: itself, or `accuracy` for the first split that has it. Raises InputError."""
    found = [name for name in metrics if word in (name, name.partition("_")[2])]
    if found:
        return found[0]
    offered = [name for name in metrics if not name.startswith("test_")]
    guess = did_you_mean(word, [*(name.partition("_")[2] for name in offered), *offered])
    raise InputError(f"no run has the metric '{word}'{guess} (there is {', '.join(metrics)})")


def _groups(data: Frame, keys: list[str]) -> dict[tuple, list[int]]:
    """Rows by their values of the keys, in the order of their first."""
    groups: dict[tuple, list[int]] = {}
    for i, level in enumerate(zip(*(map(_plain, data[key]) for key in keys), strict=True)):
        groups.setdefault(level, []).append(i)
    return groups


def _varies_within(data: Frame, keys: list[str], key: str) -> bool:
    """Whether a column takes several values in any one group of `keys`."""
    combined = {tuple(map(_plain, level)) for level in data.combinations(*keys, key)}
    return len(combined) > len({level[:-1] for level in combined})


def _distinct(runs: Sequence[Run]) -> list[int]:
    """The runs that count in a mean: of several runs of the same computation one, the last that has a result."""
    last: dict[str, int] = {}
    for i, run in enumerate(runs):
        key = run.brief.fingerprint
        if key not in last or run.brief.scores or not runs[last[key]].brief.scores:
            last[key] = i
    return sorted(last.values())


def _runs(
    runs: Sequence[Run],
    data: Frame,
    differing: list[str],
    metric: str | None,
    metrics: list[str],
    sort: str | None,
    top: int | None,
) -> Grid:
    shown = [m for m in metrics if not m.startswith("test_") or m == metric]
    if metric in shown:
        shown = [metric, *(m for m in shown if m != metric)]
    names = len(set(data["name"])) > 1
    keys = [*(["name"] if names else []), *differing]
    heads = headings([*keys, *shown])
    columns = [Column("id", "run")]
    columns += [Column(key, heads[key], number, _numeric(data, key), 1 if i > 3 else 0) for i, key in enumerate(keys)]
    if any(run.status != "finished" for run in runs):
        columns.append(Column("status", "status"))
    columns.append(Column("epoch", "epochs", number, True, 2))
    columns += [Column(m, m, score, True, 0 if i == 0 else 3 + i) for i, m in enumerate(shown)]
    columns.append(Column("train_seconds", "time", duration, True, 2))
    order = _sorted(data, sort, metric, runs, columns)
    rows = [{column.key: _plain(data[column.key][i]) for column in columns} for i in order]
    best = frozenset() if metric is None else _best([row[metric] for row in rows], metric, runs, top)
    rows = rows[:top]
    notes = _notes(runs, metric)
    if len(rows) < len(data):
        notes.append(f"{len(rows)} of {len(data)} runs shown")
    return Grid(columns, rows, best, notes=notes, meta={"kind": "runs", "metric": metric})


def _levels(
    runs: Sequence[Run],
    data: Frame,
    keys: list[str],
    differing: list[str],
    metric: str | None,
    metrics: list[str],
    sort: str | None,
    top: int | None,
) -> Grid:
    counted = _distinct(runs)
    repeats = len(runs) - len(counted)
    runs = [runs[i] for i in counted]
    data = data.take(counted)
    rows = []
    spread = []
    for level, index in _groups(data, keys).items():
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
            "seconds": _mean([data["train_seconds"][i] for i in index]),
        }
        for name in ("diverged", "failed", "pruned", "interrupted", "lost", "running"):
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
    for name in ("diverged", "failed", "pruned", "interrupted", "lost", "running"):
        if any(row[name] for row in rows):
            columns.append(Column(name, name, _count, True, 0 if name == "diverged" else 1))
    columns.append(Column("seconds", "time", duration, True, 2))
    better = frames.higher_is_better(runs, metric or "")
    if sort is None:
        rows.sort(key=lambda row: (row["mean"] is None, (-1 if better else 1) * (row["mean"] or 0.0)))
    else:
        descending, word = sort.startswith("-"), sort.lstrip("-")
        word = {"value": "mean", metric: "mean"}.get(word, word)
        rows = _by(rows, _column(word, [c for c in columns if not c.parts]), descending)
    total = len(rows)
    best = _best([row["mean"] for row in rows], metric or "", runs, top)
    rows = rows[:top]
    notes = _notes(runs, metric, "; the means are without them")
    if repeats:
        notes.append(f"{repeats} more of the same configuration, seed and data: a repetition counts once")
    pooled = [key for key in differing if key not in (*keys, "seed") and _varies_within(data, keys, key)]
    if pooled:
        notes.append(f"each mean also pools different {', '.join(pooled[:4])}; add --by for them")
    if len(rows) < total:
        notes.append(f"{len(rows)} of {total} levels shown")
    title = f"{metric or 'no result yet,'} by {', '.join(heads[key] for key in keys)}"
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


def _numeric(data: Frame, key: str) -> bool:
    return all(isinstance(v, int | float) or frames._missing(v) for v in data[key]) and not all(
        isinstance(v, bool) for v in data[key]
    )


def _column(word: str, shown: Sequence[Column], more: Sequence[str] = ()) -> str:
    """The column to sort by: a key or heading of the table, or a key that the runs have. Raises InputError."""
    for column in shown:
        if word in (column.key, column.heading):
            return column.key
    return frames.resolve(word, [*(column.key for column in shown), *more])


def _sorted(
    data: Frame, sort: str | None, metric: str | None, runs: Sequence[Run], shown: Sequence[Column]
) -> list[int]:
    if sort is None:
        if metric is None:
            return list(range(len(data)))
        key, descending = metric, frames.higher_is_better(runs, metric)
    else:
        key = _column(sort.lstrip("-"), shown, data.columns)
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


def _best(values: Sequence[Any], metric: str, runs: Sequence[Run], top: int | None) -> frozenset[int]:
    """Where the best value of all stands among the first `top`; nowhere if there is nothing to be better than."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return frozenset()
    target = max(known) if frames.higher_is_better(runs, metric) else min(known)
    return frozenset(i for i, value in enumerate(values[:top]) if value == target)


def _notes(runs: Sequence[Run], metric: str | None, consequence: str = "") -> list[str]:
    """How many runs did not finish, and that test scores are not for choosing."""
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
    if metric is not None and metric.startswith("test_"):
        notes.append("test scores are for the last look; choose by validation")
    return notes
