"""`nnexp runs`: the list of past runs; `nnexp runs export` and `import` carry them between machines."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from nnexp.cli.console import check_format, counted, labels_of, name_damaged, out, runs_root, say
from nnexp.cli.options import FormatOption, RunsOption, SinceOption, WhereOption, complete_run
from nnexp.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from nnexp.report.tables import Column
    from nnexp.store.pack import Imported
    from nnexp.store.runs import Run, Shelf

SORTS = ("age", "size", "id", "name", "status", "seed", "note")
"""What the list can be ordered by."""
MOST = 5
"""Runs that are told one by one."""
GAP, SHORTEST = 3, 12
"""Characters between two columns, and those of a text that is worth a column."""


class RunsGroup(TyperGroup):
    """A group whose unknown word is likely to be the name of runs."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word = args[0] if args else ""
        if word not in self.commands and not word.startswith("-"):
            raise InputError(
                f"'nnexp runs {word}': no such command{did_you_mean(word, self.commands)}; runs of a name: "
                f"nnexp runs --where name={word}; of a sweep: --sweep {word}; of a tag: --tag {word}"
            )
        return super().resolve_command(ctx, args)


runs = typer.Typer(
    cls=RunsGroup,
    invoke_without_command=True,
    help="List past runs: size, age, tags, status; export and import them.",
)


