"""Optimizers that divide each coordinate's step by the size of its own past gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from nnexp.components.base import Decay, NonNegative, Positive, select
from nnexp.components.optimizers.base import Optimizer


class Adagrad(Optimizer):
    """Divide each coordinate's step by the root of the sum of its squared gradients.

        G ← G + g²
        θ ← θ - η g / (√G + ε)

    The effective rate only falls. Suits sparse features.

    Source: J. Duchi, E. Hazan and Y. Singer 2011, JMLR 12.

    Differs: Keras has ε inside the root, √(G + ε), and starts G at 0.1 (`dialect: keras`).

        >>> θ, G = Adagrad.rule(1.0, 2.0, 0.0, (0.1, 0.0, 0.0))
        >>> float(G), float(θ)
        (4.0, 0.9)
    """

    name: Literal["adagrad"] = "adagrad"
    slots: ClassVar = ("G",)
    dialects: ClassVar = {"keras": {"lr": 0.001, "eps": 1e-7, "initial_accumulator": 0.1}}
    eps: Positive = Field(1e-10, description="ε, which keeps the denominator from 0")
    initial_accumulator: NonNegative = Field(0.0, description="what G starts with")
    dialect: Literal["pytorch", "keras"] = Field("pytorch", description="ε outside the root, or inside")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        return lr, *_inside_outside(self.eps, self.dialect)

    def start(self) -> dict[str, float]:
        return {"G": self.initial_accumulator}

    @staticmethod
    def rule(θ, g, G, c):
        η, inside, ε = c
        G = G + g * g
        return θ - η * g / (np.sqrt(G + inside) + ε), G


class Rmsprop(Optimizer):
    """Divide each coordinate's step by the root of a decaying mean of its squared gradients.

        S ← α S + (1 - α) g²
        M ← α M + (1 - α) g   with `centered`, else 0
        b ← μ b + g / (√(S - M²) + ε)
        θ ← θ - η b

    Source: T. Tieleman and G. Hinton 2012, Coursera lecture 6.5; centered: A. Graves 2013, arXiv 1308.0850.

    Differs: Keras has ε inside the root, decay 0.9 and η inside b (`dialect: keras`); TensorFlow 1 has also S start
    at 1 (`dialect: tensorflow1`). S - M² can come out slightly below 0; here it counts as 0, in PyTorch it becomes
    NaN.

        >>> θ, S = Rmsprop.rule(1.0, 2.0, 0.0, (0.1, 0.75, 0.25, 0.0, 0.0))
        >>> float(S), float(θ)
        (1.0, 0.8)
    """

    name: Literal["rmsprop"] = "rmsprop"
    slots: ClassVar = ("S",)
    dialects: ClassVar = {
        "keras": {"lr": 0.001, "alpha": 0.9, "eps": 1e-7},
        "tensorflow1": {"lr": 0.001, "alpha": 0.9, "eps": 1e-10},
    }
    alpha: Decay = Field(0.99, description="α, the decay of the means")
    eps: Positive = Field(1e-8, description="ε, which keeps the denominator from 0")
    centered: bool = Field(False, description="divide by the standard deviation of g, not by its root mean square")
    momentum: Decay = Field(0.0, description="μ, the share of the last step that is kept")
    dialect: Literal["pytorch", "keras", "tensorflow1"] = Field("pytorch", description="ε outside the root, or inside")

    def kernel(self) -> tuple[tuple[str, ...], Callable[..., Any]]:
        if self.centered or self.momentum:
            return ("S", "M", "b"), Rmsprop.full_rule
        return self.slots, Rmsprop.rule

    def start(self) -> dict[str, float]:
        return {"S": 1.0} if self.dialect == "tensorflow1" else {}

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        means = self.alpha, 1.0 - self.alpha, *_inside_outside(self.eps, self.dialect)
        if not (self.centered or self.momentum):
            return lr, *means
        inner, outer = (1.0, lr) if self.dialect == "pytorch" else (lr, 1.0)
        return inner, outer, *means, 1.0 if self.centered else 0.0, self.momentum

    @staticmethod
    def rule(θ, g, S, c):
        η, α, one_minus_α, inside, ε = c
        S = α * S + one_minus_α * g * g
        return θ - η * g / (np.sqrt(S + inside) + ε), S

    @staticmethod
    def full_rule(θ, g, S, M, b, c):
        inner, outer, α, one_minus_α, inside, ε, centered, μ = c
        S = α * S + one_minus_α * g * g
        M = α * M + one_minus_α * g
        variance = S - centered * M * M
        b = μ * b + inner * g / (np.sqrt(select(variance <= 0, 0, variance) + inside) + ε)
        return θ - outer * b, S, M, b


class Adadelta(Optimizer):
    """Scale each step by the size of past steps over the size of past gradients, so that units match.

        S ← ρ S + (1 - ρ) g²
        Δ = g √(U + ε) / √(S + ε)
        U ← ρ U + (1 - ρ) Δ²
        θ ← θ - η Δ

    Source: M. Zeiler 2012, arXiv 1212.5701, Algorithm 1 (η = 1).

    Differs: Keras's defaults are lr 0.001, ρ 0.95 and ε 1e-7 (`dialect: keras`). U accumulates the unscaled Δ², as in
    PyTorch.

        >>> θ, S, U = Adadelta.rule(1.0, 2.0, 0.0, 0.0, (1.0, 0.75, 0.25, 1.0))
        >>> float(S), round(float(θ), 4), round(float(U), 4)
        (1.0, -0.4142, 0.5)
    """

    name: Literal["adadelta"] = "adadelta"
    slots: ClassVar = ("S", "U")
    dialects: ClassVar = {"keras": {"lr": 0.001, "rho": 0.95, "eps": 1e-7}}
    lr: NonNegative = Field(1.0, description="learning rate η; the paper has none, that is 1")
    rho: Decay = Field(0.9, description="ρ, the decay of both means")
    eps: Positive = Field(1e-6, description="ε, inside both roots")
    dialect: Literal["pytorch", "keras"] = Field("pytorch", description="whose defaults; the formula is the same")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        return lr, self.rho, 1.0 - self.rho, self.eps

    @staticmethod
    def rule(θ, g, S, U, c):
        η, ρ, one_minus_ρ, ε = c
        S = ρ * S + one_minus_ρ * g * g
        Δ = g * np.sqrt(U + ε) / np.sqrt(S + ε)
        U = ρ * U + one_minus_ρ * Δ * Δ
        return θ - η * Δ, S, U


def _inside_outside(eps: float, dialect: str) -> tuple[float, float]:
    """ε inside and outside the root, as the dialect has it."""
    return (0.0, eps) if dialect == "pytorch" else (eps, 0.0)
