"""Runs a plan's jobs in worker processes, one BLAS thread each; one that fails, dies or needs too much stops no other.

A job is handed out when a worker is about to be free, so that the parent holds little more than the results.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import Any

from nnexp.engine import compiling
from nnexp.runner import Notice, compiling_told
from nnexp.store.folder import fresh_ids
from nnexp.store.locks import Locks
from nnexp.store.room import Unwritable
from nnexp.sweep.jobs import ELSEWHERE, POLL, TRIES, Ear, Orders, Result, Task, exit_words, ours, work
from nnexp.sweep.plan import Job
from nnexp.sweep.start import one_thread, start_method, without_interrupts
from nnexp.sweep.stock import Stock, data_key

AHEAD = 3
"""Jobs a worker that are handed out at a time."""


def run_jobs(
    jobs: list[Job],
    orders: Orders,
    stop_asked: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] | Ear = lambda text: None,
) -> Iterator[Result]:
    """Run all jobs and yield each result as it comes; `say` hears of what happens meanwhile.

    After `stop_asked` nothing new is begun, and runs under way end with a checkpoint; so it is after the first that
    failed, with `fail_fast`. Raises Unwritable after the last result where the disk is full.
    """
    ids = fresh_ids(orders.root)
    wanted = Counter(data_key(job.trial.loaded.config) for job in jobs)
    tasks = deque(Task(job, next(ids), wanted[data_key(job.trial.loaded.config)] == 1) for job in jobs)
    full = ""
    with Locks(orders.root).sweep():
        for result in _way(tasks, orders)(tasks, orders, stop_asked, say if isinstance(say, Ear) else Ear(say)):
            full = full or (result.reason if result.full else "")
            yield result
    if full:
        raise Unwritable(full)


Way = Callable[[deque[Task], Orders, Callable[[], bool], Ear], Iterator[Result]]


def _way(tasks: deque[Task], orders: Orders) -> Way:
    """How these tasks are run: on a cluster, in worker processes, or one after the other in this process."""
    if orders.cluster is not None:
        from nnexp.sweep.dispatch import on_cluster

        return on_cluster
    if min(orders.workers, len(tasks)) == 1 and not orders.limits.any:
        return _in_this_process
    return _in_processes


def _in_this_process(tasks: deque[Task], orders: Orders, stop_asked: Callable[[], bool], say: Ear) -> Iterator[Result]:
    locks, stock = Locks(orders.root), Stock(orders.data)
    with compiling_told(say):
        while tasks and not stop_asked():
            task = tasks.popleft()
            sleep(max(0.0, min(task.not_before - monotonic(), POLL)))
            say.begun(task.job)
            result = task.result(work(task.told(), orders.root, locks, stock, orders.limits, stop_asked))
            if result.status == "elsewhere":
                task.not_before = monotonic() + ELSEWHERE
                tasks.append(task)
                continue
            yield result
            if result.full or (orders.fail_fast and result.status == "failed"):
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
        """How often the pool broke down since the last result."""

    def results(self) -> Iterator[Result]:
        """Each result as it comes. A pool that breaks down as a whole is replaced by a new one."""
        while self.tasks and not self.stop.is_set():
            try:
                yield from self._from_one_pool()
            except BrokenProcessPool as error:
                self.breakdowns += 1
                if self.breakdowns >= TRIES:
                    raise ChildProcessError(
                        f"the pool of workers broke down {TRIES} times in a row ({error}); fewer workers need less "
                        "memory, and --jobs 1 has none"
                    ) from None
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
            result = task.result(future.result())
        except BrokenProcessPool:
            self.tasks.appendleft(task)
            raise
        except ProcessExpired as error:
            result = task.died(exit_words(error.exitcode), self.orders.root, self.say)
        except TimeoutError:
            result = task.given_up(f"{limits.why_seconds()}, stuck within a step", self.orders.root)
        if result is None:
            self.tasks.appendleft(task)
        elif result.status == "elsewhere":
            task.not_before = monotonic() + ELSEWHERE
            self.tasks.append(task)
        else:
            if result.full or (self.orders.fail_fast and result.status == "failed"):
                self.stop.set()
            self.breakdowns = 0
            yield result


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
    locks: Locks
    stock: Stock
    stop_asked: Callable[[], bool]
    part: ExitStack
    """Its part in the sweep, among the locks."""


_worker: _Worker | None = None


def _prepare(stop: Any, compiled: Any, orders: Orders) -> None:
    """A new worker leaves signals to its parent, which asks it to stop; without its parent it stops by itself."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):  # a terminal that is closed ends the parent
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = os.getppid()
    for name in ours(os.environ).keys() - orders.environment.keys():
        del os.environ[name]
    os.environ.update(orders.environment)

    def heard(name: str) -> None:
        with compiled.get_lock():
            compiled.value += 1

    compiling.on_compile = heard
    locks = Locks(orders.root)
    part = ExitStack()  # kept until this process ends: the trials that it holds may outlive the parent
    part.enter_context(locks.sweep())
    _worker = _Worker(orders, locks, Stock(orders.data), lambda: stop.is_set() or os.getppid() != parent, part)


def _in_worker(task: dict[str, Any]) -> dict[str, Any]:
    assert _worker is not None
    one = _worker
    return work(task, one.orders.root, one.locks, one.stock, one.orders.limits, one.stop_asked)
