"""Runs a plan's jobs on a Dask cluster: hands them out, brings their folders home, goes on where a worker was lost.

A run is followed by short tasks on one worker (nnexp.sweep.remote). Its lock is held here, and its folder in runs/ is
written here alone.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from nnexp.errors import InputError
from nnexp.runner import Notice
from nnexp.store.locks import Locks
from nnexp.store.room import NO_ROOM, why_not
from nnexp.store.runs import Run
from nnexp.sweep import remote
from nnexp.sweep.cluster import Cluster, ClusterGone, Lost, Worker
from nnexp.sweep.jobs import ELSEWHERE, POLL, Ear, Orders, Result, Task, exit_words, known, told_of
from nnexp.sweep.parcels import Home, Parcel, Refused, blocks, parcels_of
from nnexp.sweep.plan import Job

SILENCE = 60.0
"""Seconds after which a run that nobody follows any more ends with a checkpoint."""


def on_cluster(tasks: deque[Task], orders: Orders, stop_asked: Callable[[], bool], say: Ear) -> Iterator[Result]:
    """Each result as it comes. Raises ClusterGone where the cluster is gone."""
    assert orders.cluster is not None
    return _Dispatch(tasks, orders, orders.cluster, stop_asked, say).results()


class _Dispatch:
    """Tasks, and the workers of a cluster that are at them.

    `results` runs in the caller's thread, all else in the cluster's loop; what they tell each other is in `heard`.
    """

    def __init__(
        self,
        tasks: deque[Task],
        orders: Orders,
        cluster: Cluster,
        stop_asked: Callable[[], bool],
        say: Ear,
    ):
        self.tasks, self.orders, self.cluster, self.stop_asked, self.say = tasks, orders, cluster, stop_asked, say
        self.locks = Locks(orders.root)
        self.stop = False
        self.heard: SimpleQueue[Result | Job | str] = SimpleQueue()
        self.compiled = 0
        """The loops that were compiled, at the worker that had most."""
        self.avoided: dict[str, set[str]] = {}
        """By run: the workers that were lost with it or could not train it."""

    def results(self) -> Iterator[Result]:
        notice = Notice(self.say)
        serving = self.cluster.begin(self._serve())
        try:
            while not (serving.done() and self.heard.empty()):
                with suppress(Empty):
                    news = self.heard.get(timeout=POLL)
                    if isinstance(news, str):
                        self.say(news)
                    elif isinstance(news, Job):
                        self.say.begun(news)
                    else:
                        bad = news.full or (self.orders.fail_fast and news.status == "failed")
                        self.stop = self.stop or bad
                        yield news
                notice.look(self.compiled)
                self.stop = self.stop or self.stop_asked()
            serving.result()
        finally:
            serving.cancel()

    async def _serve(self) -> None:
        """Hand out tasks until all have ended, or those under way after `stop`."""
        active: set[asyncio.Task[Task | None]] = set()
        alone = False
        try:
            while active or (self.tasks and not self.stop):
                self.cluster.check()
                while not self.stop and (free := self._next(len(active))) is not None:
                    active.add(asyncio.create_task(self._run(*free)))
                if not self.cluster.workers and not alone:
                    self.heard.put(f"no worker is left at {self.cluster}; waiting for another")
                alone = not self.cluster.workers
                if not active:
                    await asyncio.sleep(POLL)
                    continue
                done, active = await asyncio.wait(active, timeout=POLL, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    if (again := one.result()) is not None:
                        self.tasks.append(again) if again.not_before else self.tasks.appendleft(again)
        finally:
            for one in active:
                one.cancel()
            await asyncio.gather(*active, return_exceptions=True)

    def _next(self, active: int) -> tuple[Task, Worker] | None:
        """A task that may begin now, and who is to do it: a worker that was not lost with it, if there is another."""
        if self.cluster.most is not None and active >= self.cluster.most:
            return None
        free = [worker for worker in self.cluster.workers.values() if worker.busy < worker.threads]
        now = monotonic()
        task = next((task for task in self.tasks if task.not_before <= now), None) if free else None
        if task is None:
            return None
        self.tasks.remove(task)
        avoided = self.avoided.get(task.run_id, set())
        worker = min(free, key=lambda one: (one.address in avoided, one.busy / one.threads))
        worker.busy += 1
        return task, worker

    async def _run(self, task: Task, worker: Worker) -> Task | None:
        """A task's way from its lock to its result; the task again where it is to be tried once more."""
        task.not_before = 0.0
        try:
            with ExitStack() as stack:
                lock = stack.enter_context(self.locks.trial(task.job.fingerprint))
                if lock is None:
                    task.not_before = monotonic() + ELSEWHERE
                    return task
                told = task.told()
                found = known(told, self.orders.root, lock)
                if isinstance(found, dict):
                    result: Result | None = task.result(found)
                else:
                    self.heard.put(task.job)
                    result = await self._train(task, told, found, worker, lock.tell)
        except ClusterGone:
            result = None
        except (OSError, InputError, Refused) as error:  # a full disk here, say
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                result = Result(task.job, "interrupted", why_not(self.orders.root, error), None, {}, full=True)
            else:
                why = f"{type(error).__name__}: {error}" if isinstance(error, OSError) else str(error)
                result = task.given_up(why, self.orders.root)
        finally:
            worker.busy -= 1
        if result is None:
            return task
        self.heard.put(result)
        return None

    async def _train(
        self, task: Task, told: dict[str, Any], run: Run | None, worker: Worker, tell: Callable[[str], None]
    ) -> Result | None:
        """Train a new run, or go on with `run`. None where it is to be tried again."""
        config = task.job.config if run is None else run.record["config"]
        path = task.path(self.orders.root) if run is None else run.path
        run_id = task.run_id if run is None else run.id
        home = Home(path, run_id, config, task.job.fingerprint)
        tell(path.name)
        try:
            answer = await self._followed(told | {"config": config}, run, home, worker)
        except ClusterGone:
            home.lost("the cluster was lost")
            raise
        except Lost as lost:
            self.avoided.setdefault(task.run_id, set()).add(worker.address)
            home.lost(str(lost).rstrip(","))
            return None if self.stop else task.died(str(lost), self.orders.root, self.heard.put)
        if answer["state"] == "died":
            home.lost(f"its process died ({exit_words(answer['exit'])})")
            return task.died(exit_words(answer["exit"]), self.orders.root, self.heard.put)
        if answer["state"] == "stuck":
            return task.given_up(f"{self.orders.limits.why_seconds()}, stuck within a step", self.orders.root)
        if answer["told"].get("full"):
            self.avoided.setdefault(task.run_id, set()).add(worker.address)
            return task.died(f"stopped by its disk: {answer['told']['reason']}", self.orders.root, self.heard.put)
        if answer["told"]["status"] == "interrupted" and not self.stop:  # nobody had followed it for a while
            return None
        return task.result(told_of(answer["told"]))

    async def _followed(self, told: dict[str, Any], run: Run | None, home: Home, worker: Worker) -> dict[str, Any]:
        """Begin a run on a worker and bring its files home until it has ended: the last answer. Raises Lost."""
        call, key, token = self.cluster.call, self.cluster.key, uuid.uuid4().hex
        parcels = {parcel.digest: parcel for parcel in await asyncio.to_thread(parcels_of, told["config"])}
        limits, folder = self.orders.limits, home.path.name
        task = {
            "run": told,
            "begun": run is not None,
            "folder": folder,
            "parcels": [parcel.told() for parcel in parcels.values()],
            "limits": limits.model_dump(),
            "hard_seconds": limits.hard_seconds,
            "silence": SILENCE,
            "environment": {
                name: self.orders.environment[name] for name in remote.TOLD if name in self.orders.environment
            },
        }
        if run is not None:
            for name, *block in home.begun():
                await call(worker, remote.deliver, key, f"runs/{token}/{folder}", name, *block)
        answer = await call(worker, remote.begin, key, token, task)
        while answer["state"] == "missing":
            await self._provide([parcels[digest] for digest in answer["missing"]], worker)
            answer = await call(worker, remote.begin, key, token, task)
            worker.held.difference_update(answer.get("missing", ()))  # what it has lost since
        while True:
            if answer["state"] == "unknown":  # another process has taken its worker's place
                raise Lost(f"lost with {worker.address}")
            self.compiled = max(self.compiled, answer["compiled"])
            try:
                await asyncio.to_thread(home.take, answer["names"], answer["files"])
            except (OSError, Refused):
                with suppress(Lost, ClusterGone):
                    await call(worker, remote.abandon, token)
                raise
            if answer["state"] != "running":
                return answer
            answer = await call(worker, remote.follow, token, self.stop)

    async def _provide(self, parcels: Sequence[Parcel], worker: Worker) -> None:
        """Send a worker what it has not been sent yet; several of its runs may want the same at once."""
        async with worker.receiving:
            for parcel in parcels:
                if parcel.digest in worker.held:
                    continue
                for name, path in parcel.contents().items():
                    for block in blocks(path):
                        await self.cluster.call(
                            worker, remote.deliver, self.cluster.key, f"files/{parcel.digest}", name, *block
                        )
                worker.held.add(parcel.digest)
