"""Optimizers: how the parameters θ follow the gradient g.

Each is an elementwise rule on vectors of length D: (θ, g, state..., c) -> (θ, state...). `coefficients` computes the
scalars c of step t (counted from 1) in float64; the engine casts them to the run's precision, as PyTorch does.
PyTorch's definitions hold unless `Differs:` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from nnexp.components.base import Component, Decay, Fraction, NonNegative, Positive


class Optimizer(Component, family="optimizer"):
    """A rule that turns gradients into steps."""

    slots: ClassVar[tuple[str, ...]] = ()
    """Names of the state vectors."""
    rule: ClassVar[Callable[..., Any]]
    """(θ, g, *state, c) -> (θ, *state), or θ alone without state."""

    lr: NonNegative = Field(0.01, description="learning rate η")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        """The scalars c of step t >= 1 at the scheduled learning rate `lr`."""
        return (lr,)

    def start(self) -> dict[str, float]:
        """The value that each state vector starts with, where it is not 0."""
        return {}


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

    Differs: Sutskever et al. 2013 and Keras keep η inside (v ← μ v - η g): the same while η is constant.

        >>> θ, b = Momentum.rule(1.0, 2.0, 1.0, (0.1, 0.9, 1.0))
        >>> round(float(b), 3), round(float(θ), 3)
        (2.9, 0.71)
    """

    name: Literal["momentum"] = "momentum"
    slots: ClassVar = ("b",)
    momentum: Decay = Field(0.9, description="μ, the share of the last direction that is kept")
    dampening: Fraction = Field(0.0, description="d, what is taken off the new gradient's weight")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        return lr, self.momentum, 1.0 if t == 1 else 1.0 - self.dampening

    @staticmethod
    def rule(θ, g, b, c):
        η, μ, gain = c
        b = μ * b + gain * g
        return θ - η * b, b


class Nag(Optimizer):
    """Nesterov's accelerated gradient: momentum that looks one step ahead.

        b ← μ b + g
        θ ← θ - η (g + μ b)

    Source: Y. Nesterov 1983, Soviet Mathematics Doklady 27; in this form I. Sutskever, J. Martens, G. Dahl and
    G. Hinton 2013, ICML; PyTorch's SGD(nesterov=True).

    Differs: the look-ahead form evaluates g at θ - η μ v; it is the same after a change of variables.

        >>> θ, b = Nag.rule(1.0, 2.0, 1.0, (0.1, 0.9))
        >>> round(float(b), 3), round(float(θ), 3)
        (2.9, 0.539)
    """

    name: Literal["nag"] = "nag"
    aliases: ClassVar = ("nesterov",)
    slots: ClassVar = ("b",)
    momentum: Decay = Field(0.9, description="μ, the share of the last direction that is kept")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        return lr, self.momentum

    @staticmethod
    def rule(θ, g, b, c):
        η, μ = c
        b = μ * b + g
        return θ - η * (g + μ * b), b


class Adagrad(Optimizer):
    """Divide each coordinate's step by the root of the sum of its squared gradients.

        G ← G + g²
        θ ← θ - η g / (√G + ε)

    The effective rate only falls. Suits sparse features.

    Source: J. Duchi, E. Hazan and Y. Singer 2011, JMLR 12.

    Differs: Keras starts G at 0.1 and has ε inside the root.

        >>> θ, G = Adagrad.rule(1.0, 2.0, 0.0, (0.1, 0.0))
        >>> float(G), float(θ)
        (4.0, 0.9)
    """

    name: Literal["adagrad"] = "adagrad"
    slots: ClassVar = ("G",)
    eps: Positive = Field(1e-10, description="ε, added outside the root")
    initial_accumulator: NonNegative = Field(0.0, description="what G starts with")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        return lr, self.eps

    def start(self) -> dict[str, float]:
        return {"G": self.initial_accumulator}

    @staticmethod
    def rule(θ, g, G, c):
        η, ε = c
        G = G + g * g
        return θ - η * g / (np.sqrt(G) + ε), G


