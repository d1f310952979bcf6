"""Learning curves: what metrics.csv says of one or a few runs."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from textwrap import fill
from typing import TYPE_CHECKING, Any

from nnexp.errors import InputError, did_you_mean
from nnexp.report.frame import config_columns, essential, frame, metric_columns
from nnexp.report.numbers import number
from nnexp.report.pictures import Picture
from nnexp.report.pictures.style import BLACK, COLOURS, blank_pair, rendered, styled
from nnexp.report.tables import headings
from nnexp.store.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPLITS: dict[str, dict[str, Any]] = {"validation": {}, "train": {"dashes": (3, 1.5)}}
MOST = 400
"""Points of a curve, at most; of longer ones every second, third and so on is drawn, and the last."""
Columns = dict[str, list[float | None]]


def learning_curves(runs: Sequence[Run], metric: str | None = None, how: str = "svg") -> Picture:
    """Loss and a metric over the epochs, a colour a run; validation in full lines, training in dashes.

    `metric` is a metric without its split, such as `accuracy`; None for the first one. Raises InputError for a metric
    that no run has, for more runs than there are colours, and where metrics.csv holds nothing to draw.
    """
    if len(runs) > len(COLOURS):
        raise InputError(f"{len(runs)} runs are too many for one picture; choose {len(COLOURS)} at most")
    logs = [run.metrics() for run in runs]
    columns = [key.partition("_") for log in logs for key in log]
    names = list(dict.fromkeys(name for split, _, name in columns if split in SPLITS and name not in ("", "loss")))
    if metric is not None and metric not in names:
        raise InputError(f"--metric: no run has '{metric}'{did_you_mean(metric, names) or _of(names)}")
    name = metric or next(iter(names), None)
    with styled():
        figure, *both = blank_pair()
        for axes, what in zip(both, ("loss", name), strict=True):
            drawn = [v for log, c in zip(logs, COLOURS, strict=False) for v in _draw(axes, log, what, c)]
            if not drawn:
                axes.set_axis_off()
                continue
            if what == "loss" and min(drawn) > 0 and max(drawn) > 20 * min(drawn):
                axes.set_yscale("log")
            axes.margins(x=0.02, y=0.06)
            axes.set_xlabel("epoch")
            axes.set_ylabel(str(what))
        if not any(axes.lines for axes in both):
            raise InputError(f"{runs[0].path / 'metrics.csv'} holds no losses or metrics to draw")
        splits = [split for split in SPLITS if any(split == found for found, _, _ in columns)]
        handles = [*_handles(labels(runs)), *([] if len(splits) < 2 else _lines(splits))]
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.78, 0.95))
        words = f"loss{f' and {name}' if name else ''} over the epochs of {', '.join(run.id for run in runs)}"
        return Picture(rendered(figure, how, words), words)


def labels(runs: Sequence[Run]) -> list[str]:
    """What tells the runs apart: the configuration in which they differ, or their names and ids."""
    data = frame(runs)
    keys = essential(data, config_columns(data, metric_columns(runs)))
    heads = {key: "" if key.endswith(".name") else f"{head} " for key, head in headings(keys).items()}
    cells = [
        ", ".join(f"{heads[key]}{number(value)}" for key, value in row.items() if number(value) != "-")
        for row in data[keys].to_dict("records")
    ]
    unique = len(set(cells)) == len(cells) and all(cells)
    return [fill(cell if unique else f"{run.name} {run.id}", 26) for cell, run in zip(cells, runs, strict=True)]


def _draw(axes: Axes, log: Columns, name: str | None, colour: str) -> list[float]:
    """The curves of one run; all values that were drawn."""
    drawn: list[float] = []
    for split, line in SPLITS.items():
        pairs = zip(log.get("epoch", []), log.get(f"{split}_{name}", []), strict=False)
        points = [(e, v) for e, v in pairs if e is not None and v is not None and isfinite(v)]
        if points:
            every = -(-len(points) // MOST)
            shown = points[:-1:every] + points[-1:]
            marker: dict[str, Any] = {"marker": "o", "markersize": 3} if len(points) < 3 else {}
            axes.plot([e for e, _ in shown], [v for _, v in shown], color=colour, linewidth=1.6, **line, **marker)
            drawn += [v for _, v in shown]
    return drawn


def _handles(names: Sequence[str]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=colour, label=name) for name, colour in zip(names, COLOURS, strict=False)]


def _lines(splits: Sequence[str]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=BLACK, linewidth=1.2, label=split, **SPLITS[split]) for split in splits]


def _of(names: Sequence[str]) -> str:
    return f"; one of {', '.join(names)}" if names else ""
