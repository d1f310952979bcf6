"""What runs inside a Dask worker: for each thread a process that trains, whose files it hands out as they change.

The parent calls these functions as Dask tasks of at most LEG seconds each, so that nothing but their results travels:
`begin` a run, `follow` it until it has ended. Each says which files of the run's folder have changed, with their bytes.
Imported by the scheduler as well, so it imports nothing heavy.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from nnexp import __version__
from nnexp.config.environment import THREAD_VARIABLES

LEG = 1.0
"""Seconds after which `begin` and `follow` answer even where there is no news."""
LOOK = 0.05
"""Seconds between two looks at the run's folder."""
TOLD = ("NNEXP_FORM", "NNEXP_DEBUG")
"""The parent's environment variables that are to hold for its runs; the others are about its machine."""
METRICS, CHECKPOINT = "metrics.csv", "checkpoint.npz"

_runs: dict[str, Following] = {}
_idle: dict[str, list[Trainee]] = {}
_homes: dict[str, Path] = {}
_lock = threading.Lock()


def about() -> dict[str, str]:
    """The versions that decide what a run computes here."""
    packages = {name: importlib.metadata.version(name) for name in ("numpy", "numba", "distributed")}
    return {"nnexp": __version__, "python": platform.python_version(), **packages}


def home(key: str) -> Path:
    """The folder of a sweep here, below the one that Dask clears when the worker ends."""
    from distributed import get_worker

    with _lock:
        if key not in _homes:
            _homes[key] = Path(get_worker().local_directory) / f"nnexp-{key}"
        return _homes[key]


def deliver(key: str, place: str, name: str, offset: int, block: bytes, digest: str | None) -> None:
    """Take a block of a file; with the last one comes the digest of the whole, and the file gets its name."""
    folder = home(key) / place
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.part"
    with part.open("r+b" if offset else "wb") as file:
        file.seek(offset)
        file.write(block)
    if digest is not None:
        with part.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise OSError(f"{name} arrived damaged")
        part.replace(folder / name)


def begin(key: str, token: str, task: dict[str, Any]) -> dict[str, Any]:
    """Begin a run, or say which of the parcels that it needs are `missing`."""
    here, places, missing = home(key), {}, []
    for parcel in task["parcels"]:
        place = here / "files" / parcel["digest"]
        if _lies_there(parcel):
            places[parcel["path"]] = parcel["path"]
        elif all((place / name).exists() for name in parcel["files"]):
            places[parcel["path"]] = str(place / parcel["inner"])
        else:
            missing.append(parcel["digest"])
    if missing:
        return {"state": "missing", "missing": missing}
    _forget_the_abandoned(task["silence"])
    root = here / "runs" / token
    (root / task["folder"] if task["begun"] else root).mkdir(parents=True, exist_ok=True)
    trainee = _trainee(key, task["environment"])
    following = Following(key, trainee, root, task["folder"], task["hard_seconds"])
    with _lock:
        _runs[token] = following
    trainee.train({**task, "root": str(root), "places": places})
    return _answer(token, following)


def follow(token: str, stop: bool) -> dict[str, Any]:
    """News of a run; with `stop` it is asked to end with a checkpoint."""
    following = _runs.get(token)
    if following is None:
        return {"state": "unknown"}
    following.trainee.say({"stop": 1} if stop else {"go": 1})
    return _answer(token, following)


def abandon(token: str) -> None:
    """End a run at once: its files can come home no more."""
    with _lock:
        following = _runs.pop(token, None)
    if following is not None:
        following.trainee.end()
        shutil.rmtree(following.root, ignore_errors=True)


def release(key: str) -> None:
    """A sweep is over: end its processes and forget its files."""
    with _lock:
        gone = [token for token, following in _runs.items() if following.key == key]
        trainees = [_runs.pop(token).trainee for token in gone] + _idle.pop(key, [])
        folder = _homes.pop(key, None)
    for trainee in trainees:
        trainee.end()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _lies_there(parcel: dict[str, Any]) -> bool:
    """Whether this machine has the very file at the very path, as on a shared file system."""
    path, files = Path(parcel["path"]), parcel["files"]
    if parcel["inner"] not in files:
        return False
    with suppress(OSError):
        if path.stat().st_size == parcel["size"]:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == files[parcel["inner"]]
    return False


def _trainee(key: str, environment: dict[str, str]) -> Trainee:
    with _lock:
        idle = _idle.setdefault(key, [])
        while idle:
            found = idle.pop()
            if found.alive:
                return found
            found.end()
    return Trainee(environment)


def _forget_the_abandoned(silence: float) -> None:
    """End runs that nobody follows any more: their parent was killed."""
    with _lock:
        gone = [token for token, one in _runs.items() if monotonic() - one.asked > 2 * silence]
    for token in gone:
        abandon(token)


