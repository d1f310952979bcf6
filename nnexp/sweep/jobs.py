"""What a sweep's job is, how a worker does it, and what becomes of it: the same wherever the workers are."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnexp.config.load import load_data
from nnexp.engine.surface import kind_of
from nnexp.engine.trainer import Row, Tick, Trainer
from nnexp.errors import InputError
from nnexp.runner import begin, give_up, reopen, train
from nnexp.store.folder import RunFolder
from nnexp.store.locks import Lock, Locks
from nnexp.store.room import Unwritable
from nnexp.store.runs import RESUMABLE, Run, read_run
from nnexp.sweep.limits import Exceeded, Limits
from nnexp.sweep.plan import Job
from nnexp.sweep.stock import Stock

if TYPE_CHECKING:
    from nnexp.sweep.cluster import Cluster

POLL = 0.1
"""Seconds between two looks at whether an interruption was asked for."""
TRIES = 3
"""Workers that a run may kill before it is given up."""
ELSEWHERE = 0.5
"""Seconds between two looks at a trial that another sweep works at."""
KNOWN = ("finished", "diverged", "failed")
"""How a run may have ended that another sweep has just made: then it is taken as it is."""


@dataclass(frozen=True)
class Result:
    """What became of a job."""

    job: Job
    status: str
    reason: str
    run_id: str | None
    final: dict[str, Any]
    seconds: float | None = None
    """What its training took."""
    full: bool = False
    """Whether there was no room for it to be written, as there would be none for another."""


@dataclass
class Task:
    """A job on its way: the id of its run, and the workers that it has killed, each in words."""

    job: Job
    run_id: str
    alone: bool
    """Whether no other job wants its data."""
    deaths: list[str] = field(default_factory=list)
    not_before: float = 0.0

    def path(self, root: Path) -> Path:
        """The run's folder, which is known before it is made."""
        if self.job.begun is not None:
            return self.job.begun.path
        config, trial = self.job.config, self.job.trial
        return RunFolder.place(root, config["name"], trial.label, trial.seed, self.run_id)

    def told(self) -> dict[str, Any]:
        """What a worker needs to know."""
        job = self.job
        return {
            "config": job.config,
            "fingerprint": job.fingerprint,
            "label": job.trial.label,
            "case": job.trial.case,
            "run_id": self.run_id,
            "resume": None if job.begun is None else str(job.begun.path),
            "source": None if job.source is None else str(job.source.path),
            "pause": job.pause,
            "alone": self.alone,
            "again": bool(self.deaths),
        }

    def result(self, record: Mapping[str, Any]) -> Result:
        """What became of it, by what a worker said."""
        told = record.get("reason") or "", record.get("id"), record.get("final") or {}, record.get("train_seconds")
        return Result(self.job, record["status"], *told, record.get("full", False))

    def died(self, how: str, root: Path, say: Callable[[str], None]) -> Result | None:
        """A worker died at it: it is to be tried again (None), or is given up when that was the last of TRIES."""
        epoch = last_epoch(self.path(root))
        self.deaths.append(f"{how} {'before epoch 0' if epoch is None else f'after epoch {epoch}'}")
        count = len(self.deaths)
        if count < TRIES:
            say(
                f"{self.job.trial.called}: its worker process died ({self.deaths[-1]}); "
                f"it is tried again ({count + 1} of {TRIES})"
            )
            return None
        same = Counter(self.deaths)
        story = ", ".join(f"{times} x {death}" if times > 1 else death for death, times in same.items())
        return self.given_up(f"given up: {TRIES} worker processes died at it ({story})", root)

    def given_up(self, reason: str, root: Path) -> Result:
        """Record the failure of a run whose worker is gone."""
        path, job = self.path(root), self.job
        with suppress(OSError, InputError):  # a full disk, say: the reason is the one to tell
            if not (path / "run.json").exists():
                loaded = load_data(job.config, "the sweep's configuration")
                experiment = kind_of(loaded.config)(loaded.config)
                begin(experiment, root, job.trial.label, {"case": job.trial.case}, self.run_id)
            give_up(path, reason)
        return Result(job, "failed", reason, self.run_id, {})


@dataclass(frozen=True)
class Ear:
    """Who hears of what happens meanwhile: call it with a message."""

    say: Callable[[str], None] = lambda text: None
    begun: Callable[[Job], None] = lambda job: None
    """Hears of each job that a worker has taken; again where that worker died, or another sweep was at it."""

    def __call__(self, text: str) -> None:
        self.say(text)


def ours(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("NNEXP_")}


@dataclass(frozen=True)
class Orders:
    """How a sweep's jobs are to be run."""

    root: Path
    workers: int
    limits: Limits = field(default_factory=Limits)
    fail_fast: bool = False
    data: Path | None = None
    """The folder of the data sets that the workers share."""
    environment: dict[str, str] = field(default_factory=lambda: ours(os.environ))
    """nnexp's own variables, which the process that workers are forked from may have had otherwise."""
    cluster: Cluster | None = None
    """Where the workers are; None: on this machine."""


