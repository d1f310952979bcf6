"""How an optimizer moves the parameters: one elementwise pass over all of them, or a line search."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from nnexp.components.optimizers import Minimizer, Optimizer
from nnexp.engine import loops


class Objective(Protocol):
    """A function of the parameters θ (D,) that is minimized: a network's loss on a batch, or a surface."""

    def total(self, x: np.ndarray, t: np.ndarray) -> float:
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
        self._c = np.zeros(len(optimizer.coefficients(1.0, 1)), θ.dtype)
        self._arrays = θ, g, *self.slots.values(), self._c
        self._update = loops.update(rule, len(self.slots), len(self._c))

    def move(self, objective: Objective, value: float, x: np.ndarray, t: np.ndarray, lr: float, step: int) -> None:
        """Update `step` (from 1) of θ at rate `lr`, from where the loss is `value` and its gradient g."""
        self._c[:] = self._coefficients(lr, step)
        self._update(*self._arrays)


Steps = ElementwiseSteps


def steps_of(optimizer: Minimizer, θ: np.ndarray, g: np.ndarray) -> Steps:
    """What moves θ (D,) along g (D,) as the optimizer says."""
    assert isinstance(optimizer, Optimizer)
    return ElementwiseSteps(optimizer, θ, g)