def _answer(token: str, following: Following) -> dict[str, Any]:
    """Wait for news, LEG seconds at most: the state of the run, and the files that have changed."""
    state = following.news()
    answer = {"state": state, "compiled": following.trainee.compiled, **following.changed()}
    if state == "running":
        return answer
    with _lock:
        _runs.pop(token, None)
    if state == "ended":
        answer["told"] = following.trainee.result
        with _lock:
            _idle.setdefault(following.key, []).append(following.trainee)
    elif state == "died":
        answer["exit"] = following.trainee.process.wait()
    shutil.rmtree(following.root, ignore_errors=True)
    return answer


class Trainee:
    """A process that trains, one run after the other."""

    def __init__(self, environment: dict[str, str]):
        inherited = {name: value for name, value in os.environ.items() if name not in TOLD}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nnexp.sweep.trainee"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**inherited, **environment, **dict.fromkeys(THREAD_VARIABLES, "1")},
            start_new_session=True,  # a Ctrl-C in the worker's terminal is for the worker
        )
        self.result: dict[str, Any] | None = None
        self.taken: float | None = None
        """When it took up its present run."""
        self.compiled = 0
        self.alive = True
        self.spoken = threading.Event()
        """Set when it has ended: the run, or itself."""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        try:
            with self.process.stdout as lines, suppress(ValueError):  # half a line, of one that was killed
                for line in lines:
                    said = json.loads(line)
                    if "taken" in said:
                        self.taken = monotonic()
                    self.compiled = said.get("compiled", self.compiled)
                    self.result = said.get("result", self.result)
                    if self.result is not None:
                        self.spoken.set()
        finally:
            self.alive = False
            self.spoken.set()

    def say(self, what: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):  # it has just died, which is seen by that it is not alive
            self.process.stdin.write(json.dumps(what) + "\n")
            self.process.stdin.flush()

    def train(self, task: dict[str, Any]) -> None:
        self.result = self.taken = None
        self.spoken.clear()
        self.say(task)

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.kill()
        self.process.wait()
        with suppress(OSError):
            self.process.stdin.close()


class Following:
    """A run of a trainee, with what the parent has seen of its folder."""

    def __init__(self, key: str, trainee: Trainee, root: Path, folder: str, hard_seconds: float | None):
        self.key, self.trainee, self.root = key, trainee, root
        self.path = root / folder
        self.hard_seconds = hard_seconds
        self.asked = monotonic()
        self._seen: dict[str, tuple[int, int, int]] = {}
        if self.path.is_dir():  # what the parent has just sent
            self._seen = {path.name: stamp for path in self.path.iterdir() if (stamp := self._stamp(path.name))}

    def news(self) -> str:
        """`running` after LEG seconds or a new checkpoint; `ended`, `died`, or `stuck` in a step for too long."""
        self.asked = monotonic()
        while True:
            alive = self.trainee.alive
            if self.trainee.result is not None:
                return "ended"
            if not alive:
                return "died"
            if self._stuck():
                self.trainee.end()
                return "stuck"
            if monotonic() - self.asked > LEG or self._stamp(CHECKPOINT) not in (None, self._seen.get(CHECKPOINT)):
                return "running"
            self.trainee.spoken.wait(LOOK)

    def _stuck(self) -> bool:
        since, most = self.trainee.taken, self.hard_seconds
        return since is not None and most is not None and monotonic() - since > most

    def _stamp(self, name: str) -> tuple[int, int, int] | None:
        with suppress(OSError):
            status = (self.path / name).stat()
            return status.st_ino, status.st_size, status.st_mtime_ns
        return None

    def changed(self) -> dict[str, Any]:
        """The names of the files in the folder, and of each that has changed the offset and the bytes from there.

        The checkpoint is read before the log, which then holds every row that it needs.
        """
        try:
            names = sorted(name for name in os.listdir(self.path) if not name.startswith("."))  # noqa: PTH208
        except FileNotFoundError:
            return {"names": [], "files": {}}
        names.sort(key=lambda name: name != CHECKPOINT)
        files: dict[str, tuple[int, bytes]] = {}
        for name in names:
            before, now = self._seen.get(name), self._stamp(name)
            if now is None or now == before:
                continue
            grown = name == METRICS and before is not None and now[0] == before[0] and now[1] >= before[1]
            offset = before[1] if grown and before is not None else 0
            with suppress(FileNotFoundError), (self.path / name).open("rb") as file:
                file.seek(offset)
                found = file.read()
                files[name] = (offset, found)
                self._seen[name] = (now[0], offset + len(found), now[2]) if name == METRICS else now
        return {"names": names, "files": files}
