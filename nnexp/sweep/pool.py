"""Runs a plan's jobs in worker processes, one BLAS thread each; one that fails or dies does not stop the rest."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from nnexp.config.load import THREAD_VARIABLES, load_data
from nnexp.engine.surface import kind_of
from nnexp.engine.trainer import Row, Tick, Trainer
from nnexp.errors import InputError
from nnexp.runner import begin, reopen, train
from nnexp.store.runs import Run, read_run
from nnexp.sweep.plan import Job

POLL = 0.2
"""Seconds between two looks at whether an interruption was asked for."""

_stop: Event | None = None


@dataclass(frozen=True)
class Result:
    """What became of a job."""

    job: Job
    status: str
    reason: str
    run_id: str | None
    final: dict[str, Any]


def default_jobs() -> int:
    """The cores that this process may use, or NNEXP_JOBS."""
    text = os.environ.get("NNEXP_JOBS", "")
    if text and not (text.isdigit() and int(text) > 0):
        raise InputError(f"environment variable NNEXP_JOBS: must be a whole number >= 1, found '{text}'")
    if text:
        return int(text)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(jobs: list[Job], root: Path, workers: int, stop_asked: Callable[[], bool]) -> Iterator[Result]:
    """Run all jobs and yield each result as it comes.

    After `stop_asked` nothing new is begun, and runs under way end with a checkpoint.
    """
    if workers == 1 or len(jobs) == 1:
        for job in jobs:
            if stop_asked():
                return
            yield _result(job, _work(_task(job), root, stop_asked))
        return
    yield from _in_processes(jobs, root, min(workers, len(jobs)), stop_asked)


def _in_processes(jobs: list[Job], root: Path, workers: int, stop_asked: Callable[[], bool]) -> Iterator[Result]:
    from pebble import ProcessExpired, ProcessPool

    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with (
        _one_thread(),
        ProcessPool(max_workers=workers, context=context, initializer=_prepare, initargs=(stop,)) as pool,
        _stopped_on_error(pool),
    ):
        with _without_interrupts():
            futures = {pool.schedule(_work, args=(_task(job), root)): job for job in jobs}
        pending = set(futures)
        told = False
        while pending:
            done, pending = wait(pending, timeout=POLL, return_when=FIRST_COMPLETED)
            for future in done:
                job = futures[future]
                try:
                    yield _result(job, future.result())
                except CancelledError:
                    continue
                except ProcessExpired as error:
                    yield Result(job, "failed", f"the worker process died (exit code {error.exitcode})", None, {})
                except Exception as error:  # whatever a run raised: recorded, and the sweep goes on
                    yield Result(job, "failed", f"{type(error).__name__}: {error}", None, {})
            if stop_asked() and not told:
                told = True
                stop.set()
                for future in pending:
                    if not future.running():
                        future.cancel()


@contextmanager
def _stopped_on_error(pool: Any) -> Iterator[None]:
    """A second Ctrl-C does not wait for the runs under way."""
    try:
        yield
    except BaseException:
        pool.stop()
        raise


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Threads and processes started meanwhile never see Ctrl-C, not even before `_prepare`: it is for the parent."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Workers started meanwhile inherit one BLAS thread; it must be set before they import NumPy."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ |= dict.fromkeys(THREAD_VARIABLES, "1")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _prepare(stop: Event) -> None:
    """A new worker leaves signals to its parent, which asks it to stop."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _task(job: Job) -> dict[str, Any]:
    """What a worker needs to know of a job."""
    return {
        "config": job.config,
        "label": job.trial.label,
        "case": job.trial.case,
        "resume": None if job.begun is None else str(job.begun.path),
        "pause": job.pause,
    }


def _work(task: dict[str, Any], root: Path, stop_asked: Callable[[], bool] | None = None) -> dict[str, Any]:
    """Run or resume one job; in a worker, `stop_asked` is the event that its parent sets."""
    if stop_asked is None:
        assert _stop is not None
        stop_asked = _stop.is_set
    if stop_asked():
        return {"status": "interrupted", "reason": "not begun"}
    try:
        run = read_run(Path(task["resume"])) if task["resume"] else None
        if isinstance(run, Run):
            experiment, folder = reopen(run)
        else:
            loaded = load_data(task["config"], "the sweep's configuration")
            experiment = kind_of(loaded.config)(loaded.config)
            folder = begin(experiment, root, task["label"], {"case": task["case"]})
        pause = Pause(task["pause"])
        record = train(experiment, folder, pause, lambda: pause.due or stop_asked())
        if pause.due and record["status"] == "interrupted":
            record["status"] = "paused"
    except InputError as error:
        return {"status": "failed", "reason": str(error)}
    except Exception as error:  # a run that fails must not stop the sweep; its record tells the same
        if os.environ.get("NNEXP_DEBUG"):
            raise
        return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    return {key: record.get(key) for key in ("id", "status", "reason", "final")}


class Pause:
    """Watches a run until it has logged an epoch after which a search looks at it; with null, for ever."""

    def __init__(self, epoch: int | None):
        self.epoch, self.due = epoch, False

    def __call__(self, trainer: Trainer, event: Row | Tick) -> None:
        if self.epoch is not None and isinstance(event, Row):
            self.due = (event.values["epoch"] or 0) >= self.epoch


def _result(job: Job, record: dict[str, Any]) -> Result:
    return Result(job, record["status"], record.get("reason") or "", record.get("id"), record.get("final") or {})
