"""`nnexp calibrate`: a configuration against itself, to know what chance does to a comparison on its data."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnexp.cli.console import EVERYTHING, check_format, name_damaged, not_override, out, runs_root, say
from nnexp.cli.options import (
    CostOption,
    FormatOption,
    JobsOption,
    ManyOption,
    OverridesArgument,
    QuietOption,
    RunsOption,
    SetOption,
)
from nnexp.cli.planning import confirm, cost_of, workers_for
from nnexp.errors import InputError

if TYPE_CHECKING:
    from nnexp.store.runs import Shelf
    from nnexp.sweep.course import Course
    from nnexp.sweep.plan import Plan

FEWEST_SEEDS = 10
"""Below, the spread is too much of a guess: with 10 its interval reaches from 0.7 to 1.8 times what was found."""


def calibrate(
    context: typer.Context,
    config: Annotated[Path | None, typer.Argument(help="An experiment's YAML file; none: list what is kept.")] = None,
    overrides: OverridesArgument = None,
    settings: SetOption = None,
    seeds: Annotated[int, typer.Option("--seeds", help="Seeds, each of which is trained three times.")] = 40,
    n: Annotated[int, typer.Option("--compare-n", help="Pairs of the comparisons that the verdict is tried on.")] = 10,
    metric: Annotated[
        str | None, typer.Option(help="What to judge by; the first validation metric by default.")
    ] = None,
    jobs: JobsOption = None,
    dry_run: CostOption = False,
    yes: ManyOption = False,
    quiet: QuietOption = False,
    how: FormatOption = "table",
    runs: RunsOption = None,
) -> None:
    """Compare a configuration with itself: how often the verdict is wrong, and what it can tell.

    The result is kept in the runs folder, and nnexp compare shows it below tables of the same data and metric. Finished
    runs are not trained again: the same command goes on, and shows the table again. Exit codes as of nnexp sweep.
    """
    from nnexp.report.tables import FORMATS, Column, Grid, render

    check_format(how, FORMATS)
    root = runs_root(runs)
    if config is None:
        _list(context, root, how, quiet)
        return
    not_override(config, "calibrate")
    _check(seeds, n, metric)
    workers = workers_for(jobs, not dry_run and config.is_file())
    from nnexp.cli.sweep import check_metric
    from nnexp.cli.underway import carry_out
    from nnexp.store.runs import Shelf
    from nnexp.sweep.calibration import threefold
    from nnexp.sweep.course import Course
    from nnexp.sweep.description import read_sweep
    from nnexp.sweep.identity import Given

    check_metric(metric)
    words = [*(overrides or []), *(settings or [])]
    described = read_sweep(config, words, 1, {"metric": metric})
    given = Given.of(config, words, {"metric": metric, "seeds": seeds})
    itself = threefold(described, seeds)
    confirm(3 * seeds, lambda: described.trials[0], workers, yes)
    what = f"{3 * seeds} runs: each of {seeds} seeds, again with its split and initial parameters, again with its split"
    if dry_run:
        plan = Course(itself, Shelf(root)).first
        told, seconds = cost_of(plan, workers)
        row = {"seeds": seeds, "runs": 3 * seeds, "missing": len(plan.missing)}
        columns = [Column(key, key, right=True) for key in row]
        notes = [what, *told, "nothing was run"]
        render(Grid(columns, [row], notes=notes, meta={"kind": "plan", "seconds": seconds, **row}), how, out())
        return
    course, plan, shelf = carry_out(itself, given, root, workers, what, quiet)
    _finish(course, plan, shelf, n, how, quiet)


def _check(seeds: int, n: int, metric: str | None) -> None:
    """Raises InputError for what cannot be calibrated, before anything is read."""
    from nnexp.report.verdict import FEWEST

    if seeds < FEWEST_SEEDS:
        raise InputError(
            f"--seeds: {seeds} {'is' if seeds == 1 else 'are'} too few to know how much seeds differ; "
            f"at least {FEWEST_SEEDS}, better 40"
        )
    if n < FEWEST:
        raise InputError(f"--compare-n: with {n} the verdict makes no claim, and so no false one; at least {FEWEST}")
    if n > seeds:
        raise InputError(f"--compare-n: {n} pairs need as many seeds, and --seeds is {seeds}")
    if metric is not None and metric.startswith("test_"):
        instead = f"validation_{metric.removeprefix('test_')}"
        raise InputError(f"--metric: '{metric}' looks at the test split, which is not for choosing; say {instead}")


def _finish(course: Course, plan: Plan, shelf: Shelf, n: int, how: str, quiet: bool) -> None:
    """Work it out, keep it, show it; exit code 3 where some runs have no score."""
    from datetime import UTC, datetime

    from nnexp import __version__
    from nnexp.config.load import slug
    from nnexp.report.calibration import calibrate as worked_out
    from nnexp.report.calibration import table
    from nnexp.report.rows import datasets_of
    from nnexp.report.tables import render
    from nnexp.store.calibrations import keep
    from nnexp.sweep.calibration import sampling, shared

    metric, ended = course.metric, shelf.ended()
    found = [ended.get(job.fingerprint) for job in plan.jobs]
    scores = [None if run is None else run.final.get(metric) for run in found]
    result = worked_out(scores[::3], scores[1::3], scores[2::3], course.higher, n)
    good = [
        (run, job.trial)
        for run, job, value in zip(found[::3], plan.jobs[::3], scores[::3], strict=True)
        if run is not None and value is not None
    ]
    first = [run for run, _ in good]
    error = sampling(first, [trial for _, trial in good], metric)
    data = sorted({run.brief.data for run in first})
    free = shared(plan.jobs[0].trial.loaded.config, near=False)
    [dataset] = datasets_of(first)
    name = plan.jobs[0].trial.loaded.config.name
    document = {
        "name": slug(name),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "nnexp": __version__,
        "dataset": dataset,
        "metric": metric,
        "higher_is_better": course.higher,
        "n": n,
        "config": first[0].brief.setting.config,
        "data": data,
        "drawn": len(data) > 1,
        "result": asdict(result),
        "sampling": None if error is None else asdict(error),
    }
    keep(shelf.root, document)
    if not quiet:
        held = [stream for stream in ("data", "split", "condition") if stream not in free]
        render(table(result, error, metric, dataset, held), how, out(), rest=EVERYTHING)
        say(f"kept; 'nnexp compare SWEEP' shows it below tables of {metric} on {dataset}")
    if result.failed:
        raise typer.Exit(3)


def _list(context: typer.Context, root: Path, how: str, quiet: bool) -> None:
    """Show what is kept. Raises InputError for options that want a configuration, or where nothing is kept."""
    from nnexp.report.calibration import listed
    from nnexp.report.tables import render
    from nnexp.store.calibrations import kept

    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in ("how", "runs", "quiet") and source is not None and source.name == "COMMANDLINE":
            raise InputError("calibrate what? the configuration comes first: nnexp calibrate FILE [KEY=VALUE]...")
    found, damaged = kept(root)
    name_damaged(damaged)
    if not found:
        raise InputError(f"no calibrations in {root}; make one: nnexp calibrate configs/digits.yaml")
    if not quiet:
        render(listed(found), how, out(), rest=EVERYTHING)
