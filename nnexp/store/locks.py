"""Who works at what in a runs/ folder, so that sweeps started at once do not run a trial twice.

A lock is the operating system's, on a file below runs/.claims, and gone with the process that holds it. The file says
which run folder the trial went to, for a sweep that was planned before. All files go with the last sweep. On a file
system without locks every lock is granted.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from nnexp.errors import InputError
from nnexp.store.room import Unwritable, why_not, writing

try:
    import fcntl
except ImportError:  # Windows: there locks are always granted
    fcntl = None  # type: ignore[assignment]

FOLDER = ".claims"
SWEEPS = "sweeps"


class Lock:
    """A trial that this process alone works at."""

    def __init__(self, file: IO[str]):
        self._file = file
        self.told = file.read().strip()
        """The run folder of who had the lock before, or ''."""

    def tell(self, folder: str) -> None:
        """Say which run folder the trial goes to."""
        with writing(Path(self._file.name).parent.parent):
            os.ftruncate(self._file.fileno(), 0)
            os.write(self._file.fileno(), f"{folder}\n".encode())  # unbuffered: to close the file writes no more


class Locks:
    """The locks of one runs/ folder."""

    def __init__(self, root: Path):
        self.folder = root / FOLDER

    @contextmanager
    def sweep(self) -> Iterator[None]:
        """For as long as a sweep or one of its workers lives; the last one to leave removes all files.

        Raises InputError where the folder cannot be written.
        """
        try:
            with writing(self.folder.parent):
                file = self._entered()
        except Unwritable:
            raise
        except OSError as error:
            raise InputError(why_not(self.folder.parent, error)) from None
        try:
            yield
        finally:
            if _locked(file, alone=True):
                shutil.rmtree(self.folder, ignore_errors=True)
            file.close()

    def _entered(self) -> IO[str]:
        """The sweeps' file, locked together with others; not one that another sweep is just removing."""
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                file = (self.folder / SWEEPS).open("a+")
            except FileNotFoundError:
                continue
            if _locked(file, alone=True):  # nobody else: what is there was left by killed sweeps
                for path in self.folder.glob("*"):
                    if path.name != SWEEPS:
                        path.unlink(missing_ok=True)
            _locked(file, alone=False, wait=True)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), (self.folder / SWEEPS).stat()):
                    return file
            file.close()

    @contextmanager
    def trial(self, fingerprint: str) -> Iterator[Lock | None]:
        """The lock of a trial while this context is open; None where another process has it."""
        with writing(self.folder.parent):
            opened = (self.folder / fingerprint).open("a+")
        with opened as file:
            if not _locked(file, alone=True):
                yield None
                return
            file.seek(0)
            yield Lock(file)


def _locked(file: IO[str], alone: bool, wait: bool = False) -> bool:
    """Lock a file, alone or together with others. False where another process is in the way."""
    if fcntl is None:
        return True
    how = (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
