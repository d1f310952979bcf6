"""Which processes are at work at a sweep, and how one is asked to end: a file for each in the sweep's folder.

A file rather than a signal, for it reaches a process on another machine and on every system, and never a later process
that has got the same number.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from nnexp.store.folder import write_whole
from nnexp.store.runs import lives, process_mark

FOLDER = ".parents"
STOP = ".stop"


def now() -> str:
    """The time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True)
class Parent:
    """A process that is at work at a sweep, as it has last said."""

    host: str
    pid: int
    process: str | None
    """Tells the process from a later one with the same pid."""
    began: str
    written: str
    missing: int
    """Runs that it has found missing."""
    ended: int
    """Those of them that have ended since."""
    seconds: float
    """How long it has been at them."""


class Presence:
    """This process among those at work at a sweep, for as long as the context is open. Raises OSError."""

    def __init__(self, folder: Path):
        self._folder = folder / FOLDER
        self._path = self._folder / f"{platform.node()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._began = now()

    def __enter__(self) -> Presence:
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.glob("*"):
            if path.suffix == STOP:
                if not path.with_suffix("").exists():
                    path.unlink(missing_ok=True)
            elif path.name[0] != "." and _alive(path) is None:  # left by a killed one
                _remove(path)
        self.tell(0, 0, 0.0)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(OSError):  # where it cannot be removed it is that of a process that is gone
            _remove(self._path)
            self._folder.rmdir()  # unless others are at work, too

    def tell(self, missing: int, ended: int, seconds: float) -> None:
        """Say how far it has come; also a sign of life for those who look from another machine."""
        pid = os.getpid()
        told = Parent(platform.node(), pid, process_mark(pid), self._began, now(), missing, ended, seconds)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._path, lambda file: file.write(json.dumps(asdict(told)).encode()), durable=False)

    def asked_to_stop(self) -> bool:
        return _stop(self._path).exists()


def at_work(folder: Path) -> dict[Path, Parent]:
    """The living processes at work at the sweep in a folder, by their files."""
    return {path: parent for path in sorted((folder / FOLDER).glob("[!.]*")) if (parent := _alive(path)) is not None}


def ask_to_stop(path: Path) -> None:
    """Ask the process with this file to end as Ctrl-C does. It looks for the answer twice a second."""
    _stop(path).touch()


def _alive(path: Path) -> Parent | None:
    """Who wrote a file, if it lives."""
    if path.suffix == STOP:
        return None
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        parent = Parent(**{field.name: told[field.name] for field in fields(Parent)})
        return parent if lives(parent.host, parent.pid, parent.process, path) else None
    except (OSError, ValueError, KeyError, TypeError):  # it is just going, or damaged
        return None


def _stop(path: Path) -> Path:
    return path.with_name(path.name + STOP)  # the name of a machine may have dots


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _stop(path).unlink(missing_ok=True)
