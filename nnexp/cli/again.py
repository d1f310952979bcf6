"""`nnexp reproduce` and `nnexp diff`: a run trained again, and two runs beside each other."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnexp.cli.console import check_format, name_damaged, out, runs_root, say
from nnexp.cli.options import (
    DocumentOption,
    FormatOption,
    QuietOption,
    RunArgument,
    RunsOption,
    TestOption,
    complete_run,
)
from nnexp.errors import InputError

if TYPE_CHECKING:
    from nnexp.report.differences import Reproduction
    from nnexp.store.runs import Run

NOT_MET = 4
"""Exit code for a condition that was stated and is not met."""
REPRODUCIBLE = ("finished", "diverged")
"""How a run ends that depends on nothing but its configuration and data."""
MOST = 6
"""Columns and arrays that are named one by one."""


def reproduce(
    word: RunArgument = "@last",
    quiet: QuietOption = False,
    how: DocumentOption = "table",
    runs: RunsOption = None,
) -> None:
    """Train a run again in a temporary folder and say whether the bytes are the same.

    Compared are metrics.csv, but for its seconds, and the final parameters. Exit code 0: the same. 4: not the same; the
    first epoch that differs is named, and what differs in data, versions, machine, threads and form.
    """
    check_format(how, ("table", "json"))
    from nnexp.store.runs import Shelf

    shelf = Shelf(runs_root(runs))
    name_damaged(shelf.damaged)
    run = shelf.one(word)
    if run.status not in REPRODUCIBLE:
        go_on = f"; nnexp train --resume {run.id}" if run.status in ("interrupted", "lost") else ""
        raise InputError(f"run {run.id} is {run.status}: it has no end to compare with{go_on}")
    found = _train_again(run, quiet or how == "json")
    if how == "json":
        typer.echo(json.dumps(_document(run, found), indent=1, ensure_ascii=False, allow_nan=False))
    elif not quiet or not found.same:
        _tell(run, found)
    if not found.same:
        raise typer.Exit(NOT_MET)


def _train_again(run: Run, quiet: bool) -> Reproduction:
    from nnexp.cli.console import experiment_for
    from nnexp.cli.interrupt import Interrupt
    from nnexp.cli.progress import Progress
    from nnexp.config.load import load_data
    from nnexp.report.differences import reproduction
    from nnexp.report.numbers import duration
    from nnexp.runner import begin, train
    from nnexp.store.runs import Run, read_run

    experiment = experiment_for(load_data(run.record["config"], str(run.path / "run.json")))
    if not quiet and run.record.get("train_seconds") is not None:
        say(f"training {run.path.name} again; it took {duration(run.record['train_seconds'])} of training")
    with tempfile.TemporaryDirectory(prefix="nnexp-") as scratch, Interrupt("stopping") as interrupt:
        folder = begin(experiment, Path(scratch))
        if quiet:
            record = train(experiment, folder, stop_asked=lambda: interrupt.asked)
        else:
            with Progress(experiment, run.name) as progress:
                progress.preparing()
                record = train(experiment, folder, progress, lambda: interrupt.asked)
        if record["status"] == "interrupted":
            say("interrupted: nothing is known")
            raise typer.Exit(interrupt.exit_code)
        again = read_run(folder.path)
        assert isinstance(again, Run), again
        return reproduction(run, again)


def _tell(run: Run, found: Reproduction) -> None:
    from nnexp.report.differences import explained
    from nnexp.report.numbers import number

    if found.same:
        what = "metrics.csv and the final parameters are" if found.status[0] == "finished" else "metrics.csv is"
        typer.echo(f"reproduced: {run.id}: {what} the same to the bit")
    else:
        typer.echo(f"not the same: {run.id}")
    if found.status[0] != found.status[1]:
        typer.echo(f"  it {found.status[0]}, and this time it {found.status[1]}")
    if found.parting is not None:
        typer.echo(f"  metrics.csv differs from epoch {number(found.parting.epoch)} on:")
        for name, (old, new) in list(found.parting.columns.items())[:MOST]:
            apart = f" (by {abs(new - old):.3g})" if old is not None and new is not None else ""
            typer.echo(f"    {name}  {number(old, 17)}, this time {number(new, 17)}{apart}")
        if len(found.parting.columns) > MOST:
            typer.echo(f"    and {len(found.parting.columns) - MOST} more columns")
    if found.log:
        typer.echo(f"  metrics.csv: {found.log}")
    if found.parameters:
        named = [f"{name}{'' if by is None else f' (by {by:.3g} at most)'}" for name, by in found.parameters.items()]
        more = f" and {len(named) - MOST} more" if len(named) > MOST else ""
        typer.echo(f"  the final parameters differ: {', '.join(named[:MOST])}{more}")
    if found.suspects:
        typer.echo("what is not as it was:")
        for key, (old, new) in found.suspects.items():
            typer.echo(f"  {key}  {number(old)}, now {number(new)}")
    elif not found.same:
        typer.echo("data, versions, machine, threads and form are as they were; so this is a mistake in nnexp, or in")
        typer.echo("a file of the run that was changed by hand")
    if not found.same:
        for text in explained(list(found.suspects)):
            typer.echo(text)


def _document(run: Run, found: Reproduction) -> dict[str, Any]:
    from nnexp.report.tables import JSON_FORMAT
    from nnexp.store.folder import finite

    parting = found.parting
    pairs = None if parting is None else {name: list(pair) for name, pair in parting.columns.items()}
    return finite(
        {
            "format": JSON_FORMAT,
            "kind": "reproduction",
            "id": run.id,
            "same": found.same,
            "status": list(found.status),
            "metrics": {"epoch": None if parting is None else parting.epoch, "columns": pairs or {}, "note": found.log},
            "parameters": found.parameters,
            "suspects": {key: list(pair) for key, pair in found.suspects.items()},
        }
    )


def diff(
    one: Annotated[str, typer.Argument(metavar="RUN", help="An id, folder or @last~1.", autocompletion=complete_run)],
    other: RunArgument,
    test: TestOption = False,
    how: FormatOption = "table",
    runs: RunsOption = None,
) -> None:
    """Show in what two runs differ: configuration, outcome, versions, machine; and their scores."""
    from nnexp.report.differences import difference
    from nnexp.report.firewall import look_at, told
    from nnexp.report.tables import FORMATS, render
    from nnexp.store.runs import Shelf

    check_format(how, FORMATS)
    shelf = Shelf(runs_root(runs))
    name_damaged(shelf.damaged)
    a, b = shelf.one(one), shelf.one(other)
    if a.path.resolve() == b.path.resolve():
        raise InputError(f"'{one}' and '{other}' are the same run, {a.id}")
    grid = difference(a, b, test)
    if test:
        grid.meta["looks"] = look_at([a, b], "final")
        grid.notes.append(told(grid.meta["looks"]))
    render(grid, how, out(), every_column=True)
