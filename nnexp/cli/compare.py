"""`nnexp compare` and `nnexp show`: past runs side by side, and one run in full."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnexp.cli.console import check_format, labels_of, name_damaged, out, runs_root, say, text_width
from nnexp.cli.options import (
    AxisOption,
    BaselineOption,
    ByOption,
    ConfoundedOption,
    DocumentOption,
    FormatOption,
    MarginOption,
    MatchOption,
    MetricOption,
    ReachOption,
    RunArgument,
    RunsOption,
    RunWords,
    SummaryOption,
    TestOption,
    WhereOption,
    keys_of,
)
from nnexp.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from nnexp.cli.verdicts import Told
    from nnexp.report.asked import Asked
    from nnexp.store.runs import Run, Shelf


def compare(
    words: RunWords = None,
    by: ByOption = None,
    where: WhereOption = None,
    metric: MetricOption = None,
    baseline: BaselineOption = None,
    margin: MarginOption = None,
    allow_confounded: ConfoundedOption = False,
    pivot: Annotated[
        str | None, typer.Option("--pivot", metavar="A,B", help="A table of A by B, and whether they interact.")
    ] = None,
    across: Annotated[
        str | None,
        typer.Option("--across", metavar="KEY", help="A table for each value of KEY, such as dataset, and ranks."),
    ] = None,
    test: TestOption = False,
    summary: SummaryOption = "last",
    reach: ReachOption = None,
    over: AxisOption = None,
    match: MatchOption = None,
    sort: Annotated[str | None, typer.Option(metavar="COLUMN", help="Order; -COLUMN for the largest first.")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Only the first so many rows.")] = None,
    each: Annotated[bool, typer.Option("--each", help="One row a run, even where seeds could be averaged.")] = False,
    columns: Annotated[str, typer.Option(help="auto: as many as fit; all: every one.")] = "auto",
    how: FormatOption = "table",
    runs: RunsOption = None,
) -> None:
    """Show past runs side by side: what differs, what came out, what is better, and whether that is known."""
    from nnexp.report.tables import FORMATS

    check_format(how, FORMATS)
    if columns not in ("auto", "all"):
        raise InputError(f"--columns: '{columns}' is neither auto nor all")
    keys = keys_of(by)
    if keys and each:
        raise InputError("--by averages and --each does not; give one of them")
    if across is not None and each:
        raise InputError("--across averages and --each does not; give one of them")
    if pivot is not None:
        given = {"--by": by, "--each": each, "--sort": sort, "--top": top, "--baseline": baseline, "--across": across}
        if other := next((option for option, value in {**given, "--test": test}.items() if value), None):
            raise InputError(f"--pivot shows every pair of values of its two keys; {other} does not go with it")
        keys = keys_of([pivot])
    from nnexp.report.asked import Asked

    asked = Asked(
        baseline,
        margin,
        allow_confounded,
        test,
        summary=summary,
        x=over,
        reach=reach,
        match=match,
        pivot=pivot is not None,
        across=across,
    )
    root = runs_root(runs)
    show_comparison(select(words, where, root), keys, metric, where, sort, top, each, columns, how, asked, root)


def show_comparison(
    chosen: list[Run],
    by: list[str],
    metric: str | None,
    where: list[str] | None,
    sort: str | None,
    top: int | None,
    each: bool,
    columns: str,
    how: str,
    asked: Asked | None = None,
    root: Path | None = None,
    claim: Told | None = None,
) -> None:
    """Print the comparison of these runs to stdout, with what became of a claim at its end."""
    from nnexp.report.compare import compare as make
    from nnexp.report.compare import count_look
    from nnexp.report.tables import render

    grid = make(chosen, by, metric, where or (), sort, top, aggregate=False if each else None, asked=asked)
    if root is not None:
        count_look(grid, root)
    if claim is not None:
        grid.meta["claim"] = claim.plain()
        grid.notes.extend(claim.sentences)
    render(grid, how, out(), columns == "all")


def select(words: list[str] | None, where: list[str] | None, root: Path) -> list[Run]:
    """As `selected`, among all runs in a folder; what is damaged there is named."""
    from nnexp.store.runs import Shelf

    shelf = Shelf(root)
    name_damaged(shelf.damaged)
    return selected(words, where, shelf)


def selected(words: list[str] | None, where: list[str] | None, shelf: Shelf) -> list[Run]:
    """The runs that words mean; without words the latest, or all where there are conditions. Raises InputError."""
    if words:
        return shelf.select(words)
    if not shelf.runs:
        raise InputError(f"no runs in {shelf.root}; train one first: nnexp train configs/digits.yaml")
    return shelf.runs if where else shelf.latest()


def show(
    word: RunArgument = "@last",
    test: TestOption = False,
    how: DocumentOption = "table",
    runs: RunsOption = None,
) -> None:
    """Show one run: configuration, curves, final metrics, versions."""
    check_format(how, ("table", "json"))
    from nnexp.report.firewall import look_at, open_to
    from nnexp.store.folder import finite
    from nnexp.store.runs import Shelf

    shelf = Shelf(runs_root(runs))
    name_damaged(shelf.damaged)
    run = shelf.one(word)
    looks = look_at([run], "final") if test else {}
    try:
        metrics = run.metrics()
    except InputError as error:
        say(str(error))
        metrics = {}
    if how == "json":
        document = {**run.record, "status": run.status, "path": str(run.path), "metrics": metrics}
        document |= {"tags": labels_of(run).tags, "note": labels_of(run).note}
        if document.get("final") is not None:
            document["final"] = open_to(document["final"], test)
        if test:
            document["looks"] = looks
        typer.echo(json.dumps(finite(document), indent=1, ensure_ascii=False, allow_nan=False))
        return
    _show(run, metrics, looks)


def _show(run: Run, columns: dict[str, list[float | None]], looks: dict[str, int]) -> None:
    from nnexp.config.load import to_yaml
    from nnexp.report.firewall import open_to, told, unseen
    from nnexp.report.numbers import duration, score
    from nnexp.report.tables import Column, Grid, render

    record, console = run.record, out()
    reason = f" ({record['reason']})" if record.get("reason") else ""
    typer.echo(f"{run.path}")
    typer.echo(f"{run.status}{reason}, begun {record['created'][:19].replace('T', ' ')} UTC")
    if record.get("continued"):
        typer.echo(f"continued from {record['continued']['run']} at epoch {record['continued']['epoch']}")
    parts = [f"{record[k]:,} {what}" for k, what in (("parameters", "parameters"), ("step", "steps")) if record.get(k)]
    if record.get("train_seconds") is not None:
        parts.append(f"{duration(record['train_seconds'])} of training")
    if parts:
        typer.echo(", ".join(parts))
    labels = labels_of(run)
    if labels.tags:
        typer.echo(f"tags: {', '.join(labels.tags)}")
    if labels.note:
        typer.echo(f"note: {labels.note}")
    typer.echo("")
    typer.echo(to_yaml(record["config"], width=text_width(console)))
    epochs = [float(e) for e in columns.get("epoch", []) if e is not None]
    for what in _plotted(record, columns):
        pair = {name: columns[name] for name in (f"train_{what}", f"validation_{what}") if name in columns}
        if any(sum(v is not None and isfinite(v) for v in values) > 1 for values in pair.values()):
            _draw(pair, epochs, console)
    if final := open_to(run.final, bool(looks)):
        names = list(dict.fromkeys(key.partition("_")[2] for key in final))
        splits = list(dict.fromkeys(key.partition("_")[0] for key in final))
        rows: list[dict[str, Any]] = [
            {"split": split} | {name: final.get(f"{split}_{name}") for name in names} for split in splits
        ]
        heads = [Column("split", "split"), *(Column(name, name, score, True) for name in names)]
        notes = [told(looks)] if looks else [unseen(run.id)] if len(final) < len(run.final) else []
        render(Grid(heads, rows, notes=notes), "table", console)
    if record.get("pretraining"):
        typer.echo("mean squared error of the reconstruction of each layer's inputs, before and after pre-training")
        heads = [Column("layer", "layer"), *(Column(when, when, score, True) for when in ("before", "after"))]
        render(Grid(heads, record["pretraining"]), "table", console)
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    machine = record["machine"]
    typer.echo(f"{versions}; {machine.get('processor') or machine.get('platform', '')}, {machine.get('cores')} cores")
    typer.echo(f"data {record['data']}, fingerprint {record['fingerprint']}")


CURVES = ("cyan", "magenta", "bold")
"""The first curve, the second, and where they meet."""


def _draw(pair: dict[str, list[float | None]], epochs: list[float], console: Console) -> None:
    """One or two curves over epochs, in colours where there are any."""
    from rich.text import Text

    from nnexp.report.numbers import plot

    drawn = plot(list(pair.values()), epochs)
    names = [Text(name, style=style) for name, style in zip(pair, CURVES, strict=False)]
    console.print(Text(" and ").join(names) + Text(" by epoch"))
    for margin, cells, owners in zip(drawn.margins, drawn.cells, drawn.owners, strict=True):
        line = Text(margin)
        for cell, owner in zip(cells.rstrip("⠀"), owners, strict=False):
            line.append(cell, style=CURVES[owner - 1] if owner else "")
        console.print(line)
    console.print(Text(drawn.axis))
    console.print()


def _plotted(record: dict[str, Any], columns: dict[str, Any]) -> list[str]:
    """Loss and the first metric."""
    names = [name.split("_", 1)[1] for name in columns if name.startswith(("train_", "validation_"))]
    return list(dict.fromkeys(names))[:2]