class Rmsprop(Optimizer):
    """Divide each coordinate's step by the root of a decaying mean of its squared gradients.

        S ← α S + (1 - α) g²
        θ ← θ - η g / (√S + ε)

    Source: T. Tieleman and G. Hinton 2012, Coursera lecture 6.5.

    Differs: Keras has ε inside the root and decay 0.9; TensorFlow 1 starts S at 1.

        >>> θ, S = Rmsprop.rule(1.0, 2.0, 0.0, (0.1, 0.75, 0.25, 0.0))
        >>> float(S), float(θ)
        (1.0, 0.8)
    """

    name: Literal["rmsprop"] = "rmsprop"
    slots: ClassVar = ("S",)
    alpha: Decay = Field(0.99, description="α, the decay of the mean of g²")
    eps: Positive = Field(1e-8, description="ε, added outside the root")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        return lr, self.alpha, 1.0 - self.alpha, self.eps

    @staticmethod
    def rule(θ, g, S, c):
        η, α, one_minus_α, ε = c
        S = α * S + one_minus_α * g * g
        return θ - η * g / (np.sqrt(S) + ε), S


class Adadelta(Optimizer):
    """Scale each step by the size of past steps over the size of past gradients, so that units match.

        S ← ρ S + (1 - ρ) g²
        Δ = g √(U + ε) / √(S + ε)
        U ← ρ U + (1 - ρ) Δ²
        θ ← θ - η Δ

    Source: M. Zeiler 2012, arXiv 1212.5701, Algorithm 1 (η = 1).

    Differs: Keras's defaults are lr 0.001, ρ 0.95. U accumulates the unscaled Δ², as in PyTorch.

        >>> θ, S, U = Adadelta.rule(1.0, 2.0, 0.0, 0.0, (1.0, 0.75, 0.25, 1.0))
        >>> float(S), round(float(θ), 4), round(float(U), 4)
        (1.0, -0.4142, 0.5)
    """

    name: Literal["adadelta"] = "adadelta"
    slots: ClassVar = ("S", "U")
    lr: NonNegative = Field(1.0, description="learning rate η; the paper has none, that is 1")
    rho: Decay = Field(0.9, description="ρ, the decay of both means")
    eps: Positive = Field(1e-6, description="ε, inside both roots")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        return lr, self.rho, 1.0 - self.rho, self.eps

    @staticmethod
    def rule(θ, g, S, U, c):
        η, ρ, one_minus_ρ, ε = c
        S = ρ * S + one_minus_ρ * g * g
        Δ = g * np.sqrt(U + ε) / np.sqrt(S + ε)
        U = ρ * U + one_minus_ρ * Δ * Δ
        return θ - η * Δ, S, U


class Adam(Optimizer):
    """Momentum over a per-coordinate scale, both corrected for starting at zero.

        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        θ ← θ - η m̂ / (√v̂ + ε),   m̂ = m / (1 - β₁ᵗ),   v̂ = v / (1 - β₂ᵗ)

    Source: D. Kingma and J. Ba 2015, ICLR, Algorithm 1.

    Differs: Keras and scikit-learn use the paper's faster ε̂ form, in which ε is not scaled by √(1 - β₂ᵗ).

        >>> adam = Adam()
        >>> θ, m, v = Adam.rule(1.0, 2.0, 0.0, 0.0, adam.coefficients(adam.lr, t=1))
        >>> round(float(θ), 6)
        0.999
    """

    name: Literal["adam"] = "adam"
    slots: ClassVar = ("m", "v")
    lr: NonNegative = Field(0.001, description="learning rate η")
    beta1: Decay = Field(0.9, description="β₁, the decay of the mean of g")
    beta2: Decay = Field(0.999, description="β₂, the decay of the mean of g²")
    eps: Positive = Field(1e-8, description="ε, added to the corrected root")
    bias_correction: bool = Field(True, description="divide by 1 - βᵗ; false for the ablation")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        correction1 = 1.0 - self.beta1**t if self.bias_correction else 1.0
        correction2 = 1.0 - self.beta2**t if self.bias_correction else 1.0
        return (
            lr / correction1,
            correction2**-0.5,
            self.beta1,
            1.0 - self.beta1,
            self.beta2,
            1.0 - self.beta2,
            self.eps,
        )

    @staticmethod
    def rule(θ, g, m, v, c):
        η, root, β1, one_minus_β1, β2, one_minus_β2, ε = c
        m = β1 * m + one_minus_β1 * g
        v = β2 * v + one_minus_β2 * g * g
        return θ - η * m / (np.sqrt(v) * root + ε), m, v
