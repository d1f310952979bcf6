"""`nnexp sweep`: many runs from one description, in parallel, and their comparison."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnexp.cli.console import (
    FormatOption,
    QuietOption,
    RunsOption,
    SetOption,
    check_format,
    complete_override,
    err,
    name_damaged,
    not_override,
    out,
    runs_root,
    say,
    watched,
)
from nnexp.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from nnexp.report.tuning import Findings
    from nnexp.store.runs import Run, Shelf
    from nnexp.sweep.course import Course
    from nnexp.sweep.expand import Sweep, Trial
    from nnexp.sweep.plan import Plan
    from nnexp.sweep.pool import Orders, Result

ASKED = 10_000
"""Runs beyond which a sweep is asked about."""


def sweep(
    config: Annotated[Path, typer.Argument(help="A sweep's YAML file, or one experiment's.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUES]...",
            help="optimizer=sgd,adam  lr=logspace(1e-4,1,5)  'zip(a=1,2 b=x,y)'",
            autocompletion=complete_override,
        ),
    ] = None,
    settings: SetOption = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds 0 to N - 1 for each combination.")] = None,
    search: Annotated[str | None, typer.Option(help="Try points of ranges: random, sobol, halving or tpe.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Points that a search tries.")] = None,
    tune: Annotated[
        int | None, typer.Option(min=1, metavar="BUDGET", help="Tune the ranges in every level first, so many trials.")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes; all cores by default.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the runs and stop.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first run that fails.")] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="K/N", help="Run only this fixed part, as 2/5: one machine's share.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="What the comparison, and a search, judges by.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a very large sweep.")] = False,
    quiet: QuietOption = False,
    how: FormatOption = "table",
    runs: RunsOption = None,
) -> None:
    """Train every combination with every seed; skip what is finished; compare.

    Exit code 0: all finished. 2: wrong input, nothing was run. 3: some runs failed or diverged. 130: interrupted; the
    same command goes on.
    """
    not_override(config, "sweep")
    from nnexp.sweep.start import default_jobs, start_early

    workers = jobs or default_jobs()
    if workers > 1 and not dry_run and config.is_file():
        start_early(["nnexp.cli.main"])
    from nnexp.report.tables import FORMATS

    check_format(how, FORMATS)
    _check_metric(metric)
    from nnexp.store.runs import Shelf
    from nnexp.sweep.course import Course
    from nnexp.sweep.expand import read_sweep
    from nnexp.sweep.pool import Orders
    from nnexp.sweep.shard import Shard

    part = None if shard is None else Shard.parse(shard)
    described = read_sweep(
        config,
        [*(overrides or []), *(settings or [])],
        seeds,
        {"search": search, "trials": trials, "tune": tune, "metric": metric},
        lambda count, first: _confirm(count, first, workers, yes),
    )
    if part is not None and described.by_results:
        raise InputError(
            f"--shard: {described.by_results} chooses its runs by what came out before, so they cannot be divided "
            "among machines in advance; leave --shard out, or search with random or sobol"
        )
    root = runs_root(runs)
    if dry_run:
        shelf = _shelf(root)
        course = Course(described, shelf)
        _show_plan(course, replace(course.first, shard=part), shelf, workers, how)
        return
    interrupted: int | None = None
    stopped = False
    with _planned(described, root) as (course, data):
        metric = None if described.metric is None else course.metric
        orders = Orders(root, workers, described.limits, fail_fast, data)
        for stage in course.stages(lambda: Shelf(root)):
            plan = replace(stage.plan, shard=part)
            plan.write()
            if stage.title and not quiet:
                say(stage.title)
            interrupted, failed = _run(plan, orders, quiet)
            stopped = failed and fail_fast
            if interrupted is not None or stopped:
                break
    shelf = Shelf(root)
    if interrupted is None and not stopped and course.findings is not None and plan.told(shelf):
        course.write_findings(plan)
        _tell_findings(course.findings, described.tune is not None, how, quiet)
    found = next((s for s in shelf.sweeps if s.path == plan.folder), None)
    members = [] if found is None else shelf.runs_of(found)
    if members and not quiet:
        from nnexp.cli.compare import show_comparison

        show_comparison(members, [], metric, None, None, None, False, "auto", how)
    _end(plan, course, shelf, members, interrupted, stopped, quiet)


def _shelf(root: Path) -> Shelf:
    from nnexp.store.runs import Shelf

    shelf = Shelf(root)
    name_damaged(shelf.damaged)
    return shelf


@contextmanager
def _planned(described: Sweep, root: Path) -> Iterator[tuple[Course, Path | None]]:
    """The sweep's course, and the folder of the data that its processes share; both hold while this context is open.

    A sweep that ends while this one is planned has its runs in the shelf, or tells of them in its claims; so the shelf
    is read with the claims open. Only where there are no runs yet that waits until the plan is known to be valid.
    """
    from nnexp.store.claims import Claims
    from nnexp.sweep.course import Course
    from nnexp.sweep.plan import make_plan
    from nnexp.sweep.stock import Stock, shared_folder

    with ExitStack() as stack:
        data = stack.enter_context(shared_folder())
        planner = partial(make_plan, stock=Stock(data))
        known = root.is_dir()
        if known:
            stack.enter_context(Claims(root).sweep())
        course = Course(described, _shelf(root), planner)
        if not known:
            stack.enter_context(Claims(root).sweep())
            if (shelf := _shelf(root)).runs:  # another sweep was quicker
                course = Course(described, shelf, planner)
        yield course, data


def _check_metric(word: str | None) -> None:
    """Raises InputError, before anything is run, for what is no metric's name."""
    from nnexp.components.base import members
    from nnexp.components.metrics import Metric
    from nnexp.engine.surface import READINGS

    names = ["loss", *members(Metric), *(reading.name for reading in READINGS)]  # type: ignore[type-abstract]
    known = [*names, *(f"{split}_{name}" for split in ("validation", "train", "test") for name in names)]
    if word is not None and word not in known:
        guess = did_you_mean(word, known) or f"; one of {', '.join(names)}"
        raise InputError(f"--metric: '{word}' is not a metric{guess}")


