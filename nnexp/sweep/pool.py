"""Runs a plan's jobs in worker processes, one BLAS thread each; one that fails, dies or needs too much stops no other.

A job is handed out when a worker is about to be free, so that the parent holds little more than the results.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import Any

from nnexp.config.load import load_data
from nnexp.engine import compiling
from nnexp.engine.surface import kind_of
from nnexp.engine.trainer import Row, Tick, Trainer
from nnexp.errors import InputError
from nnexp.runner import Notice, begin, compiling_told, give_up, reopen, train
from nnexp.store.claims import Claims
from nnexp.store.folder import RunFolder, fresh_ids
from nnexp.store.runs import RESUMABLE, Run, read_run
from nnexp.sweep.limits import Exceeded, Limits
from nnexp.sweep.plan import Job
from nnexp.sweep.start import one_thread, start_method, without_interrupts
from nnexp.sweep.stock import Stock

POLL = 0.1
"""Seconds between two looks at whether an interruption was asked for."""
AHEAD = 3
"""Jobs a worker that are handed out at a time."""
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


@dataclass
class Task:
    """A job on its way: the id of its run, and the workers that it has killed, each in words."""

    job: Job
    run_id: str
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
            "pause": job.pause,
            "again": bool(self.deaths),
        }


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


@dataclass(frozen=True)
class Ear:
    """Who hears of what happens meanwhile: call it with a message."""

    say: Callable[[str], None] = lambda text: None
    begun: Callable[[Job], None] = lambda job: None
    """Hears of each job that a worker has taken; again where that worker died, or another sweep was at it."""

    def __call__(self, text: str) -> None:
        self.say(text)


def run_jobs(
    jobs: list[Job],
    orders: Orders,
    stop_asked: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] | Ear = lambda text: None,
) -> Iterator[Result]:
    """Run all jobs and yield each result as it comes; `say` hears of what happens meanwhile.

    After `stop_asked` nothing new is begun, and runs under way end with a checkpoint; so it is after the first that
    failed, with `fail_fast`.
    """
    ids = fresh_ids(orders.root)
    tasks = deque(Task(job, next(ids)) for job in jobs)
    how = _in_this_process if min(orders.workers, len(jobs)) == 1 and not orders.limits.any else _in_processes
    with Claims(orders.root).sweep():
        yield from how(tasks, orders, stop_asked, say if isinstance(say, Ear) else Ear(say))


def _in_this_process(tasks: deque[Task], orders: Orders, stop_asked: Callable[[], bool], say: Ear) -> Iterator[Result]:
    claims, stock = Claims(orders.root), Stock(orders.data)
    with compiling_told(say):
        while tasks and not stop_asked():
            task = tasks.popleft()
            sleep(max(0.0, min(task.not_before - monotonic(), POLL)))
            say.begun(task.job)
            result = _result(task.job, _work(task.told(), orders.root, claims, stock, orders.limits, stop_asked))
            if result.status == "elsewhere":
                task.not_before = monotonic() + ELSEWHERE
                tasks.append(task)
                continue
            yield result
            if orders.fail_fast and result.status == "failed":
                return


def _in_processes(tasks: deque[Task], orders: Orders, stop_asked: Callable[[], bool], say: Ear) -> Iterator[Result]:
    return _Pool(tasks, orders, stop_asked, say).results()


class _Pool:
    """Worker processes with the tasks that they are to do."""

    def __init__(self, tasks: deque[Task], orders: Orders, stop_asked: Callable[[], bool], say: Ear):
        self.tasks, self.orders, self.stop_asked, self.say = tasks, orders, stop_asked, say
        self.workers = min(orders.workers, len(tasks))
        self.context: Any = multiprocessing.get_context(start_method())
        self.stop = self.context.Event()
        self.compiled = self.context.Value("i", 0)
        self.under_way: dict[Any, Task] = {}
        self.waiting: dict[Any, Task] = {}
        """Those of them that no worker has taken yet, as far as is known."""
        self.ended: SimpleQueue[Any] = SimpleQueue()
        self.notice = Notice(say)
        self.breakdowns = 0

    def results(self) -> Iterator[Result]:
        """Each result as it comes. A pool that breaks down as a whole is replaced by a new one."""
        while self.tasks and not self.stop.is_set():
            try:
                yield from self._from_one_pool()
            except BrokenProcessPool as error:
                self.breakdowns += 1
                if self.breakdowns >= TRIES:
                    raise
                self.say(f"the pool of workers broke down ({error}) and is started again")
                self.tasks.extendleft(self.under_way.values())
                self.under_way, self.waiting, self.ended = {}, {}, SimpleQueue()

    def _from_one_pool(self) -> Iterator[Result]:
        from pebble import ProcessPool

        told = (self.stop, self.compiled, self.orders)
        with (
            one_thread(),
            ProcessPool(self.workers, context=self.context, initializer=_prepare, initargs=told) as pool,
            _stopped_on_error(pool),
        ):
            while self.under_way or (self.tasks and not self.stop.is_set()):
                self._hand_out(pool)
                try:
                    future = self.ended.get(timeout=POLL)
                except Empty:
                    future = None
                if future is not None:
                    yield from self._result_of(future)
                elif self.under_way and not pool.active:  # a task that it had not looked at yet gets no answer
                    raise BrokenProcessPool("its only workers died before they took a run")
                self._look_who_has_begun()
                self.notice.look(self.compiled.value)
                if self.stop_asked():
                    self.stop.set()

    def _hand_out(self, pool: Any) -> None:
        now = monotonic()
        for _ in range(len(self.tasks)):
            if self.stop.is_set() or len(self.under_way) >= self.workers * AHEAD:
                return
            task = self.tasks.popleft()
            if task.not_before > now:
                self.tasks.append(task)
                continue
            try:
                with without_interrupts():
                    future = pool.schedule(_in_worker, args=(task.told(),), timeout=self.orders.limits.hard_seconds)
            except RuntimeError as error:  # it broke down: the results that it still owes say so
                self.tasks.appendleft(task)
                raise BrokenProcessPool(str(error)) from None
            self.under_way[future] = self.waiting[future] = task
            future.add_done_callback(self.ended.put)

    def _look_who_has_begun(self) -> None:
        for future in [future for future in self.waiting if future.running()]:
            self.say.begun(self.waiting.pop(future).job)

    def _result_of(self, future: Any) -> Iterator[Result]:
        """What a task has come to: nothing yet where it is to be tried again."""
        from pebble import ProcessExpired

        task = self.under_way.pop(future)
        self.waiting.pop(future, None)
        limits = self.orders.limits
        result: Result | None
        try:
            result = _result(task.job, future.result())
        except BrokenProcessPool:
            self.tasks.appendleft(task)
            raise
        except ProcessExpired as error:
            result = self._died(task, error)
        except TimeoutError:
            result = self._given_up(task, f"{limits.why_seconds()}, stuck within a step")
        if result is None:
            self.tasks.appendleft(task)
        elif result.status == "elsewhere":
            task.not_before = monotonic() + ELSEWHERE
            self.tasks.append(task)
        else:
            if self.orders.fail_fast and result.status == "failed":
                self.stop.set()
            yield result

    def _died(self, task: Task, error: Any) -> Result | None:
        """A worker died: try again, or give up when it was the last of TRIES."""
        path = task.path(self.orders.root)
        epoch = _last_epoch(path)
        task.deaths.append(f"{_exit(error.exitcode)} {'before epoch 0' if epoch is None else f'after epoch {epoch}'}")
        count, what = len(task.deaths), f"its worker process died ({task.deaths[-1]})"
        if count < TRIES:
            self.say(f"{_words(task.job)}: {what}; it is tried again ({count + 1} of {TRIES})")
            return None
        same = Counter(task.deaths)
        story = ", ".join(f"{times} x {death}" if times > 1 else death for death, times in same.items())
        return self._given_up(task, f"given up: {TRIES} worker processes died at it ({story})")

    def _given_up(self, task: Task, reason: str) -> Result:
        """Record the failure of a run whose worker is gone."""
        path, job = task.path(self.orders.root), task.job
        with suppress(OSError, InputError):  # a full disk, say: the reason is the one to tell
            if not (path / "run.json").exists():
                loaded = load_data(job.config, "the sweep's configuration")
                experiment = kind_of(loaded.config)(loaded.config)
                begin(experiment, self.orders.root, job.trial.label, {"case": job.trial.case}, task.run_id)
            give_up(path, reason)
        return Result(job, "failed", reason, task.run_id, {})


def _words(job: Job) -> str:
    return " ".join(filter(None, (job.trial.label, f"seed {job.trial.seed}")))


def _exit(code: int) -> str:
    """A process's exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"


