"""Samples: examples of a data set, weights of an initializer, and what preprocessing makes of examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnexp.components.datasets import Table
from nnexp.components.initializers import Initializer
from nnexp.report.numbers import number
from nnexp.report.pictures.paths import surface
from nnexp.report.pictures.style import BLUE, COLOURS, GREY, MARKERS, ORANGE, legend_above
from nnexp.report.pictures.undrawable import Undrawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 150
"""Points of a picture, at most."""


# -- data sets -------------------------------------------------------------------------------------


def dataset(axes: Axes, one: Any) -> str:
    """The examples: in their plane, over their one feature, or as far as two numbers can tell of many features."""
    if not hasattr(one, "load"):
        return surface(axes, one)
    table = one.load(np.random.default_rng(0))
    chosen = np.sort(np.random.default_rng(0).permutation(len(table.x))[:MOST])
    x, t = table.x[chosen], table.t[chosen]
    features = table.x.shape[1]
    if table.classes is None and features != 2:
        names, where = _against_target(axes, table, chosen)
    else:
        x, names, where = _plane(table)
        x = x[chosen]
        if table.classes is None:
            _by_target(axes, x, t)
        else:
            _by_class(axes, x, t, table.classes)
    if features == 2:
        axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.06)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    return f"{len(x)} of its {len(table.x)} examples {where}"


def _against_target(axes: Axes, table: Table, chosen: np.ndarray) -> tuple[tuple[str, str], str]:
    """A real target over the one feature, or over what a straight fit makes of many."""
    if table.x.shape[1] == 1:
        axes.plot(table.x[chosen, 0], table.t[chosen], "o", color=BLUE, markersize=3.5, markeredgewidth=0)
        return (table.features[0], "target"), "over their feature"
    x = np.column_stack((_complete(table.x), np.ones(len(table.x))))
    fitted = x @ np.linalg.lstsq(x, table.t, rcond=None)[0]
    ends = [fitted.min(), fitted.max()]
    axes.plot(ends, ends, color=GREY, linewidth=1, dashes=(2, 2), label="fit = target")
    axes.plot(fitted[chosen], table.t[chosen], "o", color=BLUE, markersize=3.5, markeredgewidth=0, label="examples")
    legend_above(axes)
    return ("fit by least squares", "target"), f"over a straight fit of the target by the {table.x.shape[1]} features"


def _complete(x: np.ndarray) -> np.ndarray:
    """The features, with their means where a value is missing."""
    return np.where(np.isnan(x), np.nanmean(x, axis=0), x)


def _plane(table: Table) -> tuple[np.ndarray, tuple[str, str], str]:
    """Two columns to draw the examples in, their names, and where that is."""
    features = table.x.shape[1]
    if features == 1:
        return np.column_stack((table.x[:, 0], table.t)), (table.features[0], "class"), "over their feature"
    if features == 2:
        return table.x, (table.features[0], table.features[1]), "in the plane of their features"
    x = _complete(table.x)
    x, std = x - x.mean(axis=0), x.std(axis=0)
    x = x / np.where(std > 0, std, 1)
    directions = np.linalg.svd(x, full_matrices=False)[2][:2]
    # the sign of a principal component is free; fix it, so that all machines draw the same
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[[0, 1], largest])[:, None]
    names = ("first principal component", "second principal component")
    return x @ directions.T, names, "along the two principal components of the standardized features"


def _by_target(axes: Axes, x: np.ndarray, t: np.ndarray) -> None:
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm

    bounds = np.linspace(t.min(), t.max() if np.ptp(t) > 0 else t.min() + 1, 9)
    colours = mpl.colormaps["viridis"].resampled(len(bounds) - 1)
    norm = BoundaryNorm(bounds, colours.N)
    levels = np.clip(np.digitize(t, bounds) - 1, 0, colours.N - 1)
    for level in range(colours.N):
        axes.plot(*x[levels == level].T, "o", color=colours(level), markersize=4, markeredgewidth=0)
    figure = axes.get_figure()
    assert figure is not None
    beside = figure.add_axes((0.81, 0.17, 0.03, 0.73))
    axes.set_position((0.16, 0.17, 0.62, 0.73))
    bar = figure.colorbar(ScalarMappable(norm, colours), cax=beside, label="target", format="%.3g", ticks=bounds[::2])
    bar.outline.set_visible(False)


def _by_class(axes: Axes, x: np.ndarray, t: np.ndarray, classes: tuple[str, ...]) -> None:
    if len(classes) > len(COLOURS):
        # more classes than colours that can be told apart: each is marked with its name
        axes.plot(*x.T, linestyle="none")
        for (x0, y0), which in zip(x, t, strict=True):
            colour = COLOURS[int(which) % len(COLOURS)]
            axes.text(x0, y0, classes[int(which)][:3], color=colour, fontsize=7, ha="center", va="center")
        return
    for which, (colour, marker) in enumerate(zip(COLOURS, MARKERS, strict=True)):
        if (t == which).any():
            label = f"class {classes[which]}" if classes[which].isdigit() else classes[which]
            axes.plot(*x[t == which].T, marker, color=colour, markersize=4, markeredgewidth=0, label=label)
    legend_above(axes)


# -- initializers ----------------------------------------------------------------------------------

FAN_IN, FAN_OUT = 256, 128


def initializer(axes: Axes, one: Initializer) -> str:
    """How the weights of one layer are distributed, with the standard deviation."""
    w = one.draw(np.random.default_rng(0), FAN_IN, FAN_OUT).ravel()
    values, counts = np.unique(w, return_counts=True)
    heaps = [(value, count / len(w)) for value, count in zip(values, counts, strict=True) if count > 0.01 * len(w)]
    rest = w[~np.isin(w, [value for value, _ in heaps])]
    std = one.spread(FAN_IN, FAN_OUT)
    if len(rest):
        largest, usual = float(np.abs(rest).max()), float(np.quantile(np.abs(rest), 0.9995))
        reach = largest if usual > 0.98 * largest else usual
        density, edges = np.histogram(rest, bins=35, range=(-reach, reach))
        density = density / len(w) / np.diff(edges)
        axes.stairs(density, edges, fill=True, color=BLUE, alpha=0.3)
        axes.stairs(density, edges, color=BLUE, linewidth=1.6)
        axes.set_xlim(-1.15 * reach, 1.15 * reach)
        axes.set_ylim(0, 1.25 * float(density.max()))
        axes.set_ylabel("density")
    else:
        centre = heaps[0][0]
        axes.set_xlim(centre - 1, centre + 1)
        axes.set_ylim(0, 1.25)
        axes.set_ylabel("share of the weights")
    top = axes.get_ylim()[1]
    if std > 0:
        for sign in (-1, 1):
            axes.plot([sign * std] * 2, [0, 0.82 * top], color=ORANGE, linewidth=1.4, dashes=(3, 1.5))
        axes.text(std, 0.83 * top, f"std {number(std, 3)}", color=ORANGE, va="bottom")
    for value, share in heaps:
        axes.plot([value, value], [0, 0.8 * top], color=BLUE, linewidth=3)
        axes.text(value, 0.92 * top, f"{share:.0%} are {number(float(value))}", color=BLUE, ha="center", va="bottom")
    axes.set_xlabel(f"weight, in a layer of {FAN_IN} inputs and {FAN_OUT} outputs")
    return f"the distribution of the weights of a layer of {FAN_IN} inputs and {FAN_OUT} outputs"


# -- preprocessing ---------------------------------------------------------------------------------


def preprocessing(axes: Axes, one: Any) -> str:
    """A cloud of two features of different size, before and after."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2)) @ np.array([[1.6, 0.7], [0.0, 0.5]]) + np.array([3.0, 2.0])
    after = one.fit(x.copy())(x.copy())
    if after.shape != x.shape:
        raise Undrawable("it makes other features out of two")
    if np.allclose(after, x):
        raise Undrawable("it leaves complete examples as they are")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.axvline(0, color=GREY, linewidth=0.8)
    for points, colour, marker, label in ((x, GREY, "o", "before"), (after, BLUE, "^", "after")):
        axes.plot(*points.T, marker, color=colour, markersize=3.5, markeredgewidth=0, label=label)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.08)
    legend_above(axes)
    axes.set_xlabel("first feature")
    axes.set_ylabel("second feature")
    return "60 examples of two features before and after"