def _run(plan: Plan, orders: Orders, quiet: bool) -> tuple[int | None, bool]:
    """Run what is missing. Returns the exit code of an interruption, if there was one, and whether a run failed."""
    from nnexp.cli.interrupt import Interrupt
    from nnexp.engine.compiling import uncached
    from nnexp.sweep.pool import run_jobs

    missing = plan.missing
    if not quiet:
        there = sum(job.done is not None for job in plan.own)
        already = f", {there} already there" if there else ""
        processes = min(orders.workers, len(missing))
        work = f"{processes} process{'es' if processes > 1 else ''}" if processes else "nothing to run"
        say(f"{len(plan.jobs)} runs{plan.share}{already}, {work}; {plan.folder}")
    if not missing:
        return None, False
    if not quiet and (why := uncached()):
        say(why)
    with (
        Interrupt("finishing the runs under way with a checkpoint") as interrupt,
        Display(plan, len(missing), quiet) as display,
    ):
        for result in run_jobs(missing, orders, lambda: interrupt.asked, display.note):
            display.add(result)
    return interrupt.exit_code if interrupt.asked else None, display.counts["failed"] > 0


class Display:
    """What a sweep shows while it runs: a live line for a person, a line a run for a pipe."""

    def __init__(self, plan: Plan, total: int, quiet: bool):
        self.plan, self.total, self.quiet = plan, total, quiet
        self.counts: Counter[str] = Counter()
        self.started = monotonic()
        self.best: tuple[float, str] | None = None
        self._live: Any = None

    def __enter__(self) -> Display:
        console = err()
        if not self.quiet and watched(console):
            from rich.live import Live

            self._live = Live(get_renderable=self._display, console=console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def note(self, text: str) -> None:
        """Something has happened that is no result."""
        if not self.quiet:
            say(text)

    def add(self, result: Result) -> None:
        """A run has ended."""
        from nnexp.report.numbers import score

        self.counts[result.status] += 1
        what = " ".join(filter(None, (result.job.trial.label, f"seed {result.job.trial.seed}")))
        shown = next(
            (name for name in result.final if name.startswith("validation_") and name != "validation_loss"), None
        )
        shown = shown or next(iter(result.final), None)
        value = result.final.get(shown) if shown else None
        if value is not None and (self.best is None or value > self.best[0]) and shown and not shown.endswith("loss"):
            self.best = (value, f"{shown} {value:.4f} ({what})")
        if self.quiet:
            return
        if result.status in ("failed", "diverged"):
            say(f"{result.status}: {what}: {result.reason}")
        elif self._live is None and result.status == "finished":
            done = sum(self.counts.values())
            scored = f"  {shown} {score(value)}" if value is not None else ""
            say(f"{done:>{len(str(self.total))}}/{self.total}  {what}{scored}")

    def _display(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        from nnexp.report.numbers import duration

        done = sum(self.counts.values())
        elapsed = monotonic() - self.started
        left = duration(elapsed / done * (self.total - done)) if done else "?"
        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(self.plan.sweep.name, style="bold"),
            ProgressBar(total=self.total, completed=done, width=30),
            Text(f"{done}/{self.total}"),
            Text(f"{done / elapsed * 60:,.0f} runs/min" if done else "", style="dim"),
            Text(f"{left} left", style="dim"),
        )
        bad = ", ".join(f"{count} {status}" for status, count in self.counts.items() if status != "finished")
        rows: list[Any] = [head]
        if bad:
            rows.append(Text(f"  {bad}", style="yellow"))
        if self.best is not None:
            rows.append(Text(f"  best so far: {self.best[1]}", style="green"))
        return Group(*rows)


def _tell_findings(findings: Findings, tuned: bool, how: str, quiet: bool) -> None:
    """What a search found: a table for people where it tuned, the best in a line where it did not, and warnings."""
    from nnexp.report.tables import FOR_MACHINES, render
    from nnexp.report.tuning import best_line, table, warnings

    if quiet:
        return
    if tuned and how not in FOR_MACHINES:
        render(table(findings), how, out())
        out().print()
    elif not tuned:
        for found in findings.levels:
            if found.best is not None:
                say(best_line(findings, found))
    for warning in warnings(findings):
        say(f"warning: {warning}")


def _confirm(count: int, first: Callable[[], Trial], workers: int, yes: bool) -> None:
    """Ask whether a very large sweep is meant. Raises InputError where nobody can answer, Exit for a no."""
    if count <= ASKED or yes:
        return
    from nnexp.engine.trainer import Unfit
    from nnexp.report.numbers import duration
    from nnexp.sweep.estimate import elapsed, measure

    trial = first()
    try:
        seconds = elapsed(measure(trial.loaded.config).seconds * count, count, workers)
    except Unfit as unfit:
        raise trial.loaded.refuse(unfit.misfits) from None
    processes = f"{workers} process{'es' if workers > 1 else ''}"
    text = f"{count:,} runs, about {duration(seconds)} on {processes}, by the first of them"
    if not sys.stdin.isatty():
        raise InputError(f"{text}; to go on all the same: --yes")
    if not typer.confirm(f"{text}; go on?", err=True):
        raise typer.Exit(2)


def _facts(course: Course, plan: Plan, shelf: Shelf, workers: int) -> dict[str, Any]:
    """What `--dry-run` says of the whole, as plain data, and as sentences under `notes`."""
    from nnexp.report.numbers import duration, size
    from nnexp.sweep.estimate import elapsed, spread, tells, total

    later = course.later
    count, missing = len(plan.jobs) + len(later), len(plan.missing) + len(later)
    notes = [f"{count} runs{plan.share}, {missing} to run; nothing was run"]
    facts: dict[str, Any] = {"runs": count, "missing": missing}
    if missing:
        cost = total(plan.missing, plan.missing or course.sample, len(later))
        seconds = elapsed(cost.seconds, missing, workers)
        processes = min(workers, missing)
        facts |= {"seconds": seconds, "processes": processes, "bytes": int(cost.bytes)}
        stops = [one.config["stop"] for one in course.sample]
        early = course.prunes or any(stop["patience"] or stop["target"] for stop in stops)
        notes.append(
            f"{'at most ' if early else ''}about {duration(seconds)} on {processes} "
            f"process{'es' if processes > 1 else ''} (from a few steps of each shape), {size(cost.bytes)} on the disk"
        )
    if course.sweep.search is None:
        dataset = course.sample[0].config["dataset"]
        found = spread(shelf.runs, dataset, course.metric, course.higher)
        sentence, least = tells(len(course.sweep.seeds), found, course.metric, dataset["name"])
        notes.append(sentence)
        facts["detectable"] = least
    return facts | {"notes": notes}


def _show_plan(course: Course, plan: Plan, shelf: Shelf, workers: int, how: str) -> None:
    """The table of runs that `--dry-run` prints."""
    from nnexp.report.tables import Column, Grid, headings, render

    later = course.later
    keys = list(dict.fromkeys(key for row in [*(job.trial.changes for job in plan.jobs), *later] for key in row))
    keys = [key for key in keys if key not in ("case", "seed")]
    heads = headings(keys)
    columns = [Column("number", "run", right=True)]
    if any(job.trial.case for job in plan.jobs) or any(row["case"] for row in later):
        columns.append(Column("case", "case"))
    columns += [Column(key, heads[key]) for key in keys]
    columns += [Column("seed", "seed", right=True), Column("state", "state")]
    rows = []
    own = {job.fingerprint for job in plan.own}
    for number, job in enumerate(plan.jobs, 1):
        if job.fingerprint not in own:
            continue
        done, begun = job.done, job.begun
        state = f"{done.status}: {done.id}" if done else f"goes on: {begun.id}" if begun else "to run"
        row: dict[str, Any] = {"number": number, "case": job.trial.case, "seed": job.trial.seed, "state": state}
        rows.append(row | job.trial.changes)
    rows += [{"number": number, "state": "to run"} | row for number, row in enumerate(later, len(plan.jobs) + 1)]
    facts = _facts(course, plan, shelf, workers) if how != "csv" else {"notes": []}
    notes = facts.pop("notes")
    render(Grid(columns, rows, notes=notes, meta={"kind": "plan", **facts}), how, out(), every_column=True)


def _end(
    plan: Plan,
    course: Course,
    shelf: Shelf,
    members: list[Run],
    interrupted: int | None,
    stopped: bool,
    quiet: bool,
) -> None:
    """The closing lines and the exit code."""
    own = {job.fingerprint for job in plan.own}
    counts = Counter(run.status for run in members if run.brief.fingerprint in own)
    if not quiet:
        say(f"show it again: nnexp compare {plan.folder.name}")
    settled = {job.fingerprint for job in plan.own if job.settled}
    pruned = sum(run.status == "pruned" and run.brief.fingerprint in settled for run in members)
    left = len(own) - counts["finished"] - counts["diverged"] - pruned
    still = "the same command goes on"
    if not course.sweep.by_results:  # otherwise more may come
        still = f"{left} run{'s are' if left != 1 else ' is'} left; {still}"
    if interrupted is not None:
        say(f"interrupted; {still}")
        raise typer.Exit(interrupted)
    if stopped and left:
        say(f"stopped at the first run that failed; {still}")
    if plan.shard is not None and not quiet:
        say(f"carry it to the other shards: nnexp runs export {plan.folder.name} shard-{plan.shard.number}.tar.gz")
    if len(own) > counts["finished"] + pruned or course.failed(shelf):
        raise typer.Exit(3)
