"""`nnexp train`: one run, from a configuration or from where it was interrupted."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from nnexp.cli.console import check_format, err, experiment_for, name_damaged, not_override, out, runs_root, say
from nnexp.cli.options import DocumentOption, OverridesArgument, QuietOption, RunsOption, SetOption, complete_run
from nnexp.errors import InputError


def train(
    config: Annotated[Path | None, typer.Argument(help="A YAML file; `nnexp init` writes one.")] = None,
    overrides: OverridesArgument = None,
    settings: SetOption = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Go on with an interrupted run; with stop.epochs=N, from where a finished one ended.",
            autocompletion=complete_run,
        ),
    ] = None,
    quiet: QuietOption = False,
    how: DocumentOption = "table",
    runs: RunsOption = None,
) -> None:
    """Train one configuration and log every epoch.

    Exit code 0: done. 1: the run failed or diverged. 2: the input was wrong. 130: interrupted, checkpoint written.
    """
    check_format(how, ("table", "json"))
    changes = [*(overrides or []), *(settings or [])]
    if resume is not None:
        if config is not None and "=" in str(config) and not config.exists():
            changes, config = [str(config), *changes], None
        if config is not None:
            raise InputError("--resume goes on with a run as it is; give no configuration")
        if changes:
            _go_beyond(resume, changes, quiet, how, runs_root(runs))
        else:
            _resume(resume, quiet, how, runs_root(runs))
        return
    if config is None:
        raise InputError("which configuration? for example: nnexp train configs/digits.yaml (nnexp init writes one)")
    not_override(config, "train")
    from nnexp.config.load import load, slug

    loaded = load(config, changes)
    experiment = experiment_for(loaded)
    label = slug("-".join(c.partition("=")[0].rsplit(".", 1)[-1] + "-" + c.partition("=")[2] for c in changes))
    from nnexp.runner import begin, compiling_told

    with compiling_told((lambda text: None) if quiet else say):
        folder = begin(experiment, runs_root(runs), label if changes else "")
    _train(experiment, folder, quiet, how)


def _resume(word: str, quiet: bool, how: str, root: Path) -> None:
    from nnexp.runner import reopen
    from nnexp.store.runs import Shelf

    shelf = Shelf(root)
    name_damaged(shelf.damaged)
    experiment, folder = reopen(shelf.one(word))
    _train(experiment, folder, quiet, how)


def _go_beyond(word: str, changes: list[str], quiet: bool, how: str, root: Path) -> None:
    """A new run with more epochs, from where a finished one has ended. Raises InputError where that cannot be."""
    from nnexp.config.load import load
    from nnexp.longer import of_more_epochs
    from nnexp.runner import begin
    from nnexp.store.runs import Shelf

    shelf = Shelf(root)
    name_damaged(shelf.damaged)
    run = shelf.one(word)
    experiment = experiment_for(load(run.path / "config.yaml", changes))
    of_more_epochs(experiment, run)
    label = "-".join(part for part in (run.record.get("label"), f"epochs-{experiment.config.stop.epochs}") if part)
    folder = begin(experiment, root, label)
    _train(experiment, folder, quiet, how, run)


def _train(experiment: Any, folder: Any, quiet: bool, how: str, source: Any = None) -> None:
    from nnexp.cli.interrupt import Interrupt
    from nnexp.cli.progress import Progress
    from nnexp.engine.compiling import uncached
    from nnexp.runner import compiling_told
    from nnexp.runner import train as run
    from nnexp.store.room import Unwritable

    if not quiet:
        if why := uncached():
            say(why)
        for note in experiment.data.notes:
            say(f"note: {note}")
        say(f"writing {folder.path}")
    try:
        with Interrupt() as interrupt:
            if quiet:
                record = run(experiment, folder, stop_asked=lambda: interrupt.asked, source=source)
            else:
                with compiling_told(say), Progress(experiment, experiment.config.name) as progress:
                    progress.preparing()
                    record = run(experiment, folder, progress, lambda: interrupt.asked, source)
    except Unwritable as error:
        say(f"{error}\ngo on when there is room: nnexp train --resume {folder.id}")
        raise typer.Exit(1) from None
    if how == "json":
        from nnexp.report.firewall import open_to

        document = {"path": str(folder.path), **folder.read_record()}
        if document.get("final") is not None:
            document["final"] = open_to(document["final"], test=False)
        typer.echo(json.dumps(document, indent=1))
    elif not quiet and record["status"] == "finished":
        _summary(experiment, folder, record)
    if record["status"] == "interrupted":
        say(f"{record['reason']}; go on with: nnexp train --resume {record['id']}")
        raise typer.Exit(interrupt.exit_code)
    if record["status"] == "diverged":
        say(f"diverged: {record['reason']}")
        say(_hint(experiment, record))
        raise typer.Exit(1)


def _summary(experiment: Any, folder: Any, record: dict[str, Any]) -> None:
    from nnexp.engine.data import SPLITS
    from nnexp.report.firewall import open_to, unseen
    from nnexp.report.numbers import duration, score
    from nnexp.report.tables import Column, Grid, render

    final = open_to(record["final"], test=False)
    names = ["loss", *(metric.name for metric in experiment.metrics)]
    columns = [Column("split", "split")]
    if experiment.data.features:  # a surface has none
        columns.append(Column("n", "examples", right=True))
    columns += [Column(name, name, score, True) for name in names]
    rows = []
    for split in (*SPLITS, "prequential"):
        if f"{split}_loss" in final:
            row = {"split": split, "n": len(experiment.data.split("train" if split == "prequential" else split))}
            rows.append(row | {name: final[f"{split}_{name}"] for name in names})
    render(Grid(columns, rows), "table", out())
    took = duration(record["train_seconds"])
    err().print(
        f"{record['reason']}, {record['step']:,} steps, {took} of training, {record['parameters']:,} parameters",
        markup=False,
    )
    if len(final) < len(record["final"]):
        say(unseen(record["id"]))
    say(f"look closer: nnexp show {record['id']}    compare: nnexp compare {shlex.quote(record['name'])}")


def _hint(experiment: Any, record: dict[str, Any]) -> str:
    """What to try after a divergence."""
    from nnexp.components.surfaces import Surface

    config = experiment.config
    dataset = config.dataset
    if isinstance(dataset, Surface) and not len(dataset.minima()):
        return f"{dataset.label()} has no lower bound, so every way down ends like this"
    key = "pretrain" if config.pretrain is not None and "pretraining" not in record else "optimizer"
    part = getattr(config, key)
    usual = type(part).model_fields["lr"].default
    ideas = [f"a smaller learning rate ({key}.lr={min(part.lr / 10, usual):g})"]
    if not getattr(dataset, "preprocessing", True):
        ideas.append("standardized inputs (dataset.preprocessing=standardize)")
    scaled = getattr(experiment.config.dataset, "scale_target", True)
    if experiment.data.classes is None and not scaled and experiment.loss.takes_scaled:
        ideas.append("a standardized target (dataset.scale_target=true)")
    return "try " + ", or ".join(ideas)
