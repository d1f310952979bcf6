"""`nnexp tag`, `note`, `rm` and `restore`: what one says of past runs, and which of them one keeps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnexp.cli.console import counted, name_damaged, runs_root, say
from nnexp.cli.options import RunArgument, RunsOption, complete_removed, complete_run
from nnexp.errors import InputError

if TYPE_CHECKING:
    from nnexp.store.runs import Shelf

MANY = 20
"""Runs that `rm` moves without asking."""

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def tag(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN... TAG", help="Runs as in `nnexp compare`; the tag last.", autocompletion=complete_run
        ),
    ],
    remove: Annotated[bool, typer.Option("--remove", help="Take the tag away.")] = False,
    runs: RunsOption = None,
) -> None:
    """Give runs a tag, to select them by @TAG and --where tag=TAG."""
    from nnexp.store.labels import change_labels, check_tag

    *chosen_by, name = words
    shelf = _shelf(runs)
    if not chosen_by or any(name in (run.id, run.path.name) for run in shelf.runs):
        raise InputError(f"which tag? it comes last: nnexp tag {' '.join(words)} good")
    label = check_tag(name)
    chosen = shelf.select(chosen_by)
    paths = [run.path for run in chosen]
    if remove:
        count = change_labels(paths, lambda labels: labels.without_tag(label))
        if not count:
            raise InputError(f"none of the {counted(len(chosen), 'run')} has the tag '{label}'")
        say(f"took '{label}' from {counted(count, 'run')}")
        return
    count = change_labels(paths, lambda labels: labels.with_tag(label))
    had = f"; {len(chosen) - count} had it before" if count < len(chosen) else ""
    say(f"tagged {counted(count, 'run')} '{label}'{had}; compare them: nnexp compare @{label}")


def note(
    word: RunArgument,
    text: Annotated[str | None, typer.Argument(help="What to remember; '' takes a note away.")] = None,
    runs: RunsOption = None,
) -> None:
    """Write a note to a run, or print the one it has."""
    from dataclasses import replace

    from nnexp.store.labels import change_labels

    run = _shelf(runs).one(word)
    if text is None:
        if run.note:
            typer.echo(run.note)
        else:
            say(f'run {run.id} has no note; write one: nnexp note {run.id} "text"')
        return
    kept = text.strip()
    change_labels([run.path], lambda labels: replace(labels, note=kept))
    say(f"noted in {run.path}" if kept else f"run {run.id} has no note any more")


def rm(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Runs or sweeps as in `nnexp compare`.", autocompletion=complete_run),
    ] = None,
    empty_bin: Annotated[bool, typer.Option("--empty-bin", help="Delete for good what is in the bin.")] = False,
    yes: YesOption = False,
    runs: RunsOption = None,
) -> None:
    """Move runs to the bin; `nnexp restore` brings them back.

    Folders that cannot be read as runs are named by their path. A run that is still running is refused.
    """
    from nnexp.report.numbers import size
    from nnexp.store.bin import bin_of, remove, size_of

    root = runs_root(runs)
    if empty_bin:
        if words:
            raise InputError("--empty-bin deletes all that is in the bin; name no runs beside it")
        _empty(root, yes)
        return
    if not words:
        raise InputError("remove which runs? for example: nnexp rm @last, or a sweep's name (nnexp runs lists them)")
    shelf = _shelf(runs, quiet=True)
    paths = _folders(shelf, words)
    if len(paths) > MANY:
        _ask(f"move {counted(len(paths), 'run')} to the bin", yes)
    moved = remove(shelf, paths)
    names = [path.name for path in moved.runs]
    sweeps = f" and the sweep {', '.join(path.name for path in moved.sweeps)}" if moved.sweeps else ""
    say(f"moved {counted(len(names), 'run')}{sweeps} to the bin ({size(size_of([bin_of(root)]))} in it)")
    back = names[0].rsplit("-", 1)[-1] if len(names) == 1 else words[0] if len(words) == 1 else "RUN"
    say(f"bring back: nnexp restore {back}    delete for good: nnexp rm --empty-bin")


def _folders(shelf: Shelf, words: list[str]) -> list[Path]:
    """The folders that words mean: runs, and damaged folders by their name or path."""
    damaged = {one.path.resolve(): one.path for one in shelf.damaged}
    found: dict[Path, None] = {}
    for word in words:
        near = [path for path in ((shelf.root / word).resolve(), Path(word).resolve()) if path in damaged]
        if near:
            found[damaged[near[0]]] = None
        else:
            found |= dict.fromkeys(run.path for run in shelf.select([word]))
    return list(found)


def _empty(root: Path, yes: bool) -> None:
    from nnexp.report.numbers import size
    from nnexp.store.bin import bin_of, empty, size_of
    from nnexp.store.runs import Shelf

    shelf = Shelf(bin_of(root))
    if not bin_of(root).is_dir():
        say(f"the bin of {root} is empty")
        return
    what = f"{counted(len(shelf.runs), 'run')}, {size(size_of([bin_of(root)]))}"
    _ask(f"delete the bin for good ({what})", yes)
    empty(root)
    say(f"deleted {what}")


def _ask(what: str, yes: bool) -> None:
    """Ask a person, refuse a script; --yes answers for both."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"this would {what}; --yes goes on")
    sys.stderr.write(f"{what}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        say("nothing was changed")
        raise typer.Exit


def restore(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Ids, names or sweeps, as `nnexp runs --bin` lists them.",
            autocompletion=complete_removed,
        ),
    ],
    runs: RunsOption = None,
) -> None:
    """Bring runs back from the bin."""
    from nnexp.store.bin import bin_of, own_name
    from nnexp.store.bin import restore as bring_back
    from nnexp.store.runs import Shelf

    root = runs_root(runs)
    shelf = Shelf(bin_of(root))
    if not shelf.runs and not shelf.damaged:
        raise InputError(f"the bin of {root} is empty")
    latest = {own_name(path): path for path in sorted(_folders(shelf, words), key=lambda path: (len(path.name), path))}
    moved = bring_back(root, list(latest.values()))  # of one folder that was removed twice, as it was the second time
    sweeps = f" and the sweep {', '.join(path.name for path in moved.sweeps)}" if moved.sweeps else ""
    say(f"restored {counted(len(moved.runs), 'run')}{sweeps}")
    for path in moved.runs[:5]:
        say(f"  {path}")
    if len(moved.runs) > 5:
        say(f"  and {len(moved.runs) - 5} more")


def _shelf(option: Path | None, quiet: bool = False) -> Shelf:
    from nnexp.store.runs import Shelf

    shelf = Shelf(runs_root(option))
    if not quiet:
        name_damaged(shelf.damaged)
    return shelf
