"""The pictures of a report: which of them these runs have, and why one that could be expected is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from nnexp.errors import InputError
from nnexp.report.grouping import TEST, Level, Levels, levels_of
from nnexp.report.page.blocks import Figure
from nnexp.report.rows import plain
from nnexp.report.tables import Grid, headings

if TYPE_CHECKING:
    from nnexp.report.pictures.comparison import Comparison
    from nnexp.report.pictures.style import Picture
    from nnexp.store.runs import Run

LEVELS = {"strips": 20, "curves": 7}
"""Levels that one picture shows; of more the best."""
VALUES = 3
"""Of a hyperparameter, for a curve over it."""

Tell = Callable[[str], None]


@dataclass
class Drawn:
    """The pictures of each kind, and sentences on those that are missing."""

    strips: list[Figure] = field(default_factory=list)
    curves: list[Figure] = field(default_factory=list)
    keys: list[Figure] = field(default_factory=list)
    """Over the values of hyperparameters."""
    missing: list[str] = field(default_factory=list)


def figures(runs: Sequence[Run], grid: Grid, tell: Tell) -> Drawn:
    """What `nnexp plot` draws of these runs, as SVG. `tell` hears what is done next."""
    drawn = Drawn()
    try:
        from nnexp.report.pictures.style import need_matplotlib

        need_matplotlib()
    except InputError:
        drawn.missing.append(
            "The pictures are left out, for matplotlib is not installed; with it they are in: pip install 'nnexp[plot]'"
        )
        return drawn
    from nnexp.report.pictures.learning import Curves
    from nnexp.report.pictures.strips import Strips

    scored, metric = grid.meta["metric"] is not None, grid.meta["metric"]
    if scored and metric.startswith(TEST):
        drawn.missing.append("Pictures show validation, for the test split is not for choosing.")
        metric = None
    levels = levels_of(runs, grid.meta.get("by") or None)

    def add(found: list[Figure], name: str, make: Callable[[], Comparison | _Single], shaded: bool = False) -> None:
        tell(f"drawing {name}")
        try:
            found.append(Figure(name, make().picture("svg"), shaded))
        except InputError as error:
            drawn.missing.append(f"There is no picture of {name}: {error}")

    if grid.meta["kind"] == "tasks":
        from nnexp.report.pictures.profiles import Profiles
        from nnexp.report.pictures.ranks import Ranks
        from nnexp.report.tasks import tasks_in

        across = grid.meta["across"]
        compared = levels_of(runs, grid.meta["by"], [across])
        tasks = cache(lambda: tasks_in(compared, across, metric))  # both pictures tell what it raises
        add(drawn.strips, "ranks", lambda: Ranks(compared, tasks()))
        add(drawn.strips, "profiles", lambda: Profiles(compared, tasks()))
        return drawn
    if scored and any(len(level.runs) > 1 for level in levels.each):
        add(drawn.strips, "strips", lambda: Strips(_best(levels, grid, "strips"), metric))
    if len(runs) <= LEVELS["curves"] and (len(runs) == 1 or _on_a_surface(runs)):
        # one run with all its splits; on a surface the ways of the runs
        add(drawn.curves, "curves", lambda: _Single(runs), shaded=True)
    elif any(run.brief.epoch for run in runs):
        add(drawn.curves, "curves", lambda: Curves(_best(levels, grid, "curves"), metric))
    if not scored or len(levels.each) < 2:
        return drawn
    from nnexp.report.pictures.heat import MOST, Heat
    from nnexp.report.pictures.sensitivity import Sensitivity

    values = {key: {plain(level.values[i]) for level in levels.each} - {None} for i, key in enumerate(levels.keys)}
    heads = headings(levels.keys)
    for key, found in values.items():
        others = levels_of(runs, [one for one in levels.keys if one != key], [key])
        if len(found) >= VALUES and all(_number(v) for v in found) and len(others.each) <= LEVELS["curves"]:
            name = f"sensitivity-{re.sub('[^A-Za-z0-9_.-]', '-', heads[key])}"
            name += f"-{len(drawn.keys)}" if any(one.name == name for one in drawn.keys) else ""
            add(drawn.keys, name, lambda o=others, k=key: Sensitivity(o, k, metric))  # type: ignore[misc]
    if len(values) == 2 and all(1 < len(found) <= MOST for found in values.values()):
        first, second = values.values()
        if len(levels.each) * 2 > len(first) * len(second):  # keys that go in step are no grid
            add(drawn.keys, "grid", lambda: Heat(levels, metric), shaded=True)
    return drawn


def _on_a_surface(runs: Sequence[Run]) -> bool:
    from nnexp.report.pictures.runs import ground_of

    return ground_of(runs) is not None


@dataclass(frozen=True)
class _Single:
    """Runs by themselves, as `nnexp plot run` draws them."""

    runs: Sequence[Run]

    def picture(self, how: str) -> Picture:
        from nnexp.report.pictures.runs import learning_curves

        return learning_curves(list(self.runs), None, how)


def _best(levels: Levels, grid: Grid, what: str) -> Levels:
    """The levels as far as one picture shows them, the best of more."""
    most, count = LEVELS[what], len(levels.each)
    if count <= most:
        return levels
    keys = grid.meta.get("by") or levels.keys
    order = [tuple(row.get(key) for key in keys) for row in grid.rows]
    ranked: list[Level] = sorted(
        levels.each, key=lambda level: order.index(level.values) if level.values in order else len(order)
    )
    kept = {run.place for level in ranked[:most] for run in level.runs}
    fewer = levels_of([run for run in levels.runs if run.place in kept], levels.keys)
    return replace(fewer, notes=[*fewer.notes, f"The first {most} of {count} levels of the table."])


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