@runs.callback()
def list_runs(
    ctx: typer.Context,
    where: WhereOption = None,
    sweep: Annotated[str | None, typer.Option(metavar="NAME", help="Only runs of this sweep.")] = None,
    status: Annotated[
        list[str] | None, typer.Option(metavar="STATUS", help="Only finished, diverged, failed ... runs.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="Only runs with this tag.")] = None,
    since: SinceOption = None,
    sort: Annotated[
        str, typer.Option(metavar="COLUMN", help="Order: age (newest first), size ...; -COLUMN turns it round.")
    ] = "age",
    top: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    bin: Annotated[bool, typer.Option("--bin", help="What `nnexp rm` has removed and `restore` brings back.")] = False,
    columns: Annotated[str, typer.Option(help="auto: as many as fit; all: every one.")] = "auto",
    how: FormatOption = "table",
    runs: RunsOption = None,
) -> None:
    """List past runs: size, age, tags, status; export and import them."""
    if ctx.invoked_subcommand is not None:
        return
    from nnexp.report.choose import begun_since, check_statuses, matching, of_sweep
    from nnexp.report.numbers import size
    from nnexp.report.tables import FOR_MACHINES, FORMATS, Grid, render
    from nnexp.store.bin import bin_of, size_of
    from nnexp.store.labels import check_tag
    from nnexp.store.runs import Shelf

    check_format(how, FORMATS)
    if columns not in ("auto", "all"):
        raise InputError(f"--columns: '{columns}' is neither auto nor all")
    if sort.removeprefix("-") not in SORTS:
        raise InputError(f"--sort: '{sort}' is not one of {', '.join(SORTS)}{did_you_mean(sort.lstrip('-'), SORTS)}")
    statuses = check_statuses(status or ())
    tags = [check_tag(word) for word in tag or ()]
    root = runs_root(runs)
    shelf = Shelf(bin_of(root) if bin else root)
    name_damaged(shelf.damaged)
    chosen = shelf.runs if sweep is None else of_sweep(shelf, sweep)
    chosen = chosen if since is None else begun_since(chosen, since)
    chosen = [run for run in chosen if not statuses or run.status in statuses]
    chosen = [run for run in chosen if all(one in labels_of(run).tags for one in tags)]
    chosen = matching(chosen, where or ())
    rows = _rows(chosen, sort)
    notes = _notes(rows, top, shelf, bin)
    removed = 0 if bin else size_of([bin_of(root)])
    if removed:
        notes.append(f"the bin holds {size(removed)} more: nnexp runs --bin")
    people = how not in FOR_MACHINES
    if people and not rows:
        for note in notes:
            say(note)
        return
    shown = _columns(rows[:top], people, out().width if how == "table" and out().is_terminal else None)
    meta = {"kind": "runs", "runs": len(rows), "bytes": sum(row["size"] for row in rows)}
    render(Grid(shown, rows[:top], notes=notes if people else [], meta=meta), how, out(), columns == "all")


def _rows(chosen: list[Run], sort: str) -> list[dict[str, Any]]:
    """A row a run, in order. Raises InputError for a folder that cannot be read."""
    from datetime import UTC, datetime

    from nnexp.report.choose import UNKNOWN, began
    from nnexp.store.bin import size_of

    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    for run in reversed(chosen):
        labels, begin = labels_of(run), began(run)
        rows.append(
            {
                "id": run.id,
                "name": run.name,
                "label": run.brief.label,
                "seed": run.brief.seed,
                "status": run.status,
                "created": run.brief.created,
                "age": inf if begin == UNKNOWN else (now - begin).total_seconds(),
                "size": size_of([run.path]),
                "tags": labels.tags,
                "note": labels.note,
                "path": str(run.path),
            }
        )
    return sorted(rows, key=lambda row: row[sort.removeprefix("-")], reverse=sort.startswith("-"))


def _columns(rows: list[dict[str, Any]], people: bool, width: int | None) -> list[Column]:
    """Every column for machines; for people those that say something, cut short where a line has a width."""
    from nnexp.report.numbers import age, size
    from nnexp.report.tables import Column

    if not people:
        keys = ("id", "name", "label", "seed", "status", "created", "size", "tags", "note", "path")
        return [Column(key, key) for key in keys]

    def cut(longest: int, end: bool = False) -> Callable[[str], str]:
        def show(text: str) -> str:
            line = " ".join(text.split()) or "-"
            if width is None or len(line) <= longest:
                return line
            return "…" + line[1 - longest :] if end else line[: longest - 1] + "…"

        return show

    texts = [key for key in ("label", "note") if any(row[key] for row in rows)]
    shown = [
        Column("id", "run"),
        Column("name", "name", cut(16)),
        Column("seed", "seed", right=True, rank=1),
        Column("status", "status"),
        Column("age", "age", age, True),
        Column("size", "size", size, True),
    ]
    if any(row["tags"] for row in rows):
        shown.append(Column("tags", "tags", lambda tags: cut(20)(" ".join(tags))))
    taken = sum(GAP + max(len(c.heading), *(len(c.show(row[c.key])) for row in rows)) for c in shown if rows)
    room = max((width or 0) - taken, 0)
    lengths = {key: max(len(row[key]) for row in rows) + GAP for key in texts}
    if "note" in texts:
        note = min(lengths["note"], max(room - lengths.get("label", 0), room // len(texts)))
        shown.append(Column("note", "note", cut(max(note - GAP, SHORTEST)), rank=3))
        room -= note
    if "label" in texts:
        shown.insert(2, Column("label", "what differs", cut(max(room - GAP, SHORTEST), end=True), rank=2))
    return shown


def _notes(rows: list[dict[str, Any]], top: int | None, shelf: Shelf, bin: bool) -> list[str]:
    """How many runs there are, how large, and where."""
    from nnexp.report.numbers import size

    where = f"in the bin of {shelf.root.parent}" if bin else f"in {shelf.root}"
    if not shelf.runs:
        return [f"no runs {where}" + ("" if bin else "; train one first: nnexp train configs/digits.yaml")]
    if not rows:
        return [f"none of the {counted(len(shelf.runs), 'run')} {where}"]
    first = f"the first {top} of " if top is not None and top < len(rows) else ""
    notes = [f"{first}{counted(len(rows), 'run')}, {size(sum(row['size'] for row in rows))}, {where}"]
    if bin:
        notes.append("bring one back: nnexp restore RUN; delete all for good: nnexp rm --empty-bin")
    return notes


@runs.command("export", epilog="Example:  nnexp runs export optimizers shard-1.tar.gz")
def export(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN... FILE",
            help="Runs or sweeps as in `nnexp compare`, and the .tar.gz or .zip to write.",
            autocompletion=complete_run,
        ),
    ],
    where: WhereOption = None,
    since: SinceOption = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    runs: RunsOption = None,
) -> None:
    """Write runs, and the sweeps that they make up, to one file with checksums.

    Runs that are still running are left out. The same runs give the same bytes.

    `nnexp runs import` reads the file. Another command, `nnexp export`, writes for MLflow and TensorBoard.
    """
    from nnexp.report.choose import begun_since, matching
    from nnexp.report.numbers import size
    from nnexp.store import pack
    from nnexp.store.runs import Shelf

    *chosen_by, name = words
    target = Path(name)
    if not target.name.endswith(pack.ENDINGS):
        raise InputError(f"'{name}': the file comes last and ends in .tar.gz or .zip: nnexp runs export RUN... FILE")
    if not chosen_by and not where and since is None:
        raise InputError(f"export which runs? for example: nnexp runs export @last {name}, or a sweep's name")
    if target.exists() and not force:
        raise InputError(f"{target} is there already; --force writes over it")
    shelf = Shelf(runs_root(runs))
    name_damaged(shelf.damaged)
    chosen = shelf.select(chosen_by) if chosen_by else shelf.runs
    chosen = matching(chosen if since is None else begun_since(chosen, since), where or ())
    ended = [run for run in chosen if run.status != "running"]
    if len(ended) < len(chosen):
        say(f"left out {counted(len(chosen) - len(ended), 'run')} still running")
    if not ended:
        raise InputError("no runs to export")
    manifest = pack.export(shelf, ended, target)
    what = [counted(len(manifest.runs), "run"), *([counted(len(manifest.sweeps), "sweep")] if manifest.sweeps else [])]
    say(f"{target}: {' and '.join(what)}, {size(manifest.size)} in {size(target.stat().st_size)}")
    say(f"take them in elsewhere: nnexp runs import {target.name}")


@runs.command("import", epilog="Example:  nnexp runs import shard-1.tar.gz")
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="What `nnexp runs export` wrote.")],
    runs: RunsOption = None,
) -> None:
    """Take the runs of an export into runs/, after verifying every checksum.

    What is there already is kept, so importing twice changes nothing.
    """
    from nnexp.store import pack

    root = runs_root(runs)
    for file in files:
        _tell(file, pack.import_runs(file, root), root)


def _tell(file: Path, done: Imported, root: Path) -> None:
    """What came, and what did not."""
    parts = [
        f"{len(found)} {what}"
        for found, what in (
            (done.added, "new"),
            (done.same, "already there"),
            (done.replaced, "now with their end (the unended ones are in the bin)"),
            (done.kept, "left as it is here"),
        )
        if found
    ]
    if done.sweeps:
        parts.append(f"the sweep{'s' if len(done.sweeps) > 1 else ''} {', '.join(done.sweeps)}")
    say(f"{file} into {root}: {', '.join(parts) or 'it holds no runs'}")
    for name, why in list(done.kept.items())[:MOST]:
        say(f"kept {name}: {why}")
    if len(done.kept) > MOST:
        say(f"kept {len(done.kept) - MOST} more")