def exit_words(code: int) -> str:
    """A process's exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"


def last_epoch(path: Path) -> int | None:
    """The last epoch that a run has logged at its end, or None."""
    with suppress(OSError, ValueError):
        lines = (path / "metrics.csv").read_text().splitlines()
        return next((int(cell) for line in reversed(lines) if (cell := line.partition(",")[0]).isdecimal()), None)
    return None


# -- a worker's part -------------------------------------------------------------------------------------------------


def work(
    task: dict[str, Any], root: Path, locks: Locks, stock: Stock, limits: Limits, stop_asked: Callable[[], bool]
) -> dict[str, Any]:
    """Run or resume one job, unless another sweep is at it or has just done it."""
    if stop_asked():
        return {"status": "interrupted", "reason": "not begun"}
    try:
        with locks.trial(task["fingerprint"]) as lock:
            if lock is None:
                return {"status": "elsewhere"}
            found = known(task, root, lock)
            if isinstance(found, dict):
                return found
            return carry_out(task, found, root, stock, limits, stop_asked, lock.tell)
    except Unwritable as error:
        return {"status": "interrupted", "reason": str(error), "full": True}
    except OSError as error:  # a full disk, say
        return failed(error)


def known(task: Mapping[str, Any], root: Path, lock: Lock) -> dict[str, Any] | Run | None:
    """What came of a trial where another sweep has just done it; a run to go on with; or None where it is to begin."""
    run = read_run(root / lock.told) if lock.told else None
    if isinstance(run, Run) and run.status in KNOWN and not task["again"]:
        return told_of(run.record)
    if not isinstance(run, Run) or run.status not in RESUMABLE:
        run = read_run(Path(task["resume"])) if task["resume"] else None
    if not isinstance(run, Run):
        return None
    if Pause(task["pause"]).reached(last_epoch(run.path)):  # another sweep has just brought it there
        return told_of(run.record) | {"status": "paused"}
    return run


def carry_out(
    task: Mapping[str, Any],
    run: Run | None,
    root: Path,
    stock: Stock,
    limits: Limits,
    stop_asked: Callable[[], bool],
    tell: Callable[[str], None] = lambda folder: None,
) -> dict[str, Any]:
    """Train a new run, or go on with `run`; `tell` hears the name of its folder. What went wrong is in what it says."""
    folder = None
    try:
        pause, spent = Pause(task["pause"]), 0.0
        prepared = partial(stock.prepared, alone=task["alone"])
        if run is not None:
            experiment, folder = reopen(run, prepared)
            spent = run.record.get("wall_seconds") or 0.0
        else:
            loaded = load_data(task["config"], "the sweep's configuration")
            experiment = kind_of(loaded.config)(loaded.config, prepared(loaded.config))
            folder = begin(experiment, root, task["label"], {"case": task["case"]}, task["run_id"])
        tell(folder.path.name)
        ended = read_run(Path(task["source"])) if task["source"] else None
        source = ended if isinstance(ended, Run) and ended.status == "finished" else None
        spent = spent or (0.0 if source is None else source.record.get("wall_seconds") or 0.0)
        with limits.held(stop_asked, spent) as asked:
            record = train(experiment, folder, pause, lambda: pause.due or asked(), source)
        if pause.due and record["status"] == "interrupted":
            record["status"] = "paused"
        return told_of(record)
    except Unwritable as error:
        return {"status": "interrupted", "reason": str(error), "full": True}
    except InputError as error:
        return {"status": "failed", "reason": str(error)}
    except Exceeded as error:
        assert folder is not None
        give_up(folder.path, str(error))
        return told_of(folder.read_record())
    except Exception as error:  # a run that fails must not stop the sweep; its record tells the same
        return failed(error)


def failed(error: Exception) -> dict[str, Any]:
    """What a worker says of a run that raised this. Raises it again under NNEXP_DEBUG."""
    if os.environ.get("NNEXP_DEBUG"):
        raise error
    return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}


def told_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a worker says of a run's record."""
    return {key: record.get(key) for key in ("id", "status", "reason", "final", "train_seconds")}


class Pause:
    """Watches a run until it has logged an epoch after which a search looks at it; with null, for ever."""

    def __init__(self, epoch: int | None):
        self.epoch, self.due = epoch, False

    def reached(self, epoch: int | None) -> bool:
        """Whether a run that has logged this epoch is there."""
        return self.epoch is not None and epoch is not None and epoch >= self.epoch

    def __call__(self, trainer: Trainer, event: Row | Tick) -> None:
        if isinstance(event, Row) and not event.within:
            self.due = self.reached(int(event.values["epoch"] or 0))
