"""Vectors before and after: what a limit on gradients or weights does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnexp.report.pictures.style import BLUE, GREY, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VECTORS = 12


def limit(axes: Axes, one: Any) -> str:
    """Vectors of two coordinates around the origin, half of them too long, and where the limit puts them."""
    long = 2.4 * float(getattr(one, "max", 1.0))
    φ = np.arange(VECTORS) * 2 * np.pi / VECTORS + np.pi / VECTORS
    length = np.where(np.arange(VECTORS) % 3 == 0, 0.25, 1.0) * long
    before = np.stack((length * np.cos(φ), length * np.sin(φ)))
    after = np.empty_like(before)
    for column in range(VECTORS):
        vector = before[:, column].copy()
        # gradients are limited as one vector, weights as a matrix with a column for each unit
        one.limit(vector if one.family == "clip" else vector.reshape(2, 1))
        after[:, column] = vector
    for (x0, y0), (x1, y1) in zip(before.T, after.T, strict=True):
        axes.plot([x0, x1], [y0, y1], color=GREY, linewidth=1, dashes=(2, 2))
    axes.plot(*before, "o", color="white", markeredgecolor=GREY, markersize=5, label="before")
    axes.plot(*after, "o", color=BLUE, markersize=5, label="after")
    axes.plot(0, 0, "+", color=GREY)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.1)
    legend_above(axes)
    what = "gradient" if one.family == "clip" else "unit's weights"
    axes.set_xlabel(f"first coordinate of the {what}")
    axes.set_ylabel("second coordinate")
    return f"{VECTORS} vectors of two coordinates before and after the limit"
