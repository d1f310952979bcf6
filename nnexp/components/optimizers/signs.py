"""Optimizers that look at the sign of the gradient alone."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from nnexp.components.base import Decay, NonNegative, Positive
from nnexp.components.optimizers.base import Optimizer


class Rprop(Optimizer):
    """A step size for each coordinate, from the gradient's sign alone: longer while it stays, shorter when it flips.

        s ← s up where g keeps its sign, s down where it flips (and g counts as 0), within [low, high]
        θ ← θ - sign(g) s

    Meant for full batches: in a mini-batch the sign is noise. `lr` is only what s starts with.

    Source: M. Riedmiller and H. Braun 1993, ICNN; in PyTorch's form without weight backtracking (iRprop-, C. Igel and
    M. Hüsken 2000).

        >>> θ, s, p = Rprop.rule(1.0, -2.0, 0.1, -1.0, (0.1, 0.5, 1.2, 1e-6, 50.0, 0.0))
        >>> round(float(θ), 3), round(float(s), 3)
        (1.12, 0.12)
    """

    name: Literal["rprop"] = "rprop"
    slots: ClassVar = ("s", "p")
    scales_with_lr: ClassVar = False
    lr: NonNegative = Field(0.01, description="the first step size of every coordinate")
    down: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="factor on s after a flip of the sign")
    up: Annotated[float, Field(gt=1)] = Field(1.2, description="factor on s where the sign stays")
    smallest: Positive = Field(1e-6, description="lower bound of s")
    largest: Positive = Field(50.0, description="upper bound of s")

    @model_validator(mode="after")
    def _settles(self) -> Rprop:
        if self.up * self.down >= 1:
            product = f"{self.up * self.down:g}"
            raise ValueError(f"'up' times 'down' must be below 1, or the steps never settle; it is {product}")
        return self

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        return lr, self.down, self.up, self.smallest, self.largest, 1.0 if t == 1 else 0.0

    @staticmethod
    def rule(θ, g, s, p, c):
        η, down, up, low, high, first = c
        s = first * η + (1 - first) * s
        turn = g * p
        s = s * ((turn > 0) * up + (turn == 0) + (turn < 0) * down)
        s = np.minimum(np.maximum(s, low), high)
        g = g * (turn >= 0)
        return θ - np.sign(g) * s, s, g


class Lion(Optimizer):
    """Step by the learning rate along the sign of a mix of momentum and gradient.

        θ ← θ (1 - η λ) - η sign(β₁ m + (1 - β₁) g)
        m ← β₂ m + (1 - β₂) g

    Every coordinate moves by η, so η is three to ten times smaller than Adam's.

    Source: X. Chen et al. 2023, NeurIPS (Symbolic discovery of optimization algorithms), Program 1.

        >>> θ, m = Lion.rule(1.0, 2.0, 0.0, Lion().coefficients(0.1, t=1))
        >>> round(float(θ), 3), round(float(m), 3)
        (0.9, 0.02)
    """

    name: Literal["lion"] = "lion"
    slots: ClassVar = ("m",)
    sees_size: ClassVar = False
    lr: NonNegative = Field(1e-4, description="learning rate η, the length of every coordinate's step")
    beta1: Decay = Field(0.9, description="β₁, the momentum's weight in the step")
    beta2: Decay = Field(0.99, description="β₂, the decay of the momentum")
    weight_decay: NonNegative = Field(0.0, description="λ, the share of θ that is taken off, times η")

    def shrink(self, lr: float) -> float:
        return 1.0 - lr * self.weight_decay

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        return self.shrink(lr), lr, self.beta1, 1.0 - self.beta1, self.beta2, 1.0 - self.beta2

    @staticmethod
    def rule(θ, g, m, c):
        shrink, η, β1, one_minus_β1, β2, one_minus_β2 = c
        return θ * shrink - η * np.sign(β1 * m + one_minus_β1 * g), β2 * m + one_minus_β2 * g
