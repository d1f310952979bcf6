"""Learning curves: what metrics.csv says of one or a few runs."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from nnexp.components.base import members
from nnexp.components.surfaces import Surface
from nnexp.errors import InputError, did_you_mean
from nnexp.report.frame import config_columns, essential, frame, metric_columns
from nnexp.report.numbers import number
from nnexp.report.pictures.paths import terrain
from nnexp.report.pictures.style import BLACK, COLOURS, Picture, blank_pair, rendered, styled
from nnexp.report.tables import headings
from nnexp.store.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPLITS: dict[str, dict[str, Any]] = {"validation": {}, "train": {"dashes": (3, 1.5)}}
HUGE = 1e30
"""Values beyond it, of a run that diverges, are left out of a curve: an axis that holds them holds nothing else."""
FAR = 1e3
"""Coordinates beyond it are left out of a path: a run that diverges would draw everything else as a point."""
MOST = 400
"""Points of a curve, at most; of longer ones every second, third and so on is drawn, and the last."""
Columns = dict[str, list[float | None]]


def learning_curves(runs: Sequence[Run], metric: str | None = None, how: str = "svg") -> Picture:
    """Loss and a metric over the epochs, a colour a run; validation in full lines, training in dashes.

    `metric` is a metric without its split, such as `accuracy`; None for the first one. Runs on one surface of two
    coordinates have their paths there in its place. Raises InputError for a metric that no run has, for more runs than
    there are colours, and where metrics.csv holds nothing to draw.
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
        ground = ground_of(runs) if metric is None else None
        for axes, what in zip(both, ("loss", name), strict=True):
            if what == name and ground is not None:
                _draw_paths(axes, ground, logs)
                continue
            drawn = [v for log, c in zip(logs, COLOURS, strict=False) for v in _draw(axes, log, what, c)]
            if not drawn:
                axes.set_axis_off()
                continue
            above = [value for value in drawn if value > 0]  # an exact 0 has no place on such an axis
            if what == "loss" and min(drawn) >= 0 and above and max(above) > 20 * min(above):
                axes.set_yscale("log")
            axes.margins(x=0.02, y=0.06)
            axes.set_xlabel("epoch")
            axes.set_ylabel(str(what))
        if not any(axes.lines for axes in both):
            raise InputError(f"{runs[0].path / 'metrics.csv'} holds no losses or metrics to draw")
        splits = [split for split in SPLITS if any(split == found for found, _, _ in columns)]
        handles = [*_handles(labels(runs)), *([] if len(splits) < 2 else _lines(splits))]
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.78, 0.95))
        beside = "" if name is None else f" and {name}" if ground is None else " and path"
        words = f"loss{beside} over the epochs of {', '.join(run.id for run in runs)}"
        return Picture(rendered(figure, how, words), words)


def labels(runs: Sequence[Run]) -> list[str]:
    """What tells the runs apart: the configuration in which they differ, or their names and ids."""
    data = frame(runs)
    keys = essential(data, config_columns(data, metric_columns(runs)))
    heads = {key: "" if key.endswith(".name") else f"{head} " for key, head in headings(keys).items()}
    cells = [
        ", ".join(f"{heads[key]}{number(data[key][i])}" for key in keys if number(data[key][i]) != "-")
        for i in range(len(runs))
    ]
    unique = len(set(cells)) == len(cells) and all(cells)
    return [fill(cell if unique else f"{run.name} {run.id}", 26) for cell, run in zip(cells, runs, strict=True)]


def ground_of(runs: Sequence[Run]) -> Surface | None:
    """The surface of two coordinates that all runs are on, wherever they start; None where there is none."""
    shapes = [
        {
            key: value
            for key, value in run.record["config"]["dataset"].items()
            if key not in ("start", "scatter", "noise")
        }
        for run in runs
    ]
    cls = members(Surface).get(shapes[0]["name"])  # type: ignore[type-abstract]
    if cls is None or any(shape != shapes[0] for shape in shapes):
        return None
    ground = cls.model_validate(shapes[0])
    return ground if ground.size() == 2 else None


def _draw_paths(axes: Axes, ground: Surface, logs: Sequence[Columns]) -> None:
    """The ways of the runs over contour lines, each from its start (a square), with the known minima."""
    paths = []
    for log in logs:
        pairs = zip(log.get("theta1", []), log.get("theta2", []), strict=False)
        points = [(a, b) for a, b in pairs if a is not None and b is not None and abs(a) < FAR and abs(b) < FAR]
        every = max(-(-len(points) // MOST), 1)
        paths.append(np.array(points[:-1:every] + points[-1:]).reshape(-1, 2))
    minima = np.asarray(ground.minima(), float).reshape(-1, 2)
    near = minima[: len(minima) if len(minima) < 10 else 0]
    everything = np.concatenate([*paths, near])
    low, high = everything.min(axis=0), everything.max(axis=0)
    room = np.maximum(0.1 * (high - low), 0.05 * float(np.max(high - low)) + 1e-9)
    terrain(axes, ground, low - room, high + room)
    axes.plot(*minima.T, "P", color=BLACK, markersize=6, markeredgewidth=0)
    for path, colour in zip(paths, COLOURS, strict=False):
        axes.plot(*path.T, color=colour, linewidth=1.4)
        axes.plot(*path[:1].T, "s", color=colour, markersize=5, markeredgewidth=0)


def _draw(axes: Axes, log: Columns, name: str | None, colour: str) -> list[float]:
    """The curves of one run; all values that were drawn."""
    drawn: list[float] = []
    for split, line in SPLITS.items():
        pairs = zip(log.get("epoch", []), log.get(f"{split}_{name}", []), strict=False)
        points = [(e, v) for e, v in pairs if e is not None and v is not None and isfinite(v) and abs(v) < HUGE]
        if points:
            every = -(-len(points) // MOST)
            shown = points[:-1:every] + points[-1:]
            marker: dict[str, Any] = {"marker": "o", "markersize": 3} if len(points) < 3 else {}
            axes.plot([e for e, _ in shown], [v for _, v in shown], color=colour, linewidth=1.6, **line, **marker)
            drawn += [v for _, v in shown]
    return drawn


def _handles(names: Sequence[str]) -> list[Any]:
    from matplotlib.lines import Line2D

    # a $ in a name is a $, and no formula
    plain = [name.replace("$", r"\$") for name in names]
    return [Line2D([], [], color=colour, label=name) for name, colour in zip(plain, COLOURS, strict=False)]


def _lines(splits: Sequence[str]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=BLACK, linewidth=1.2, label=split, **SPLITS[split]) for split in splits]


def _of(names: Sequence[str]) -> str:
    return f"; one of {', '.join(names)}" if names else ""
