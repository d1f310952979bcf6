"""`nnexp sweep --status`: how sweeps stand, from their records and runs, also while they run in another terminal."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from nnexp.cli.console import check_format, name_damaged, out

if TYPE_CHECKING:
    from nnexp.report.standing import Standing
    from nnexp.report.tables import Grid

MOST = 5
"""Runs that are told one by one."""


def show_status(word: Path | None, how: str, root: Path) -> None:
    """Print how the sweep stands that a word names: a sweep, or the file that it came from.

    Without a word: the sweeps under way, or the latest. Raises InputError.
    """
    from nnexp.report.standing import find_sweeps, standing
    from nnexp.report.tables import FORMATS, render
    from nnexp.store.runs import Shelf

    check_format(how, FORMATS)
    shelf = Shelf(root)
    name_damaged(shelf.damaged)
    found = [standing(sweep, shelf) for sweep in find_sweeps(shelf, None if word is None else str(word))]
    if how == "table" and len(found) == 1:
        for line in _told(found[0]):
            out().print(line, markup=False, soft_wrap=True)
        return
    render(_grid(found, how in ("table", "markdown")), how, out(), every_column=True)


def _grid(found: list[Standing], people: bool) -> Grid:
    """A row a sweep. People are spared what is nothing in all of them."""
    from nnexp.report.numbers import duration, number, score
    from nnexp.report.standing import STATES
    from nnexp.report.tables import Column, Grid

    always = ("running", "finished")
    columns = [Column("sweep", "sweep"), Column("state", "state"), Column("runs", "runs", right=True)]
    for state in STATES:
        if not people or state in always or (state != "planned" and any(one.counts[state] for one in found)):
            columns.append(Column(state, "done" if state == "finished" else state, right=True))
    columns += [
        Column("per_minute", "runs/min", lambda value: "-" if value is None else number(float(value), 3), True),
        Column("left", "left", duration, True),
    ]
    if not people:
        columns += [Column("metric", "metric"), Column("best", "best so far", score, True), Column("best_run", "of")]
    return Grid(columns, [one.row for one in found], meta={"kind": "status"})


def _told(one: Standing) -> list[str]:
    """A single sweep in lines, as the live table has it."""
    from nnexp.cli.display import SHOWN
    from nnexp.report.numbers import duration, score

    total, counts = sum(one.counts.values()), one.counts
    over = total - counts["planned"] - counts["running"] - counts["interrupted"]
    speed = [] if one.per_minute is None else [f"{one.per_minute:,.0f} runs/min", f"{duration(one.left)} left"]
    lines = ["  ".join([one.name, one.state, f"{over}/{total}", *speed])]
    words = [*SHOWN.items(), ("interrupted", "interrupted"), ("planned", "planned")]
    lines.append(
        "  " + "   ".join(f"{word} {counts[state]}" for state, word in words if state in SHOWN or counts[state])
    )
    if one.best is not None:
        lines.append(f"  best so far: {one.best.metric} {score(one.best.value)} ({one.best.run})")
    lines += _some([f"  running: {run}" for run in one.running]) + _some([f"  {run}" for run in one.failures])
    if one.state == "under way":
        return [*lines, f"end it: nnexp stop {one.name}"]
    part = any(word.startswith("--shard") for word in one.command)  # what is left may be for other machines
    if one.state == "interrupted" and one.command and not part:
        lines.append(f"go on: nnexp {shlex.join(one.command)}")
    lines.append(f"compare: nnexp compare {one.name}")
    return lines


def _some(lines: list[str]) -> list[str]:
    more = [f"  and {len(lines) - MOST} more"] if len(lines) > MOST else []
    return lines[:MOST] + more
