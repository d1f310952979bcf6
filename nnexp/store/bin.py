"""The bin: a folder inside runs/, laid out like it, that removed runs are moved to and come back from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnexp.errors import InputError
from nnexp.store.runs import SWEEPS, Shelf, SweepRecord

BIN = ".bin"
AGAIN = "~"
"""Stands between a folder's name and a number, where the bin holds one of that name already."""


def bin_of(root: Path) -> Path:
    """The bin of a runs/ folder."""
    return root / BIN


@dataclass(frozen=True)
class Moved:
    """What was moved: folders of runs, and of sweeps that went with the last of their runs."""

    runs: list[Path]
    sweeps: list[Path]


def remove(shelf: Shelf, folders: Sequence[Path]) -> Moved:
    """Move runs' folders to the bin, and with them each sweep that loses all runs it has. Raises InputError.

    A run that is still running is refused before anything is moved.
    """
    gone = {path.resolve() for path in folders}
    for run in shelf.runs:
        if run.path.resolve() in gone and run.status == "running":
            raise InputError(f"run {run.id} is still running (process {run.record['pid']}); nothing was removed")
    for path in folders:
        if path.resolve().parent != shelf.root.resolve():
            raise InputError(f"{path} is not in {shelf.root}; give its own folder with --runs {path.parent}")
    sweeps = whole_sweeps(shelf, gone)
    target = bin_of(shelf.root)
    return Moved(
        [move(path, target, "remove") for path in folders],
        [move(sweep.path, target / SWEEPS, "remove") for sweep in sweeps],
    )


def restore(root: Path, folders: Sequence[Path]) -> Moved:
    """Move folders from the bin back, and each sweep that they are all the runs of. Raises InputError.

    A folder that is there again is refused before anything is moved.
    """
    for path in folders:
        back = root / own_name(path)
        if back.exists():
            raise InputError(f"{path} cannot be restored: {back} is there already; nothing was restored")
    sweeps = [
        sweep
        for sweep in whole_sweeps(Shelf(bin_of(root)), {path.resolve() for path in folders})
        if not (root / SWEEPS / own_name(sweep.path)).exists()
    ]
    return Moved(
        [move(path, root, "restore") for path in folders],
        [move(sweep.path, root / SWEEPS, "restore") for sweep in sweeps],
    )


def empty(root: Path) -> None:
    """Delete what the bin holds, for good. Raises InputError where something cannot be deleted."""
    try:
        shutil.rmtree(bin_of(root))
    except OSError as error:
        raise InputError(f"cannot delete {error.filename or bin_of(root)}: {error.strerror}") from None


def whole_sweeps(shelf: Shelf, chosen: set[Path]) -> list[SweepRecord]:
    """The sweeps all of whose runs, as far as there are any, are among the `chosen` folders (resolved)."""
    found = []
    for sweep in shelf.sweeps:
        members = [run for run in shelf.runs if run.brief.fingerprint in sweep.cases]
        if members and all(run.path.resolve() in chosen for run in members):
            found.append(sweep)
    return found


def size_of(paths: Iterable[Path]) -> int:
    """Bytes in the files of these folders. What goes away meanwhile counts nothing."""
    total = 0
    waiting = [str(path) for path in paths]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(f"cannot read {error.filename}: {error.strerror}") from None
    return total


def own_name(path: Path) -> str:
    """A folder's name before it came into the bin."""
    stem, _, number = path.name.rpartition(AGAIN)
    return stem if stem and number.isdigit() else path.name


def move(path: Path, into: Path, doing: str) -> Path:
    """Rename a folder into another one, under its own name where that is free."""
    name = own_name(path)
    target, number = into / name, 1
    try:
        into.mkdir(parents=True, exist_ok=True)
        while target.exists():
            number += 1
            target = into / f"{name}{AGAIN}{number}"
        path.rename(target)
    except OSError as error:
        raise InputError(f"cannot {doing} {path}: {error.strerror}") from None
    return target
