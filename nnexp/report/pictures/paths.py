"""Surfaces in contour lines, and the ways of optimizers down a narrow valley."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnexp.components.optimizers import Minimizer
from nnexp.engine.steps import steps_of
from nnexp.report.numbers import number
from nnexp.report.pictures.style import BLUE, GREEN, ORANGE, legend_above
from nnexp.report.pictures.undrawable import Undrawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

START = (-2.0, 0.9)
STEPS = 40
STEEP = 8.0
"""How many times more the valley bends across than along."""
SIGHT = (2.5, 1.35)
"""How far the picture reaches from the minimum."""
RATES = tuple(float(f"{10**power:.2g}") for power in np.arange(-3, 1.51, 0.25))


def optimizer(axes: Axes, one: Minimizer) -> str:
    """The path on f = (θ₁² + 8 θ₂²)/2 at the learning rate, out of a grid, that ends lowest."""
    lr, path = best_path(one)
    side = np.linspace(-SIGHT[0], SIGHT[0], 50), np.linspace(-SIGHT[1], SIGHT[1], 40)
    height = valley(np.stack(np.meshgrid(*side)))
    axes.contour(*side, height, levels=[0.02, 0.1, 0.4, 1.0, 2.0, 3.5, 5.5, 8.0], colors="#C8C8C8", linewidths=0.8)
    axes.plot(*path.T, "-", color=BLUE, linewidth=1.2)
    axes.plot(*path[1:].T, "o", color=BLUE, markersize=3, markeredgewidth=0, label=f"{STEPS} steps, lr {number(lr)}")
    axes.plot(*START, "s", color=BLUE, markersize=6, label="start")
    axes.plot(0, 0, "P", color=ORANGE, markersize=7, markeredgewidth=0, label="minimum")
    axes.grid(False)
    axes.set_xlim(-SIGHT[0], SIGHT[0])
    axes.set_ylim(-SIGHT[1], SIGHT[1])
    axes.set_xlabel("θ₁")
    axes.set_ylabel("θ₂")
    legend_above(axes)
    return f"{STEPS} steps down (θ₁² + {STEEP:g} θ₂²)/2 at the best learning rate of a grid, {number(lr)}"


def valley(θ: np.ndarray) -> np.ndarray:
    """f for θ of shape (2, ...)."""
    return (θ[0] ** 2 + STEEP * θ[1] ** 2) / 2


def best_path(one: Minimizer) -> tuple[float, np.ndarray]:
    """The learning rate whose path is the lowest on average among those that stay in sight, and that path."""
    found: dict[float, tuple[float, np.ndarray]] = {}
    for lr in RATES:
        path = path_of(one, lr)
        if (np.abs(path) < SIGHT).all():
            found[lr] = float(np.mean(valley(path.T))), path
    if not found:
        raise Undrawable("it leaves the valley at every learning rate of the grid")
    lr = min(found, key=lambda lr: found[lr][0])
    return lr, found[lr][1]


class Valley:
    """f at a θ that is moved in place; what the engine calls an objective."""

    def __init__(self) -> None:
        self.θ = np.array(START)
        self.g = np.empty(2)

    def total(self, x: np.ndarray, t: np.ndarray) -> float:
        self.g[:] = self.θ * (1.0, STEEP)
        return float(valley(self.θ))

    def penalty(self, rows: int) -> float:
        return 0.0


def path_of(one: Minimizer, lr: float) -> np.ndarray:
    """The positions of STEPS steps from START, shape (STEPS + 1, 2), made by the engine."""
    objective, nothing = Valley(), np.empty((1, 0))
    steps = steps_of(one.model_copy(update={"lr": lr}), objective.θ, objective.g)
    path = [objective.θ.copy()]
    for t in range(1, STEPS + 1):
        value = objective.total(nothing, nothing)
        steps.move(objective, value, nothing, nothing, lr, t)
        path.append(objective.θ.copy())
    return np.array(path)


# -- surfaces --------------------------------------------------------------------------------------

VERTICES = 1500
"""Corners of all contour lines of a picture, at most."""


def surface(axes: Axes, one: Any) -> str:
    """A function of two coordinates in contour lines, with its start, its minima and its saddles."""
    if not hasattr(one, "value") or not hasattr(one, "minima"):
        raise Undrawable("it has neither examples nor a value to draw")
    if one.size() != 2:
        raise Undrawable(f"it has {one.size()} coordinates, not two")
    marks = (
        ("start", np.atleast_2d(one.first()), "s", BLUE, 6),
        ("minimum", one.minima(), "P", ORANGE, 8),
        ("saddle", one.saddles(), "D", GREEN, 6),
    )
    known = np.concatenate([points for _, points, *_ in marks if len(points)])
    low, high = known.min(axis=0), known.max(axis=0)
    reach = np.maximum((high - low) / 2, max(0.35 * float(np.max(high - low)), 0.5)) * 1.5
    terrain(axes, one, (low + high) / 2 - reach, (low + high) / 2 + reach)
    for label, points, marker, colour, size in marks:
        if len(points):
            axes.plot(*points.T, marker, color=colour, markersize=size, markeredgewidth=0, label=label)
    legend_above(axes)
    return "contour lines, with the start, the known minima and the known saddles"


def terrain(axes: Axes, one: Any, low: np.ndarray, high: np.ndarray) -> None:
    """The contour lines of a function of two coordinates between two corners, each of shape (2,)."""
    side = [np.linspace(a, b, 51) for a, b in zip(low, high, strict=True)]
    _contours(axes, side, np.asarray(one.value(np.stack(np.meshgrid(*side)))))
    axes.grid(False)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_xlabel("θ₁")
    axes.set_ylabel("θ₂")


def _contours(axes: Axes, side: list[np.ndarray], height: np.ndarray) -> None:
    """Contour lines with their heights, as many as a light file can hold."""
    for count in (12, 9, 6, 4):
        # shares of the area, not of the height, or a valley's floor would have no line in it
        levels = np.unique(np.quantile(height, np.linspace(0.02, 0.95, count)))
        drawn = axes.contour(*side, height, levels=levels, colors="#B0B0B0", linewidths=0.8, linestyles="solid")
        lines = [np.asarray(line) for path in drawn.get_paths() for line in path.to_polygons(closed_only=False)]
        if sum(len(line) for line in lines) < VERTICES or count == 4:
            break
        drawn.remove()
    axes.clabel(drawn, levels[1 :: max(len(levels) // 3, 1)], fontsize=7, fmt=lambda level: number(level, 2))
