"""Makes a Python process fail in the middle of its writes: copied as sitecustomize.py, it is loaded before all else.

The folder FAULTS holds `plan.json`, a list of [write, what happens then]: the writes of all processes below the folder
FAULTS_ROOT are counted together. `self` kills the process that writes, `parent` the command, `all` its whole process
group, each after half of what was to be written; `full` refuses this write and all later ones, with half of it done.
`journal` says how much of each file is known to be on the disk.
"""

import errno
import io
import json
import os
import signal
import sys
from pathlib import Path

FOLDER, ROOT = os.environ.get("FAULTS"), os.environ.get("FAULTS_ROOT", "")
real_open, real_fdopen, real_fsync, real_replace, real_mkdir = io.open, os.fdopen, os.fsync, os.replace, os.mkdir
real_write = os.write


def appended(name, data):
    """Append to a file of FOLDER; its size then, which no other process has been told."""
    descriptor = os.open(f"{FOLDER}/{name}", os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
    try:
        real_write(descriptor, data)
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)


def fault():
    """What happens at this write: None, or a function that does it."""
    count = appended("count", b".")
    with real_open(f"{FOLDER}/plan.json") as file:
        plan = json.load(file)
    for number, what in plan:
        if what == "full" and count >= number:
            return refuse
        if number == count:
            return {"self": kill_self, "parent": kill_parent, "all": kill_all}[what]
    return None


def refuse():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_parent():
    os.kill(os.getpgid(0), signal.SIGKILL)  # the command leads its group


def kill_all():
    os.killpg(0, signal.SIGKILL)


def ours(path):
    return os.path.realpath(os.fspath(path)).startswith(ROOT)


class Faulty:
    """A file whose writes are counted."""

    def __init__(self, file):
        self._file = file

    def write(self, data):
        do, written = fault(), 0
        if do is not None:
            written = self._file.write(data[: len(data) // 2])
            self._file.flush()
            do()  # a worker outlives its parent, and writes the rest
        return written + self._file.write(data[written:])

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __iter__(self):
        return iter(self._file)

    def __enter__(self):
        return self

    def __exit__(self, *told):
        return self._file.__exit__(*told)


def faulty_open(file, mode="r", *rest, **named):
    opened = real_open(file, mode, *rest, **named)
    if set(mode) & set("wax+") and isinstance(file, str | os.PathLike) and ours(file):
        return Faulty(opened)
    return opened


def faulty_fdopen(descriptor, *rest, **named):
    opened = real_fdopen(descriptor, *rest, **named)
    return Faulty(opened) if ours(f"/proc/self/fd/{descriptor}") else opened


def faulty_fsync(descriptor):
    real_fsync(descriptor)
    found = os.fstat(descriptor)
    appended("journal", f"{found.st_ino} {found.st_size}\n".encode())


def faulty_replace(source, target, **named):
    do = fault() if ours(source) else None
    if do is not None and do is not refuse:  # a rename needs no room
        do()
    return real_replace(source, target, **named)


def faulty_mkdir(path, *rest, **named):
    do = fault() if ours(path) else None
    if do is not None:
        do()
    return real_mkdir(path, *rest, **named)


if FOLDER and Path(FOLDER).is_dir() and sys.platform == "linux":
    io.open, os.fdopen, os.fsync = faulty_open, faulty_fdopen, faulty_fsync
    os.replace, os.mkdir = faulty_replace, faulty_mkdir
