"""Final scores of runs: which there are, which direction is better, what to judge by, and the order that gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnexp.store.runs import Run

TEST = "test_"
"""What the names of scores on the test split begin with."""


def metric_columns(runs: Sequence[Run]) -> list[str]:
    """Losses and metrics that any of the runs has, validation first, then training, then test."""
    names: dict[str, None] = {}
    for setting in {id(run.brief.setting): run.brief.setting for run in runs}.values():
        names |= dict.fromkeys(setting.metrics)
    order = {"validation": 0, "train": 1, "test": 2}
    return sorted(names, key=lambda name: order.get(name.split("_")[0], 3))


def higher_is_better(runs: Sequence[Run], metric: str) -> bool:
    """Whether a metric is to be large, as the runs recorded it."""
    return any(metric in run.brief.setting.higher_is_better for run in runs)


def default_metric(runs: Sequence[Run], metrics: Sequence[str]) -> str | None:
    """What to judge by where nothing is said: the first validation metric to be large, else a loss."""
    for split in ("validation", "train"):
        for name in metrics:
            if name.startswith(split) and higher_is_better(runs, name):
                return name
    return metrics[0] if metrics else None


def ranked(runs: Sequence[Run]) -> list[Run]:
    """The runs that have a value of what they are judged by, the best first; of equal ones the earlier."""
    metric = default_metric(runs, metric_columns(runs))
    if metric is None:
        return []
    sign = -1 if higher_is_better(runs, metric) else 1
    known = [(value, run) for run in runs if (value := run.final.get(metric)) is not None and value == value]
    return [run for _, run in sorted(known, key=lambda one: (sign * one[0], one[1].brief.created, one[1].place))]
