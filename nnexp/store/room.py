"""What is said where nothing can be written any more: to which folder, why, and how much room is left there."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnexp.errors import InputError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors that every further attempt would meet as well: a full disk, a quota, a disk that may only be read."""


class Unwritable(InputError, OSError):
    """Nothing can be written to a folder. What was written before is whole, and can be gone on with."""

    def __init__(self, text: str, error: OSError | None = None):
        super().__init__(text)
        if error is not None:
            self.errno, self.strerror = error.errno, error.strerror

    def __str__(self) -> str:
        return str(self.args[0])


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """While this context is open an OSError that means `NO_ROOM` becomes Unwritable, in words."""
    try:
        yield
    except OSError as error:
        if isinstance(error, Unwritable) or error.errno not in NO_ROOM:
            raise
        raise Unwritable(why_not(folder, error), error) from error


def why_not(folder: Path, error: OSError) -> str:
    """The sentence for an error in writing to a folder, or in making it."""
    text = f"cannot write to {folder}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        usage = shutil.disk_usage(there)
        text += f" ({usage.free / 1e6:,.1f} MB free of {usage.total / 1e6:,.1f}); make room, or"
    else:
        text += ";"
    return f"{text} choose another folder with NNEXP_RUNS"
