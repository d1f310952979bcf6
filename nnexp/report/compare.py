"""Comparing runs: one row a run, or one row a level with its mean over seeds and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnexp.errors import InputError
from nnexp.report import frame as frames
from nnexp.report.asked import Asked, Wanted
from nnexp.report.choose import matching
from nnexp.report.firewall import not_test, told
from nnexp.report.frame import Frame
from nnexp.report.numbers import duration, number, score
from nnexp.report.rows import (
    best_of,
    column_of,
    datasets_of,
    groups_of,
    named_metric,
    notes_on,
    numeric,
    ordered_by,
    plain,
    varies_within,
)
from nnexp.report.tables import Column, Grid, headings
from nnexp.store.looks import look
from nnexp.store.runs import Run
from nnexp.store.scores import TEST


def compare(
    runs: Sequence[Run],
    by: Sequence[str] = (),
    metric: str | None = None,
    conditions: Sequence[str] = (),
    sort: str | None = None,
    top: int | None = None,
    aggregate: bool | None = None,
    asked: Asked | None = None,
) -> Grid:
    """The table that `nnexp compare` shows.

    Without `by`, runs that differ only in their seeds are put together (`aggregate` None or True) by the
    configuration keys that vary; where each has one seed, or with `aggregate` False, every run has a row. Levels are
    judged as `asked`. Raises InputError for keys, metrics, conditions and baselines that no run knows, and for an empty
    selection.
    """
    given, asked = conditions, asked or Asked()
    for option, word in (("--metric", metric), ("--sort", sort)):
        if word and not asked.test:
            not_test(option, word, (word.lstrip("-"),))
    runs = matching(runs, conditions, asked.test)
    data = frames.frame(runs)
    chosen = [runs[i] for i in data.index]
    if not chosen:
        raise InputError("no runs are left to compare" + (f" where {' and '.join(given)}" if given else ""))
    metrics = frames.metric_columns(chosen)
    open_to = [name for name in metrics if asked.test or not name.startswith(TEST)]
    metric = named_metric(metric, open_to) if metric and metrics else frames.default_metric(chosen, open_to)
    config = frames.config_columns(data, metrics)
    option = "--pivot" if asked.pivot else "--by"
    for key in set(by) & set(metrics):
        raise InputError(
            f"{option}: '{key}' is a metric; judge by it with --metric {key}, and average by a key such as lr"
        )
    keys = [frames.resolve(key, [*config, *frames.OUTCOME]) for key in by]
    if asked.pivot:
        from nnexp.report.pivot import two_way

        _by_final_scores(asked, "--pivot")
        return two_way(chosen, keys, metric, config, asked)
    differing = frames.essential(data, config)
    if None not in data["case"] and len(set(data["case"])) > 1:
        implied = (
            [] if by or aggregate is False else [key for key in differing if not varies_within(data, ["case"], key)]
        )
        differing = ["case", *(key for key in differing if key not in implied)]
    if not keys and aggregate is not False and "seed" in differing:
        settings = [key for key in differing if key != "seed"] or ["name"]
        keys = settings if len(groups_of(data, settings)) < len(data) else []
    if aggregate is not False and (keys or asked.across):
        from nnexp.report.datasets import over_tasks
        from nnexp.report.tasks import across_key, keys_within

        across = across_key(data, keys if by else (), config, asked.across, bool(by))
        if across:
            _by_final_scores(asked, f"a comparison over several values of {across} (choose one with --where)")
            compared = keys if by else keys_within(data, differing, across)
            return over_tasks(chosen, data, across, Wanted(compared, metric, config, sort, top, asked))
    if keys and aggregate is not False:
        from nnexp.report.levels import levels

        return levels(chosen, data, differing, Wanted(keys, metric, config, sort, top, asked))
    if asked.curves or asked.match:
        raise InputError(
            "--summary, --reach and --match are for levels, and here every run has a row; say by what: --by KEY"
        )
    if asked.explicit:
        raise InputError("--baseline and --margin compare levels, and here every run has a row; say by what: --by KEY")
    return _runs(chosen, data, differing, metric, open_to, sort, top, asked.test)


def _by_final_scores(asked: Asked, what: str) -> None:
    """Raises InputError where something else is asked for, and `what` knows final scores alone."""
    if asked.curves or asked.match:
        raise InputError(f"--summary, --reach and --match do not go with {what}: it judges final scores")


def count_look(grid: Grid, root: Path) -> None:
    """Where a table shows test scores, record the look in this runs folder, and say below how many there have been."""
    if (tested := grid.meta.get("tested")) is None:
        return
    tested["looks"] = look(root, tested["datasets"], str(grid.meta["metric"]), tested["runs"])
    grid.notes.append(told(tested["looks"]))


def _runs(
    runs: Sequence[Run],
    data: Frame,
    differing: list[str],
    metric: str | None,
    metrics: list[str],
    sort: str | None,
    top: int | None,
    test: bool,
) -> Grid:
    shown = list(metrics)
    if metric in shown:
        shown = [metric, *(m for m in shown if m != metric)]
    names = len(set(data["name"])) > 1
    keys = [*(["name"] if names else []), *differing]
    heads = headings([*keys, *shown])
    columns = [Column("id", "run")]
    columns += [Column(key, heads[key], number, numeric(data, key), 1 if i > 3 else 0) for i, key in enumerate(keys)]
    if any(run.status != "finished" for run in runs):
        columns.append(Column("status", "status"))
    columns.append(Column("epoch", "epochs", number, True, 2))
    columns += [Column(m, m, score, True, 0 if i == 0 else 3 + i) for i, m in enumerate(shown)]
    columns.append(Column("train_seconds", "time", duration, True, 2))
    order = _sorted(data, sort, metric, runs, columns)
    rows = [{column.key: plain(data[column.key][i]) for column in columns} for i in order]
    best = frozenset() if metric is None else best_of([row[metric] for row in rows], metric, runs, top)
    rows = rows[:top]
    notes = notes_on(runs)
    if len(rows) < len(data):
        notes.append(f"{len(rows)} of {len(data)} runs shown")
    meta: dict[str, Any] = {"kind": "runs", "metric": metric}
    if test:
        meta["tested"] = {"datasets": datasets_of(runs), "runs": len(rows)}
    return Grid(columns, rows, best, notes=notes, meta=meta)


def _sorted(
    data: Frame, sort: str | None, metric: str | None, runs: Sequence[Run], shown: Sequence[Column]
) -> list[int]:
    if sort is None:
        if metric is None:
            return list(range(len(data)))
        key, descending = metric, frames.higher_is_better(runs, metric)
    else:
        key = column_of(sort.lstrip("-"), shown, data.columns)
        descending = sort.startswith("-")
    index = [{"i": i, key: plain(data[key][i])} for i in range(len(data))]
    return [row["i"] for row in ordered_by(index, key, descending)]
