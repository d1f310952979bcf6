"""How an optimizer moves the parameters: one elementwise pass over all of them, or a line search."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from nnexp.components.activations import Call
from nnexp.components.optimizers import Lbfgs, Minimizer, Optimizer
from nnexp.engine.loops import elementwise


class Objective(Protocol):
    """A function of the parameters θ (D,) that is minimized: a network's loss on a batch, or a surface."""

    def total(self, x: np.ndarray, t: Any) -> float:
        """The value at the present θ on a batch x with targets t, penalties included; g becomes its gradient."""

    def penalty(self, rows: int) -> float:
        """The share of the penalties in it, for a batch of `rows` examples."""


class ElementwiseSteps:
    """An optimizer's state vectors, and its rule as one pass over θ, g and them."""

    def __init__(self, optimizer: Optimizer, θ: np.ndarray, g: np.ndarray):
        start = optimizer.start()
        slots, rule = optimizer.kernel()
        self.slots = {name: np.full_like(θ, start.get(name, 0.0)) for name in slots}
        self._coefficients = optimizer.coefficients
        self.coefficients = np.zeros(len(optimizer.coefficients(1.0, 1)), θ.dtype)
        """The numbers of the present step that the rule uses."""
        self._vectors = θ, g, *self.slots.values()
        self._update = elementwise.update(rule, len(self.slots), len(self.coefficients))

    def move(self, objective: Objective, value: float, x: np.ndarray, t: Any, lr: float, step: int) -> None:
        """Update `step` (from 1) of θ at rate `lr`, from where the loss is `value` and its gradient g."""
        self.coefficients[:] = self._coefficients(lr, step)
        self._update(*self._vectors, self.coefficients)

    def call(self, part: slice) -> Call:
        """The update of a part of θ."""
        return self._update, *(vector[part] for vector in self._vectors), self.coefficients

    def table(self, lrs: Sequence[float], done: int) -> np.ndarray:
        """The coefficients of the steps that follow `done` steps at K learning rates, a row a step."""
        rows = [self._coefficients(lr, step) for step, lr in enumerate(lrs, done + 1)]
        return np.array(rows, self.coefficients.dtype)


class QuasiNewtonSteps:
    """The pairs that L-BFGS keeps, and its step: a direction from them, and a search along it."""

    def __init__(self, optimizer: Lbfgs, θ: np.ndarray, g: np.ndarray):
        from scipy.optimize import line_search  # half a second, for those who need it

        self.optimizer, self.θ, self.g = optimizer, θ, g
        self._line_search = line_search
        m, D = optimizer.history, len(θ)
        self._s, self._y = np.zeros((m, D), θ.dtype), np.zeros((m, D), θ.dtype)
        self._step, self._gradient = np.zeros(D, θ.dtype), np.zeros(D, θ.dtype)
        self._counts = np.zeros(4, np.int64)
        """Pairs that are kept, where the next one goes, whether there was a last step, evaluations."""
        self.slots = {
            "s": self._s,
            "y": self._y,
            "step": self._step,
            "gradient": self._gradient,
            "counts": self._counts,
        }

    @property
    def evaluations(self) -> int:
        """How many times the objective was evaluated so far."""
        return int(self._counts[3])

    def move(self, objective: Objective, value: float, x: np.ndarray, t: Any, lr: float, step: int) -> None:
        """One iteration from θ, where the loss is `value` and its gradient g; θ stays where no step is found."""
        self._counts[3] += 1
        if not (math.isfinite(value) and np.isfinite(self.g).all()):
            self.θ -= lr * self.g  # seen in θ, so that the trainer ends the run
            return
        self._learn()
        if lr == 0 or not self.g.any():
            return
        value += objective.penalty(len(x))
        taken = None
        if self._counts[0]:
            taken = self._along(self.optimizer.direction(self.g, *self._pairs()), lr, objective, value, x, t)
        if taken is None:
            self._counts[:2] = 0
            first = lr * min(1.0, 1.0 / float(np.sum(np.abs(self._gradient))))
            taken = self._along(-self._gradient, first, objective, value, x, t)
        if taken is not None:
            self._step[:] = taken
            self._counts[2] = 1

    def _learn(self) -> None:
        """Keep the last step and the change of the gradient over it, where they tell of a curvature above 0."""
        if self._counts[2]:
            kept, place = int(self._counts[0]), int(self._counts[1])
            y = self.g - self._gradient
            if np.dot(y, self._step) > -np.finfo(y.dtype).eps * np.dot(self._step, self._gradient):
                self._s[place], self._y[place] = self._step, y
                self._counts[:2] = min(kept + 1, len(self._s)), (place + 1) % len(self._s)
        self._gradient[:] = self.g
        self._counts[2] = 0

    def _pairs(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The steps and the changes of the gradient, the oldest first."""
        kept, place = int(self._counts[0]), int(self._counts[1])
        order = [(place - kept + i) % len(self._s) for i in range(kept)]
        return [self._s[i] for i in order], [self._y[i] for i in order]

    def _along(
        self, d: np.ndarray, length: float, objective: Objective, value: float, x: np.ndarray, t: Any
    ) -> np.ndarray | None:
        """Move θ along d, with `length` the first factor tried. Returns the step (D,); None leaves θ where it was."""
        d = d * self.θ.dtype.type(length)
        if self.optimizer.line_search == "none":
            self.θ += d
            return d
        if not float(np.dot(d, self._gradient)) < 0:
            return None
        start = self.θ.copy()

        def at(θ: np.ndarray) -> tuple[float, np.ndarray]:
            self.θ[:] = θ
            self._counts[3] += 1
            found = objective.total(x, t)
            return (found if math.isfinite(found) else math.inf), self.g.copy()

        α = _strong_wolfe(self._line_search, at, start, d, self._gradient, value, self.optimizer.c1, self.optimizer.c2)
        taken = None if α is None else (α * d).astype(d.dtype)
        self.θ[:] = start if taken is None else start + taken
        return taken


def _strong_wolfe(
    line_search: Callable[..., Any],
    at: Callable[[np.ndarray], tuple[float, np.ndarray]],
    θ: np.ndarray,
    d: np.ndarray,
    g: np.ndarray,
    value: float,
    c1: float,
    c2: float,
) -> float | None:
    """The α along d, tried from 1 on, by SciPy; None where it finds none.

    It meets both conditions, or only the first where the slope stays steep however far it goes.
    """
    known: tuple[np.ndarray, tuple[float, np.ndarray]] = θ, (value, g)

    def evaluated(point: Any) -> tuple[float, np.ndarray]:
        nonlocal known
        if not np.array_equal(point, known[0]):  # SciPy asks for value and gradient one after the other
            known = point, at(point)
        return known[1]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # it warns where it finds none, and says so by None, too
        α, _, _, found, _, _ = line_search(
            lambda point: evaluated(point)[0], lambda point: evaluated(point)[1], θ, d, g, value, c1=c1, c2=c2
        )
    # after its last doubling it returns an α that it has not tested: downhill without end, say
    enough = α is not None and found <= value + c1 * α * float(np.dot(g, d))
    return float(α) if enough else None


Steps = ElementwiseSteps | QuasiNewtonSteps


def steps_of(optimizer: Minimizer, θ: np.ndarray, g: np.ndarray) -> Steps:
    """What moves θ (D,) along g (D,) as the optimizer says."""
    if isinstance(optimizer, Lbfgs):
        return QuasiNewtonSteps(optimizer, θ, g)
    assert isinstance(optimizer, Optimizer)
    return ElementwiseSteps(optimizer, θ, g)
