"""Runs in a notebook: one tidy pandas frame, and the comparison of the command line from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnexp.errors import InputError
from nnexp.report.choose import matching
from nnexp.report.compare import compare as compare_runs
from nnexp.report.compare import count_look
from nnexp.report.firewall import look_at, open_to
from nnexp.report.frame import OUTCOME, config_columns, frame, metric_columns, missing
from nnexp.report.tables import Grid
from nnexp.store.runs import Run, Shelf, read_run, root_folder

if TYPE_CHECKING:
    from pandas import DataFrame

PLACE = "path"
"""The column that holds each run's folder."""


def load(
    place: str | Path | None = None, where: str | Sequence[str] = (), curves: bool = False, test: bool = False
) -> DataFrame:
    """Past runs as a pandas frame: a row a run, or with `curves` a row for each of its rows in metrics.csv.

    `place` is a runs folder, a sweep's or a run's; None for NNEXP_RUNS, else runs/. A name, an id, @last or @tag
    is looked for in that. `where` takes conditions as in `nnexp compare --where`. Columns are the outcome (id, status,
    seconds, ...), tags, configuration under dotted keys, final scores, and each run's folder, `path`; with `curves`
    outcome and configuration are repeated beside each row's epoch, step, losses and metrics. With `test` the test
    scores are among the final ones; that is a look at them, which is recorded, and `attrs["looks"]` says how many there
    were. Raises InputError where there is nothing, or a condition names what no run has.
    """
    if curves and test:
        raise InputError("curves hold no test scores; load the final ones with test=True and without curves")
    runs = matching(_runs(place), [where] if isinstance(where, str) else list(where), test)
    if not runs:
        raise InputError(f"no runs in {place or root_folder()}" + (f" where {where}" if where else ""))
    from pandas import DataFrame, concat

    data = frame(runs)
    metrics = metric_columns(runs)
    keys = [*OUTCOME, *config_columns(data, metrics)]
    columns: dict[str, list[Any]] = {key: [None if missing(v) else v for v in data[key]] for key in keys}
    columns["tags"] = [run.tags for run in runs]
    if not curves:
        scores = open_to({key: data[key] for key in metrics}, test)
        table = DataFrame({**columns, **scores, PLACE: [run.place for run in runs]})
        if test:
            table.attrs["looks"] = look_at(runs, "final")
        return table
    # what a run's record says of its end would be taken for the row's
    fixed = {key: values for key, values in columns.items() if key not in ("epoch", "step", "train_seconds")}
    parts = []
    for number, run in enumerate(runs):
        log = DataFrame(run.metrics())
        told = {key: [values[number]] * len(log) for key, values in fixed.items() if key not in log}
        parts.append(concat([DataFrame(told, index=log.index), log.assign(**{PLACE: run.place})], axis=1))
    return concat(parts, ignore_index=True)


def compare(data: DataFrame, by: str | Sequence[str] = (), metric: str | None = None, **options: Any) -> Grid:
    """The table of `nnexp compare` for the runs of a frame, or of what is left of it after filtering.

    `by` is a key or several, `options` are those of `report.compare.compare`: `sort`, `top`, `aggregate`, and `asked`,
    an `nnexp.report.asked.Asked` with a baseline, a margin, a summary, a score to reach, what to match, or `test=True`,
    whose looks are counted as the command's.
    The table shows itself in Jupyter; `str` gives text, `rows` the unrounded values. Raises InputError for a frame that
    `load` did not make, and as the command does.
    """
    if PLACE not in data.columns:
        raise InputError(f"the frame has no column '{PLACE}', which nnexp.load gives it")
    cases = list(data["case"]) if "case" in data.columns else [None] * len(data)
    runs: dict[str, Run] = {}
    for place, case in zip(data[PLACE], cases, strict=True):
        if place not in runs:
            found = read_run(Path(place))
            if not isinstance(found, Run):
                raise InputError(f"{place} has changed since it was loaded: {found.why}")
            runs[place] = found.with_case(case) if isinstance(case, str) else found
    grid = compare_runs(list(runs.values()), [by] if isinstance(by, str) else list(by), metric, **options)
    for root in sorted({run.path.parent for run in runs.values()}):
        count_look(grid, root)
    return grid


def _runs(place: str | Path | None) -> Sequence[Run]:
    """The runs in a folder, or those that a word means in the usual one. Raises InputError."""
    path = root_folder() if place is None else Path(place)
    if place is not None and not path.is_dir():
        return Shelf(root_folder()).select([str(place)])
    if (path / "run.json").is_file() or (path / "plan.json").is_file():
        # a sweep's folder lies in runs/sweeps, a run's in runs
        return Shelf(path.parent.parent if (path / "plan.json").is_file() else path.parent).select([str(path)])
    return Shelf(path).runs
