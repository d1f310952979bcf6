"""Functions of one number: activations, losses, penalties and schedules, with their slopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnexp.components.losses import Loss
from nnexp.components.schedules import Memory, Schedule
from nnexp.engine.learner import loss_stage
from nnexp.errors import Misfit
from nnexp.report.pictures.style import BLUE, GREY, ORANGE, SKY, legend_above
from nnexp.report.pictures.undrawable import Undrawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 161


# -- activations -----------------------------------------------------------------------------------


def activation(axes: Axes, one: Any) -> str:
    """y and its derivative over the pre-activation z."""
    reach = _reach(one)
    z = np.linspace(-reach, reach, POINTS)
    y, slope = activation_curves(one, z)
    spread = getattr(one, "spread", None)
    if spread is not None:
        low, high = (activation_curves(one, z + sign * spread(z))[0] for sign in (-1, 1))
        axes.fill_between(z, low, high, color=SKY, alpha=0.35, linewidth=0, label="± std of the noise")
    _function(axes, z, y, slope, "y", "y'")
    at_rest = _others(one)
    axes.set_xlabel(f"{'one ' if at_rest else ''}pre-activation z{at_rest}")
    axes.set_ylabel("y and y'")
    return f"the output y and its derivative for z from {-reach:g} to {reach:g}{at_rest}"


def activation_curves(one: Any, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y and dy/dz for the pre-activations z, shape (N,).

    Where an output depends on several pre-activations it is the first output by the first of them; the others are 0.
    """
    if hasattr(one, "forward"):
        units = UNITS if one.inputs_per_unit == 1 else 1
        x = np.zeros((len(z), units * one.inputs_per_unit))
        x[:, 0] = z
        y, dz = np.empty((len(z), units)), np.empty_like(x)
        one.forward(x, y)
        dy = np.zeros_like(y)
        dy[:, 0] = 1
        one.backward(x, y.copy(), dy, dz)
        return y[:, 0], dz[:, 0]
    if not hasattr(one, "slope"):
        raise Undrawable("it has neither a slope nor a backward pass to draw")
    z = z.reshape(-1, 1)
    e, c = np.zeros_like(z), one.coefficients()
    one.transcend(z, e)
    y = e if one.value is None else type(one).value(z, e, c)
    slope = type(one).slope(z, y, e, c)
    # a slope may be a truth value or one number for all
    return np.array(y[:, 0]), np.array(np.broadcast_to(slope, z.shape)[:, 0], dtype=np.float64)


UNITS = 3
"""Units of a layer whose outputs depend on each other."""


def _others(one: Any) -> str:
    return ", the others 0" if hasattr(one, "forward") else ""


def _reach(one: Any) -> float:
    """How far to draw: 4, or 8 where the function still changes its direction beyond 4."""
    slope = activation_curves(one, np.array([-8.0, -4.0, 4.0, 8.0]))[1]
    return 8.0 if max(abs(slope[0] - slope[1]), abs(slope[2] - slope[3])) > 0.25 else 4.0


# -- losses ----------------------------------------------------------------------------------------


def loss(axes: Axes, one: Loss) -> str:
    """An example's loss and its slope over the error, or over how far the right class leads."""
    what, x, value, slope = loss_curves(one)
    _function(axes, x, value, slope, "loss", "slope")
    axes.set_ylim(*_window(value, slope))
    axes.set_xlabel(what)
    axes.set_ylabel("loss and slope of an example")
    return f"the loss of one example and its slope over the {what}"


def loss_curves(one: Loss) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    """What stands on the x-axis, its values, the loss there, and the derivative of the loss by it."""
    x = np.linspace(-4, 4, POINTS)
    try:
        one.outputs(None)
    except Misfit:
        return _of_classes(one, x)
    shifted = [_losses(one, x[:, None] + t, np.array([t]), None) for t in (0.0, 1.0)]
    if np.allclose(shifted[0][0], shifted[1][0]):
        value, d = shifted[0]
        return "error z - t", x, value, d[:, 0]
    value, d = _losses(one, x[:, None], np.array([1.0]), None)
    return "output z, with target t = 1", x, value, d[:, 0]


def _of_classes(one: Loss, x: np.ndarray) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    """With two classes, of which the second is the right one."""
    if one.outputs(2) == 1:
        value, d = _losses(one, x[:, None], np.array([1]), 2)
        return "logit z, with target 1", x, value, d[:, 0]
    value, d = _losses(one, np.stack((np.zeros_like(x), x), axis=1), np.array([1]), 2)
    return "lead of the right class's logit over the other", x, value, d[:, 1]


