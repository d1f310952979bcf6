"""`nnexp sweep --status`: how sweeps stand, from their records and runs, also while they run in another terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnexp.cli.console import check_format, name_damaged, out, say

if TYPE_CHECKING:
    from nnexp.report.standing import Standing

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
    grid = _grid(found)
    if how in ("table", "markdown") and len(found) == 1:
        for line in _told(found[0]):
            say(line)
    render(grid, how, out())


def _grid(found: list[Standing]) -> Any:
    from nnexp.report.numbers import duration, number, score
    from nnexp.report.standing import STATES
    from nnexp.report.tables import Column, Grid

    words = {"finished": "done"}
    columns = [Column("sweep", "sweep"), Column("state", "state"), Column("runs", "runs", right=True)]
    for state in STATES:
        rank = 0 if state in ("finished", "running") else 1
        columns.append(Column(state, words.get(state, state), right=True, rank=rank))
    columns += [
        Column("per_minute", "runs/min", lambda value: "-" if value is None else number(float(value), 3), True, 2),
        Column("left", "left", lambda value: "-" if value is None else duration(value), True),
        Column("metric", "metric", rank=3),
        Column("best", "best so far", score, True, 2),
        Column("best_run", "of", rank=4),
    ]
    return Grid(columns, [one.row for one in found], meta={"kind": "status"})


def _told(one: Standing) -> list[str]:
    """What else there is to say of a single sweep."""
    from nnexp.report.numbers import score

    lines = []
    for run in one.running[:MOST]:
        lines.append(f"running: {run}")
    if len(one.running) > MOST:
        lines.append(f"and {len(one.running) - MOST} more")
    lines += one.failures[:MOST]
    if len(one.failures) > MOST:
        lines.append(f"and {len(one.failures) - MOST} more that failed or diverged")
    if one.best is not None:
        lines.append(f"best so far: {one.metric} {score(one.best.value)} ({one.best.run})")
    lines.append(f"end it: nnexp stop {one.name}" if one.state == "under way" else f"compare: nnexp compare {one.name}")
    return lines
