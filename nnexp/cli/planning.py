"""What comes before anything is run: processes, whether so many runs are meant, what they take, and `--dry-run`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from nnexp.cli.console import counted, out
from nnexp.errors import InputError

if TYPE_CHECKING:
    from nnexp.store.runs import Shelf
    from nnexp.sweep.course import Course
    from nnexp.sweep.expand import Trial
    from nnexp.sweep.plan import Plan
    from nnexp.sweep.shard import Shard

ASKED = 10_000
"""Runs beyond which a sweep is asked about."""


def workers_for(jobs: int | None, soon: bool) -> int:
    """How many processes; where they are wanted `soon`, the one that they are forked from starts meanwhile."""
    from nnexp.sweep.start import default_jobs, start_early

    workers = jobs or default_jobs()
    if workers > 1 and soon:
        start_early(["nnexp.cli.main"])
    return workers


def confirm(count: int, first: Callable[[], Trial], workers: int, yes: bool) -> None:
    """Ask whether a very large sweep is meant. Raises InputError where nobody can answer, Exit for a no."""
    if count <= ASKED or yes:
        return
    from nnexp.engine.experiment import Unfit
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


def cost_of(plan: Plan, workers: int) -> tuple[list[str], float]:
    """About how long it takes to run what a plan misses, as a sentence where there is something, and in seconds."""
    from nnexp.report.numbers import duration
    from nnexp.sweep.estimate import elapsed, total

    missing = plan.missing
    if not missing:
        return [], 0.0
    used = min(workers, len(missing))
    seconds = elapsed(total(missing, missing).seconds, len(missing), workers)
    return [f"about {duration(seconds)} on {used} process{'es' if used > 1 else ''}, by a few steps of one"], seconds


def show_plan(course: Course, shelf: Shelf, shard: Shard | None, workers: int, how: str) -> None:
    """The table of runs that `--dry-run` prints, of a shard its part."""
    from nnexp.report.tables import Column, Grid, headings, render

    plan, later = course.foreseen(shelf)
    plan = replace(plan, shard=shard)
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
        done, begun, source = job.done, job.begun, job.source
        state = f"{done.status}: {done.id}" if done else f"goes on: {begun.id}" if begun else "to run"
        if source is not None and done is None:
            state = f"goes on from {source.id}, epoch {source.brief.epoch}"
        row: dict[str, Any] = {"number": number, "case": job.trial.case, "seed": job.trial.seed, "state": state}
        rows.append(row | job.trial.changes)
    rows += [{"number": number, "state": "to run"} | row for number, row in enumerate(later, len(plan.jobs) + 1)]
    facts = _facts(course, plan, len(later), shelf, workers) if how != "csv" else {"notes": []}
    notes = facts.pop("notes")
    render(Grid(columns, rows, notes=notes, meta={"kind": "plan", **facts}), how, out(), every_column=True)


def _facts(course: Course, plan: Plan, later: int, shelf: Shelf, workers: int) -> dict[str, Any]:
    """What `--dry-run` says of the whole, as plain data, and as sentences under `notes`."""
    from nnexp.report.numbers import duration, size
    from nnexp.sweep.estimate import elapsed, spread, tells, total

    count, missing = len(plan.jobs) + later, len(plan.missing) + later
    longer = f" ({plan.longer} of them from where runs with fewer epochs have ended)" if plan.longer else ""
    notes = [f"{counted(count, 'run')}{plan.share}, {missing} to run{longer}; nothing was run"]
    facts: dict[str, Any] = {"runs": count, "missing": missing, "continued": plan.longer}
    if missing:
        cost = total(plan.missing, plan.missing or course.sample, later)
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