def _losses(one: Loss, z: np.ndarray, t: np.ndarray, classes: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The loss and its gradient for each row of z (N, O) by itself, all with the same target."""
    stage = loss_stage(one, 1, z.shape[1], z.dtype)
    target = one.encode(t, classes, z.dtype)
    found = [(stage(row.reshape(1, -1).copy(), target), stage.d[0].copy()) for row in z]
    return np.array([value for value, _ in found]), np.array([d for _, d in found])


# -- regularizers ----------------------------------------------------------------------------------


def regularizer(axes: Axes, one: Any) -> str:
    """A penalty and its slope over a weight; or what noise makes of an activation; or what a limit does to weights."""
    if hasattr(one, "mask"):
        return _noise(axes, one)
    if hasattr(one, "limit"):
        from nnexp.report.pictures.arrows import limit

        return limit(axes, one)
    if not hasattr(one, "value") or "strength" not in type(one).model_fields:
        raise Undrawable("it is neither a penalty nor a noise nor a limit")
    one = one.model_copy(update={"strength": 1.0})
    x = np.linspace(-3, 3, POINTS)
    step = 1e-6
    value = np.array([one.value(np.array([[v]])) for v in x])
    slope = np.array([one.value(np.array([[v + step]])) - one.value(np.array([[v - step]])) for v in x]) / (2 * step)
    _function(axes, x, value, slope, "penalty", "slope")
    what = "activation" if "activation" in (type(one).value.__doc__ or "") else "weight"
    axes.set_xlabel(f"one {what}")
    axes.set_ylabel("penalty and slope, λ = 1")
    return f"the penalty and its slope over one {what}, with λ = 1"


def _noise(axes: Axes, one: Any) -> str:
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, 150)
    u = rng.normal(size=x.shape) if getattr(one, "draws", "uniform") == "normal" else rng.uniform(size=x.shape)
    c = one.coefficients()
    y = x * type(one).mask(u, c)
    if getattr(one, "shift", None) is not None:
        y = y + type(one).shift(u, c)
    axes.plot([-3, 3], [-3, 3], color=GREY, linewidth=1, dashes=(2, 2), label="in evaluation")
    axes.plot(x, y, "o", color=BLUE, markersize=3, markeredgewidth=0, label="in training")
    axes.set_xlim(-3.2, 3.2)
    axes.set_xlabel("activation")
    axes.set_ylabel("what the next layer sees")
    legend_above(axes)
    return "150 activations and what the noise makes of them"


# -- schedules -------------------------------------------------------------------------------------

EPOCHS = 30
WARMUP = 5


def schedule(axes: Axes, one: Schedule) -> str:
    """The factor on the learning rate over a run, with and without a warm-up."""
    if one.watched is not None:
        return _watching(axes, one)
    done = np.arange(EPOCHS)
    warm = one.model_copy(update={"warmup": WARMUP})
    for who, colour, width, label in ((one, BLUE, 2.0, "by default"), (warm, ORANGE, 1.2, f"with warmup: {WARMUP}")):
        factor = [who.factor(int(count), EPOCHS) for count in done]
        axes.plot(done, factor, color=colour, linewidth=width, zorder=4 - width, drawstyle="steps-post", label=label)
    legend_above(axes)
    axes.set_ylim(-0.05, 1.12)
    axes.set_xlim(0, EPOCHS - 1)
    axes.set_xlabel(f"{'epochs' if one.per == 'epoch' else 'updates'} done, of {EPOCHS}")
    axes.set_ylabel("factor on lr")
    return f"the factor on the learning rate over {EPOCHS} {one.per}s, by default and with a warm-up of {WARMUP}"


def _watching(axes: Axes, one: Schedule) -> str:
    """The factor while a made-up metric falls for a third of the run and then stays where it is."""
    memory = Memory()
    values = np.maximum(1 - 2 * np.arange(EPOCHS) / EPOCHS, 1 / 3)
    factor = []
    for epoch, value in enumerate(values):
        factor.append(one.factor(epoch, EPOCHS) * memory.scale)
        memory = one.heed(memory, float(value), higher_is_better=False, lr=1.0)
    axes.plot(np.arange(EPOCHS), factor, color=BLUE, drawstyle="steps-post", label="factor on lr")
    axes.plot(
        np.arange(EPOCHS), values, color=ORANGE, dashes=(3, 1.5), linewidth=1.2, label="a loss that stops falling"
    )
    legend_above(axes)
    axes.set_ylim(-0.05, 1.12)
    axes.set_xlim(0, EPOCHS - 1)
    axes.set_xlabel(f"{one.per}s done, of {EPOCHS}")
    axes.set_ylabel("factor on lr, and loss")
    return f"the factor on the learning rate over {EPOCHS} {one.per}s, while a loss falls and then stays"


# -- shared ----------------------------------------------------------------------------------------


def _function(axes: Axes, x: np.ndarray, value: np.ndarray, slope: np.ndarray, name: str, slope_name: str) -> None:
    """A function and its slope; the slope is broken where it jumps."""
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.axvline(0, color=GREY, linewidth=0.8)
    jumps = _jumps(slope)
    axes.plot(x, value, color=BLUE, label=name)
    axes.plot(
        np.insert(x, jumps, np.nan), np.insert(slope, jumps, np.nan), color=ORANGE, dashes=(3, 1.5), label=slope_name
    )
    legend_above(axes)


def _jumps(slope: np.ndarray) -> np.ndarray:
    """Where the slope jumps: before these indices it changes far more than around them."""
    change = np.abs(np.diff(slope))
    around = np.array([np.median(change[max(i - 3, 0) : i + 4]) for i in range(len(change))])
    return np.flatnonzero((change > 0.05 * np.ptp(slope)) & (change > 4 * around)) + 1


def _window(value: np.ndarray, slope: np.ndarray) -> tuple[float, float]:
    """Limits of the y-axis that show a loss near its foot: not more than 8 high."""
    both = np.concatenate((value, slope))
    both = both[np.isfinite(both)]
    low, high = max(float(both.min()), -8.0), min(float(both.max()), 8.0)
    return low - 0.05 * (high - low), high + 0.05 * (high - low)
