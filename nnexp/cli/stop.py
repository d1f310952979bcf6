"""`nnexp stop`: ends a sweep that runs in another terminal, or on another machine with the same runs/ folder."""

from __future__ import annotations

from contextlib import suppress
from time import sleep
from typing import Annotated

import typer

from nnexp.cli.console import name_damaged, runs_root, say
from nnexp.cli.options import RunsOption, complete_sweep
from nnexp.errors import InputError

LOOK = 0.2
"""Seconds between two looks at whether it has ended."""


def stop(
    word: Annotated[
        str, typer.Argument(metavar="SWEEP", help="A sweep's name or its beginning.", autocompletion=complete_sweep)
    ],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Come back when it has ended, or at once.")] = True,
    runs: RunsOption = None,
) -> None:
    """End a running sweep as Ctrl-C does: its runs write a checkpoint, and the same command goes on."""
    from nnexp.report.standing import find_sweeps
    from nnexp.store.parents import ask_to_stop, at_work
    from nnexp.store.runs import Shelf

    shelf = Shelf(runs_root(runs))
    name_damaged(shelf.damaged)
    found = find_sweeps(shelf, word)
    working = {path: (sweep, parent) for sweep in found for path, parent in at_work(sweep.path).items()}
    if not working:
        one = len(found) == 1
        named = f"the sweep {found[0].name} is not" if one else f"of {len(found)} sweeps '{word}' none is"
        raise InputError(f"{named} running; how they stand: nnexp sweep --status {word}")
    for path, (sweep, parent) in working.items():
        with suppress(FileNotFoundError):  # it is just ending by itself
            ask_to_stop(path)
        say(f"asked {sweep.name} to end (process {parent.pid} on {parent.host}); its runs write a checkpoint")
    names = sorted({sweep.name for sweep, _ in working.values()})
    while wait and any(path in at_work(sweep.path) for path, (sweep, _) in working.items()):
        sleep(LOOK)
    if wait:
        for name in names:
            say(f"{name} has ended")
