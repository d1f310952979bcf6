"""`nnexp variance`: which random stream the differences between seeds come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnexp.cli.console import (
    FormatOption,
    OverridesArgument,
    QuietOption,
    RunsOption,
    SetOption,
    check_format,
    not_override,
    out,
    runs_root,
    say,
)
from nnexp.errors import InputError

if TYPE_CHECKING:
    from nnexp.sweep.plan import Plan


def variance(
    config: Annotated[Path, typer.Argument(help="An experiment's YAML file.")],
    overrides: OverridesArgument = None,
    settings: SetOption = None,
    levels: Annotated[int, typer.Option(min=2, max=20, help="Seeds of each stream that are crossed.")] = 2,
    blocks: Annotated[int, typer.Option(min=2, max=1000, help="How often, each time with other seeds.")] = 16,
    metric: Annotated[str | None, typer.Option(help="Whose variance; the first validation metric by default.")] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes; all cores by default.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which runs and how long, and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before very many runs.")] = False,
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
    from nnexp.sweep.start import default_jobs, start_early

    workers = jobs or default_jobs()
    if workers > 1 and not dry_run and config.is_file():
        start_early(["nnexp.cli.main"])
    from nnexp.report.tables import FORMATS, Column, Grid, render

    check_format(how, FORMATS)
    if metric is not None and metric.startswith("test_"):
        raise InputError(f"--metric: variance is judged by validation; say validation_{metric.removeprefix('test_')}")
    from functools import partial

    from nnexp.cli.display import display_for
    from nnexp.cli.planning import confirm
    from nnexp.cli.sweep import check_metric, planned
    from nnexp.cli.underway import UnderWay
    from nnexp.report.numbers import duration
    from nnexp.store.runs import Shelf
    from nnexp.sweep.description import read_sweep
    from nnexp.sweep.estimate import elapsed, total
    from nnexp.sweep.identity import Given, identify
    from nnexp.sweep.jobs import Orders
    from nnexp.sweep.variance import crossed, designed

    check_metric(metric)
    words = [*(overrides or []), *(settings or [])]
    described = read_sweep(config, words, 1, {"metric": metric})
    given = Given.of(config, words, {"metric": metric, "levels": levels, "blocks": blocks})
    design = designed(described, levels, blocks)
    confirm(design.runs, lambda: described.trials[0], workers, yes)
    root = runs_root(runs)
    known = partial(identify, given=given, new=True)
    with planned(crossed(described, design), root, known) as (course, data, identity):
        [stage] = course.stages(lambda: Shelf(root))
        plan = replace(stage.plan, folder=identity.folder(stage.plan))
        missing = len(plan.missing)
        told = [str(design)]
        seconds = 0.0
        if missing and (dry_run or not quiet):
            used = min(workers, missing)
            seconds = elapsed(total(plan.missing, plan.missing).seconds, missing, workers)
            told.append(f"about {duration(seconds)} on {used} process{'es' if used > 1 else ''}, by a few steps of one")
        if dry_run:
            rows = [{"source": name, "levels": levels, "blocks": blocks} for name in design.names]
            columns = [Column("source", "stream"), Column("levels", "seeds"), Column("blocks", "times")]
            meta = {"kind": "plan", "runs": design.runs, "missing": missing, "seconds": seconds}
            grid = Grid(columns, rows, notes=[*told, f"{missing} to run; nothing was run"], meta=meta)
            render(grid, how, out())
            return
        if not quiet:
            for line in told:
                say(line)
        with UnderWay(given, identity, display_for(quiet, False)) as under_way:
            under_way.run(plan, Orders(root, workers, described.limits, False, data), "")
            under_way.write(Shelf(root), over=under_way.interrupted is None)
    if under_way.interrupted is not None:
        say("interrupted; the same command goes on")
        raise typer.Exit(under_way.interrupted)
    _show(plan, Shelf(root), course.metric, design.names, levels, blocks, how, quiet)


def _show(
    plan: Plan, shelf: object, metric: str, names: list[str], levels: int, blocks: int, how: str, quiet: bool
) -> None:
    """The table of shares; exit code 3 where some runs have no score."""
    from nnexp.report.tables import render
    from nnexp.report.variance import arranged, components, table
    from nnexp.store.runs import Shelf

    assert isinstance(shelf, Shelf)
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
        render(grid, how, out())
    if lost:
        raise typer.Exit(3)
