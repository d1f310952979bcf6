"""What training is seen along: epochs, updates, examples seen or seconds, as words for --x and as numbers of a run."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from nnexp.errors import InputError, did_you_mean
from nnexp.store.runs import Run

AXES = {"epoch": "epochs", "step": "updates", "examples": "examples seen", "seconds": "seconds of training"}
"""Each axis by its column, which is one of metrics.csv but for `examples`, and what is written below it."""
UNITS = {"epoch": "epochs", "step": "updates", "examples": "examples", "seconds": "seconds"}
"""What is counted along each, which is also the word for it behind --x."""
WORDS = {word: column for column, word in UNITS.items()} | {"steps": "step", "update": "step"}
"""Words for the columns."""
Points = list[tuple[float, float]]
"""A curve: where its rows stand, in order, and what was measured there."""


def axis_of(word: str) -> str:
    """The column that a word for the axis means. Raises InputError."""
    column = WORDS.get(word, word)
    if column not in AXES:
        offered = list(UNITS.values())
        raise InputError(f"--x: '{word}' is not one of {', '.join(offered)}{did_you_mean(word, offered)}")
    return column


def columns_for(over: str) -> tuple[str, ...]:
    """The columns of metrics.csv that an axis is made from."""
    return ("step", "evaluations") if over == "examples" else (over,)


def along(run: Run, log: dict[str, list[float | None]], over: str) -> list[float | None]:
    """Where each row of a run's log stands on an axis. Raises InputError for examples that are not known."""
    if over != "examples":
        return log.get(over, [])
    if not log.get("step"):
        return []
    seen = _counting(run)
    if "evaluations" in log:  # of a line search, each of which looks at the whole, one, batch
        return [None if count is None else seen(int(count)) for count in log["evaluations"]]
    return [None if step is None else seen(int(step)) for step in log["step"]]


def examples_seen(step: int, rows: int, full: int, rest: int) -> int:
    """Training examples that so many updates have used: batches of `rows`, `full` an epoch, then one of the `rest`.

        epochs (full rows + rest) + (updates of the epoch under way) rows

    >>> [examples_seen(step, rows=32, full=3, rest=4) for step in (0, 1, 3, 4, 5, 8)]
    [0, 32, 96, 100, 132, 200]
    """
    epochs, position = divmod(step, full + (rest > 0))
    return epochs * (full * rows + rest) + position * rows


def _counting(run: Run) -> Callable[[int], int]:
    """What gives the examples that a run has seen after so many updates. Raises InputError."""
    from nnexp.components.base import members
    from nnexp.components.batching import Batching

    given, n = run.record["config"].get("batch"), run.record.get("examples")
    if n is None:
        why = "looks at no examples" if "examples" in run.record else "does not say how many there are (it is older)"
        raise InputError(f"--x examples: {run.id} {why}; take --x updates")
    kind = members(Batching).get(given["name"])  # type: ignore[type-abstract]
    if kind is None:
        raise InputError(f"--x examples: {run.id} has batches of a kind that is not known here, '{given['name']}'")
    batching = kind.model_validate(given)
    rows, (full, rest) = batching.rows(n), batching.sizes(n)
    return lambda step: examples_seen(step, rows, full, rest)


def at(points: Points, x: float) -> float:
    """The value at x, between two points on the straight line through them.

    >>> at([(0.0, 1.0), (2.0, 3.0)], 0.5)
    1.5
    """
    k = bisect_left(points, x, key=lambda point: point[0])
    x1, y1 = points[min(k, len(points) - 1)]
    if x1 == x or k == 0:
        return y1
    x0, y0 = points[k - 1]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
