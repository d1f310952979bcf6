"""`nnexp variance`: which random stream the differences between seeds come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnexp.cli.console import EVERYTHING, check_format, not_override, out, runs_root
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
    from nnexp.sweep.plan import Plan


def variance(
    config: Annotated[Path, typer.Argument(help="An experiment's YAML file.")],
    overrides: OverridesArgument = None,
    settings: SetOption = None,
    levels: Annotated[int, typer.Option(min=2, max=20, help="Seeds of each stream that are crossed.")] = 2,
    blocks: Annotated[int, typer.Option(min=2, max=1000, help="How often, each time with other seeds.")] = 16,
    metric: Annotated[str | None, typer.Option(help="Whose variance; the first validation metric by default.")] = None,
    jobs: JobsOption = None,
    dry_run: CostOption = False,
    yes: ManyOption = False,
    quiet: QuietOption = False,
    how: FormatOption = "table",
    runs: RunsOption = None,
) -> None:
    """Cross the random streams (split, init, shuffle, dropout, ...) and print each one's share of the variance.

    Only streams that change something are crossed; one to which the file gives a seed of its own (streams: {split: 0})
    stays fixed. Finished runs are not trained again: the same command goes on, and shows the table again.
    Exit codes as of nnexp sweep.
    """
    not_override(config, "variance")
    workers = workers_for(jobs, not dry_run and config.is_file())
    from nnexp.report.tables import FORMATS, Column, Grid, render

    check_format(how, FORMATS)
    if metric is not None and metric.startswith("test_"):
        raise InputError(f"--metric: variance is judged by validation; say validation_{metric.removeprefix('test_')}")
    from nnexp.cli.sweep import check_metric
    from nnexp.cli.underway import carry_out
    from nnexp.store.runs import Shelf
    from nnexp.sweep.course import Course
    from nnexp.sweep.description import read_sweep
    from nnexp.sweep.identity import Given
    from nnexp.sweep.variance import crossed, designed

    check_metric(metric)
    words = [*(overrides or []), *(settings or [])]
    described = read_sweep(config, words, 1, {"metric": metric})
    given = Given.of(config, words, {"metric": metric, "levels": levels, "blocks": blocks})
    design = designed(described, levels, blocks)
    confirm(design.runs, lambda: described.trials[0], workers, yes)
    root = runs_root(runs)
    made = crossed(described, design)
    if dry_run:
        plan = Course(made, Shelf(root)).first
        told, seconds = cost_of(plan, workers)
        missing = len(plan.missing)
        rows = [{"source": name, "levels": levels, "blocks": blocks} for name in design.names]
        columns = [Column("source", "stream"), Column("levels", "seeds"), Column("blocks", "times")]
        meta = {"kind": "plan", "runs": design.runs, "missing": missing, "seconds": seconds}
        notes = [str(design), *told, f"{missing} to run; nothing was run"]
        render(Grid(columns, rows, notes=notes, meta=meta), how, out())
        return
    course, plan, shelf = carry_out(made, given, root, workers, str(design), quiet)
    _show(plan, shelf, course.metric, design.names, levels, blocks, how, quiet)


def _show(
    plan: Plan, shelf: Shelf, metric: str, names: list[str], levels: int, blocks: int, how: str, quiet: bool
) -> None:
    """The table of shares; exit code 3 where some runs have no score."""
    from nnexp.report.tables import render
    from nnexp.report.variance import arranged, components, table

    ended = shelf.ended()
    scores = [ended[job.fingerprint].final.get(metric) if job.fingerprint in ended else None for job in plan.jobs]
    y, lost = arranged(scores, blocks, levels, len(names))
    grid = table(components(y, names), metric)
    if lost:
        bad = sum(value is None for value in scores)
        grid.notes.append(
            f"{bad} runs failed or diverged; the {lost} of {blocks} blocks that they belong to are left out, so this "
            "is the variance of what is stable"
        )
    if not quiet:
        render(grid, how, out(), rest=EVERYTHING)
    if lost:
        raise typer.Exit(3)
