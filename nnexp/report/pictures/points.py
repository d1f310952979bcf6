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
    """The examples: in their plane, over their one feature, or along their two principal components."""
    if not hasattr(one, "load"):
        return surface(axes, one)
    table = one.load(np.random.default_rng(0))
    chosen = np.random.default_rng(0).permutation(len(table.x))[:MOST]
    x, names, where = _plane(table)
    x, t = x[np.sort(chosen)], table.t[np.sort(chosen)]
    if x.shape[1] == 1:
        axes.plot(x[:, 0], t, "o", color=BLUE, markersize=3.5, markeredgewidth=0)
        names = (names[0], "target")
    elif table.classes is None:
        _by_target(axes, x, t)
    else:
        _by_class(axes, x, t, table.classes)
    if table.x.shape[1] == 2:
        axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.06)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    return f"{len(x)} of its {len(table.x)} examples {where}"


def _plane(table: Table) -> tuple[np.ndarray, tuple[str, str], str]:
    """At most two columns to draw the examples in, their names, and where that is."""
    features = table.x.shape[1]
    if features == 1:
        return table.x, (table.features[0], ""), "over their feature"
    if features == 2:
        return table.x, (table.features[0], table.features[1]), "in the plane of their features"
    mean = np.nanmean(table.x, axis=0)
    x = np.where(np.isnan(table.x), mean, table.x) - mean
    std = x.std(axis=0)
    _, _, axes = np.linalg.svd(x / np.where(std > 0, std, 1), full_matrices=False)
    # the sign of a principal component is free; fix it, so that all machines draw the same
    axes = axes[:2] * np.sign(axes[:2, np.abs(axes[:2]).argmax(axis=1)].diagonal())[:, None]
    names = ("first principal component", "second principal component")
    return (x / np.where(std > 0, std, 1)) @ axes.T, names, "along their two principal components"


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
    beside = figure.add_axes((0.84, 0.17, 0.03, 0.73))
    axes.set_position((0.15, 0.17, 0.67, 0.73))
    bar = figure.colorbar(ScalarMappable(norm, colours), cax=beside, label="target", format="%.3g")
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
