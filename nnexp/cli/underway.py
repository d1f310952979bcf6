"""A sweep under way: its runs are run, what they come to is counted, shown and written down, and it can be stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

import typer

from nnexp.cli.console import say
from nnexp.cli.interrupt import Interrupt

if TYPE_CHECKING:
    from nnexp.cli.display import Display
    from nnexp.store.parents import Presence
    from nnexp.store.runs import Shelf
    from nnexp.sweep.course import Course
    from nnexp.sweep.expand import Sweep
    from nnexp.sweep.identity import Given, Identity
    from nnexp.sweep.jobs import Orders
    from nnexp.sweep.plan import Job, Plan
    from nnexp.sweep.records import Records
    from nnexp.sweep.shard import Shard
    from nnexp.sweep.tally import Tally

LOOK = 0.5
"""Seconds between two looks at whether `nnexp stop` has asked."""
BEAT = 10.0
"""Seconds between two signs of life where nothing happens."""
WHAT = "finishing the runs under way with a checkpoint"


class UnderWay:
    """A sweep's stages, one after the other, for as long as the context is open."""

    def __init__(self, given: Given, identity: Identity, display: Display):
        self.given, self.identity, self.display = given, identity, display
        self.interrupted: int | None = None
        """The exit code, where it was asked to end."""
        self.failed = False
        """Whether a run failed."""
        self.ended = 0
        """Runs that have ended in this process."""
        self.tally: Tally | None = None
        self._records: dict[Path, Records] = {}
        self._present: dict[Path, Presence] = {}
        self._stack = ExitStack()
        self._looked = self._beaten = 0.0
        self._told = 0
        self._complained = False

    def run(self, plan: Plan, orders: Orders, title: str) -> None:
        """Run what a plan misses. Raises InputError where the sweep's folder cannot be written."""
        from nnexp.engine.compiling import uncached
        from nnexp.sweep.jobs import Ear
        from nnexp.sweep.pool import run_jobs
        from nnexp.sweep.tally import Tally

        records = self._opened(plan)
        tally = self.tally = Tally(plan, self.identity.metric, self.identity.higher)
        missing, display = plan.missing, self.display
        self._tell(plan.folder)
        slots = orders.workers if orders.cluster is None else orders.cluster.slots
        where = "" if orders.cluster is None else f" on {orders.cluster}"
        processes = min(slots, len(missing))
        if not missing:
            display.stage(tally, title, processes, where)
            return

        def begun(job: Job) -> None:
            if tally.begun(job):
                records.begun(job)
                display.begun(job)

        with Interrupt(WHAT) as interrupt, self._shown():
            display.stage(tally, title, processes, where)
            if why := uncached():
                display.said(why)
            if orders.workers > 1:
                import scipy.special  # noqa: F401  # the comparison wants it: better now, while the workers get ready
            for result in run_jobs(missing, orders, lambda: self._asked(interrupt, records), Ear(display.said, begun)):
                if result.status == "interrupted" and result.run_id is None:
                    tally.drop(result.job)  # a worker had it in its hands, and did not begin
                    continue
                begun(result.job)
                tally.add(result)
                records.ended(result, orders.root)
                self.ended += result.status != "interrupted"
                self.failed |= result.status == "failed"
                display.ended(result)
        if interrupt.asked:
            self.interrupted = interrupt.exit_code

    def go(self, course: Course, orders: Orders, shard: Shard | None = None) -> tuple[Plan, Shelf, bool]:
        """Run a course to its end: the last plan, the runs as they are then, and whether a failure has stopped it.

        Raises InputError where the sweep's folder cannot be written, and Unwritable where a run cannot.
        """
        from nnexp.store.runs import Shelf

        stopped = False
        for stage in course.stages(lambda: Shelf(orders.root)):
            plan = replace(stage.plan, shard=shard, folder=self.identity.folder(stage.plan))
            self.run(plan, orders, stage.title)
            stopped = self.failed and orders.fail_fast
            if self.interrupted is not None or stopped:
                break
        shelf = Shelf(orders.root)
        self.write(shelf, over=self.interrupted is None and not stopped)
        return plan, shelf, stopped

    def write(self, shelf: Shelf, over: bool) -> None:
        """Write the tables once more, of the runs as they are, and whether the course is `over`."""
        for records in self._records.values():
            self._written(partial(records.end, shelf, over))

    def __enter__(self) -> UnderWay:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    @contextmanager
    def _shown(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.display.stage_over()

    def _opened(self, plan: Plan) -> Records:
        """The records of a plan, and this process among those at work at it."""
        from nnexp.store.parents import Presence
        from nnexp.sweep.records import Records

        records = Records(plan)
        records.begin(self.given, self.identity, first=plan.folder not in self._records)
        self._records[plan.folder] = records
        if plan.folder not in self._present:
            self._present[plan.folder] = self._stack.enter_context(Presence(plan.folder))
        return records

    def _asked(self, interrupt: Interrupt, records: Records) -> bool:
        """Whether to end; now and then also what has to be done while runs are run."""
        now = monotonic()
        if now - self._looked >= LOOK:
            self._looked = now
            if not interrupt.asked and any(one.asked_to_stop() for one in self._present.values()):
                interrupt.ask("nnexp stop")
            self._written(records.look)
            if now - self._beaten >= (1.0 if self.ended != self._told else BEAT):
                self._tell(records.plan.folder)
        return interrupt.asked

    def _tell(self, folder: Path) -> None:
        """A sign of life, in the folder of this stage with how far it has come."""
        self._beaten, self._told = monotonic(), self.ended
        tally = self.tally
        assert tally is not None
        for path, present in self._present.items():
            told = (tally.missing, tally.ended, tally.seconds) if path == folder else (0, 0, 0.0)
            self._written(partial(present.tell, *told))

    def _written(self, write: Callable[[], None]) -> None:
        """Write what is no run; where that cannot be done say so once, and go on: the runs are what counts."""
        try:
            write()
        except OSError as error:
            if not self._complained:
                self._complained = True
                self.display.said(f"the sweep's records cannot be written ({error.strerror or error}); its runs go on")


@contextmanager
def room() -> Iterator[None]:
    """Where a full disk ends the runs meanwhile, say what becomes of them, and leave with exit code 3."""
    from nnexp.store.room import Unwritable

    try:
        yield
    except Unwritable as error:
        say(str(error))
        say("the sweep has stopped, and nothing is lost: the same command goes on when there is room")
        raise typer.Exit(3) from None


def carry_out(
    made: Sweep, given: Given, root: Path, workers: int, what: str, quiet: bool
) -> tuple[Course, Plan, Shelf]:
    """Run what a design of one configuration misses, after saying `what` it is. Raises Exit where it does not end."""
    from nnexp.cli.display import display_for
    from nnexp.cli.planning import cost_of
    from nnexp.cli.sweep import planned
    from nnexp.sweep.identity import identify
    from nnexp.sweep.jobs import Orders

    with planned(made, root, partial(identify, given=given, new=True)) as (course, data, identity):
        if not quiet:
            say(what)
            for line in cost_of(course.first, workers)[0]:
                say(line)
        with UnderWay(given, identity, display_for(quiet, False)) as under_way, room():
            plan, shelf, _ = under_way.go(course, Orders(root, workers, made.limits, False, data))
    if under_way.interrupted is not None:
        say("interrupted; the same command goes on")
        raise typer.Exit(under_way.interrupted)
    return course, plan, shelf
