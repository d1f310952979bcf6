"""`nnexp sweep`: many runs from one description, in parallel, and their comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
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
    from nnexp.store.runs import Run, Shelf
    from nnexp.sweep.expand import Sweep
    from nnexp.sweep.plan import Plan
    from nnexp.sweep.pool import Orders, Result


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
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes; all cores by default.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the runs and stop.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first run that fails.")] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="K/N", help="Run only this fixed part, as 2/5: one machine's share.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="What the comparison judges by.")] = None,
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
    from nnexp.report.compare import named_metric
    from nnexp.store.runs import Shelf
    from nnexp.sweep.expand import read_sweep
    from nnexp.sweep.plan import make_plan
    from nnexp.sweep.pool import Orders
    from nnexp.sweep.shard import Shard

    part = None if shard is None else Shard.parse(shard)
    described = read_sweep(config, [*(overrides or []), *(settings or [])], seeds)
    root = runs_root(runs)
    if dry_run:
        plan = replace(make_plan(described, _shelf(root)), shard=part)
        if metric is not None:
            named_metric(metric, plan.metrics)
        _show_plan(plan, how)
        return
    with _planned(described, root, metric) as (planned, data):
        plan = replace(planned, shard=part)
        plan.write()
        orders = Orders(root, workers, described.limits, fail_fast, data)
        interrupted, failed = _run(plan, orders, quiet)
    shelf = Shelf(root)
    found = next((s for s in shelf.sweeps if s.path == plan.folder), None)
    members = [] if found is None else shelf.runs_of(found)
    if members and not quiet:
        from nnexp.cli.compare import show_comparison

        show_comparison(members, [], metric, None, None, None, False, "auto", how)
    _end(plan, members, interrupted, failed and fail_fast, quiet)


def _shelf(root: Path) -> Shelf:
    from nnexp.store.runs import Shelf

    shelf = Shelf(root)
    name_damaged(shelf.damaged)
    return shelf


@contextmanager
def _planned(described: Sweep, root: Path, metric: str | None) -> Iterator[tuple[Plan, Path | None]]:
    """The plan, and the folder of the data that its processes share; both hold while this context is open.

    A sweep that ends while this one is planned has its runs in the shelf, or tells of them in its claims; so the shelf
    is read with the claims open. Only where there are no runs yet that waits until the plan is known to be valid.
    """
    from nnexp.report.compare import named_metric
    from nnexp.store.claims import Claims
    from nnexp.sweep.plan import make_plan
    from nnexp.sweep.stock import Stock, shared_folder

    with ExitStack() as stack:
        data = stack.enter_context(shared_folder())
        known = root.is_dir()
        if known:
            stack.enter_context(Claims(root).sweep())
        shelf = _shelf(root)
        plan = make_plan(described, shelf, Stock(data))
        if metric is not None:
            named_metric(metric, plan.metrics)
        if not known:
            stack.enter_context(Claims(root).sweep())
            if (shelf := _shelf(root)).runs:  # another sweep was quicker
                plan = make_plan(described, shelf, Stock(data))
        yield plan, data


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
    from nnexp.engine.loops import uncached
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


def _show_plan(plan: Plan, how: str) -> None:
    """The table of runs that `--dry-run` prints."""
    from nnexp.report.tables import Column, Grid, headings, render

    keys = list(dict.fromkeys(key for job in plan.jobs for key in job.trial.changes))
    heads = headings(keys)
    columns = [Column("number", "run", right=True)]
    if any(job.trial.case for job in plan.jobs):
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
    missing = len(plan.missing)
    note = f"{len(plan.jobs)} runs{plan.share}, {missing} to run; nothing was run"
    render(Grid(columns, rows, notes=[note] if how in ("table", "markdown") else []), how, out(), every_column=True)


def _end(plan: Plan, members: list[Run], interrupted: int | None, stopped: bool, quiet: bool) -> None:
    """The closing lines and the exit code."""
    own = {job.fingerprint for job in plan.own}
    counts = Counter(run.status for run in members if run.brief.fingerprint in own)
    if not quiet:
        say(f"show it again: nnexp compare {plan.folder.name}")
    left = len(own) - counts["finished"] - counts["diverged"]
    still = f"{left} run{'s are' if left != 1 else ' is'} left; the same command goes on"
    if interrupted is not None:
        say(f"interrupted; {still}")
        raise typer.Exit(interrupted)
    if stopped and left:
        say(f"stopped at the first run that failed; {still}")
    if plan.shard is not None and not quiet:
        say(f"carry it to the other shards: nnexp runs export {plan.folder.name} shard-{plan.shard.number}.tar.gz")
    unfinished = len(own) - counts["finished"]
    if unfinished:
        raise typer.Exit(3)