def _last_epoch(path: Path) -> int | None:
    """The last epoch that a run has logged, or None."""
    with suppress(OSError, ValueError):
        return int((path / "metrics.csv").read_text().rstrip("\n").rpartition("\n")[2].partition(",")[0])
    return None


@contextmanager
def _stopped_on_error(pool: Any) -> Iterator[None]:
    """A second Ctrl-C does not wait for the runs under way."""
    try:
        yield
    except BaseException:
        pool.stop()
        raise


# -- in a worker -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Worker:
    """What a worker process keeps from one run to the next."""

    orders: Orders
    claims: Claims
    stock: Stock
    stop_asked: Callable[[], bool]
    part: ExitStack
    """Its part in the sweep, among the claims."""


_worker: _Worker | None = None


def _prepare(stop: Any, compiled: Any, orders: Orders) -> None:
    """A new worker leaves signals to its parent, which asks it to stop; without its parent it stops by itself."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = os.getppid()
    for name in ours(os.environ).keys() - orders.environment.keys():
        del os.environ[name]
    os.environ.update(orders.environment)

    def heard(name: str) -> None:
        with compiled.get_lock():
            compiled.value += 1

    compiling.on_compile = heard
    claims = Claims(orders.root)
    part = ExitStack()  # kept until this process ends: the trials that it holds may outlive the parent
    part.enter_context(claims.sweep())
    _worker = _Worker(orders, claims, Stock(orders.data), lambda: stop.is_set() or os.getppid() != parent, part)


def _in_worker(task: dict[str, Any]) -> dict[str, Any]:
    assert _worker is not None
    one = _worker
    return _work(task, one.orders.root, one.claims, one.stock, one.orders.limits, one.stop_asked)


def _work(
    task: dict[str, Any], root: Path, claims: Claims, stock: Stock, limits: Limits, stop_asked: Callable[[], bool]
) -> dict[str, Any]:
    """Run or resume one job, unless another sweep is at it or has just done it."""
    if stop_asked():
        return {"status": "interrupted", "reason": "not begun"}
    folder = None
    try:
        with claims.trial(task["fingerprint"]) as claim:
            if claim is None:
                return {"status": "elsewhere"}
            run = read_run(root / claim.told) if claim.told else None
            if isinstance(run, Run) and run.status in KNOWN and not task["again"]:
                return _told(run.record)
            if not isinstance(run, Run) or run.status not in RESUMABLE:
                run = read_run(Path(task["resume"])) if task["resume"] else None
            pause, spent = Pause(task["pause"]), 0.0
            if isinstance(run, Run):
                if pause.reached(_last_epoch(run.path)):  # another sweep has just brought it there
                    return _told(run.record) | {"status": "paused"}
                experiment, folder = reopen(run, stock.prepared)
                spent = run.record.get("wall_seconds") or 0.0
            else:
                loaded = load_data(task["config"], "the sweep's configuration")
                experiment = kind_of(loaded.config)(loaded.config, stock.prepared(loaded.config))
                folder = begin(experiment, root, task["label"], {"case": task["case"]}, task["run_id"])
            claim.tell(folder.path.name)
            with limits.held(stop_asked, spent) as asked:
                record = train(experiment, folder, pause, lambda: pause.due or asked())
            if pause.due and record["status"] == "interrupted":
                record["status"] = "paused"
            return _told(record)
    except InputError as error:
        return {"status": "failed", "reason": str(error)}
    except Exceeded as error:
        assert folder is not None
        give_up(folder.path, str(error))
        return _told(folder.read_record())
    except Exception as error:  # a run that fails must not stop the sweep; its record tells the same
        if os.environ.get("NNEXP_DEBUG"):
            raise
        return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}


def _told(record: dict[str, Any]) -> dict[str, Any]:
    return {key: record.get(key) for key in ("id", "status", "reason", "final", "train_seconds")}


class Pause:
    """Watches a run until it has logged an epoch after which a search looks at it; with null, for ever."""

    def __init__(self, epoch: int | None):
        self.epoch, self.due = epoch, False

    def reached(self, epoch: int | None) -> bool:
        """Whether a run that has logged this epoch is there."""
        return self.epoch is not None and epoch is not None and epoch >= self.epoch

    def __call__(self, trainer: Trainer, event: Row | Tick) -> None:
        if isinstance(event, Row):
            self.due = self.reached(int(event.values["epoch"] or 0))


def _result(job: Job, record: dict[str, Any]) -> Result:
    told = record.get("id"), record.get("final") or {}, record.get("train_seconds")
    return Result(job, record["status"], record.get("reason") or "", *told)
