"""Gradient descent, and descent with a memory of its direction."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from nnexp.components.base import Decay, Fraction
from nnexp.components.optimizers.base import Optimizer


class Sgd(Optimizer):
    """Step against the gradient.

        θ ← θ - η g

    Source: H. Robbins and S. Monro 1951, Annals of Mathematical Statistics 22; with `batch: full` it is gradient
    descent (A.-L. Cauchy 1847).

        >>> Sgd.rule(1.0, 2.0, (0.1,))
        0.8
    """

    name: Literal["sgd"] = "sgd"
    aliases: ClassVar = ("gd",)

    @staticmethod
    def rule(θ, g, c):
        (η,) = c
        return θ - η * g


class Momentum(Optimizer):
    """Step along a decaying sum of past gradients.

        b ← μ b + (1 - d) g,   at the first step b = g
        θ ← θ - η b

    Source: B. Polyak 1964, USSR Computational Mathematics 4; as in PyTorch's SGD(momentum=μ, dampening=d).

    Differs: Sutskever et al. 2013 and Keras keep η inside, b ← μ b + η (1 - d) g and θ ← θ - b (`variant: sutskever`):
    the same while η is constant, but when a schedule lowers η, the old steps go on at their old length.

        >>> θ, b = Momentum.rule(1.0, 2.0, 1.0, (0.9, 1.0, 0.1))
        >>> round(float(b), 3), round(float(θ), 3)
        (2.9, 0.71)
    """

    name: Literal["momentum"] = "momentum"
    slots: ClassVar = ("b",)
    momentum: Decay = Field(0.9, description="μ, the share of the last direction that is kept")
    dampening: Fraction = Field(0.0, description="d, what is taken off the new gradient's weight")

    variant: Literal["pytorch", "sutskever"] = Field(
        "pytorch", description="where η stands: before θ's step or inside b"
    )

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        gain = 1.0 if t == 1 else 1.0 - self.dampening
        return (self.momentum, gain, lr) if self.variant == "pytorch" else (self.momentum, gain * lr, 1.0)

    @staticmethod
    def rule(θ, g, b, c):
        μ, gain, η = c
        b = μ * b + gain * g
        return θ - η * b, b


class Nag(Optimizer):
    """Nesterov's accelerated gradient: momentum that looks one step ahead.

        b ← μ b + g
        θ ← θ - η (g + μ b)

    Source: Y. Nesterov 1983, Soviet Mathematics Doklady 27; in this form I. Sutskever, J. Martens, G. Dahl and
    G. Hinton 2013, ICML; PyTorch's SGD(nesterov=True).

    Differs: the look-ahead form evaluates g at θ - η μ v; it is the same after a change of variables. Sutskever et al.
    and Keras keep η inside b (`variant: sutskever`): the same while η is constant.

        >>> θ, b = Nag.rule(1.0, 2.0, 1.0, (0.9, 1.0, 0.1))
        >>> round(float(b), 3), round(float(θ), 3)
        (2.9, 0.539)
    """

    name: Literal["nag"] = "nag"
    aliases: ClassVar = ("nesterov",)
    slots: ClassVar = ("b",)
    momentum: Decay = Field(0.9, description="μ, the share of the last direction that is kept")
    variant: Literal["pytorch", "sutskever"] = Field(
        "pytorch", description="where η stands: before θ's step or inside b"
    )

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        return (self.momentum, 1.0, lr) if self.variant == "pytorch" else (self.momentum, lr, 1.0)

    @staticmethod
    def rule(θ, g, b, c):
        μ, gain, η = c
        b = μ * b + gain * g
        return θ - η * (gain * g + μ * b), b
