"""Optimizers: how the parameters θ follow the gradient g.

Each is an elementwise rule on vectors of length D: (θ, g, state..., c) -> (θ, state...). `coefficients` computes the
scalars c of step t (counted from 1) in float64; the engine casts them to the run's precision, as PyTorch does.
PyTorch's definitions hold unless `Differs:` says otherwise. Where another library's formula gives other results, the
field `dialect` chooses it, together with that library's defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from nnexp.components.base import Component, Decay, Fraction, NonNegative, Positive, select


class Optimizer(Component, family="optimizer"):
    """A rule that turns gradients into steps."""

    slots: ClassVar[tuple[str, ...]] = ()
    """Names of the state vectors."""
    rule: ClassVar[Callable[..., Any]]
    """(θ, g, *state, c) -> (θ, *state), or θ alone without state."""
    sees_size: ClassVar[bool] = True
    """False where only the sign of a gradient counts: then an infinite one does not spoil the parameters."""
    scales_with_lr: ClassVar[bool] = True
    """False where `lr` is only what the step sizes start with, so that a schedule would have no effect."""

    lr: NonNegative = Field(0.01, description="learning rate η")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        """The scalars c of step t >= 1 at the scheduled learning rate `lr`."""
        return (lr,)

    def start(self) -> dict[str, float]:
        """The value that each state vector starts with, where it is not 0."""
        return {}

    def kernel(self) -> tuple[tuple[str, ...], Callable[..., Any]]:
        """The names of the state vectors that these options need, and the rule on them."""
        return self.slots, type(self).rule

    def shrink(self, lr: float) -> float:
        """The factor of one step on a parameter whose gradient is always 0: below 1 with decoupled weight decay."""
        return 1.0


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


class Moments(Optimizer):
    """Keeps decaying means of the gradient and of its square."""

    lr: NonNegative = Field(0.001, description="learning rate η")
    beta1: Decay = Field(0.9, description="β₁, the decay of the mean of g")
    beta2: Decay = Field(0.999, description="β₂, the decay of the mean of g²")
    eps: Positive = Field(1e-8, description="ε, added to the root")

    @property
    def decays(self) -> tuple[float, ...]:
        """β₁, 1 - β₁, β₂, 1 - β₂."""
        return self.beta1, 1.0 - self.beta1, self.beta2, 1.0 - self.beta2

    def corrections(self, t: int) -> tuple[float, float]:
        """1 - β₁ᵗ and 1 - β₂ᵗ: by how much the means are too small for having started at 0."""
        return 1.0 - self.beta1**t, 1.0 - self.beta2**t


class Adam(Moments):
    """Momentum over a per-coordinate scale, both corrected for starting at zero.

        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        θ ← θ - η m̂ / (√v̂ + ε),   m̂ = m / (1 - β₁ᵗ),   v̂ = v / (1 - β₂ᵗ)

    Source: D. Kingma and J. Ba 2015, ICLR, Algorithm 1.

    Differs: Keras and scikit-learn use the paper's faster ε̂ form, η √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε̂), in which ε
    is not scaled by √(1 - β₂ᵗ) (`dialect: keras`, with ε 1e-7; scikit-learn has 1e-8).

        >>> adam = Adam()
        >>> θ, m, v = Adam.rule(1.0, 2.0, 0.0, 0.0, adam.coefficients(adam.lr, t=1))
        >>> round(float(θ), 6)
        0.999
    """

    name: Literal["adam"] = "adam"
    slots: ClassVar = ("m", "v")
    dialects: ClassVar = {"keras": {"eps": 1e-7}}
    bias_correction: bool = Field(True, description="divide by 1 - βᵗ; false for the ablation")
    dialect: Literal["pytorch", "keras"] = Field("pytorch", description="ε added to √v̂, or to √v (the ε̂ form)")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        c1, c2 = self.corrections(t) if self.bias_correction else (1.0, 1.0)
        η, root = (lr / c1, c2**-0.5) if self.dialect == "pytorch" else (lr * c2**0.5 / c1, 1.0)
        return η, root, *self.decays, self.eps

    @staticmethod
    def rule(θ, g, m, v, c):
        η, root, β1, one_minus_β1, β2, one_minus_β2, ε = c
        m = β1 * m + one_minus_β1 * g
        v = β2 * v + one_minus_β2 * g * g
        return θ - η * m / (np.sqrt(v) * root + ε), m, v


class Amsgrad(Moments):
    """Adam whose scale never grows: it divides by the largest v so far.

        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        w ← max(w, v)
        θ ← θ - η m̂ / (√ŵ + ε),   m̂ = m / (1 - β₁ᵗ),   ŵ = w / (1 - β₂ᵗ)

    A rare large gradient is not forgotten, which repairs the sequences on which Adam does not converge.

    Source: S. Reddi, S. Kale and S. Kumar 2018, ICLR; PyTorch's Adam(amsgrad=True).

    Differs: Reddi et al. have no bias correction (`bias_correction: false`); PyTorch takes the maximum before it.

        >>> amsgrad = Amsgrad()
        >>> θ, m, v, w = Amsgrad.rule(1.0, 2.0, 0.0, 0.0, 0.0, amsgrad.coefficients(amsgrad.lr, t=1))
        >>> round(float(θ), 6), float(w) == float(v)
        (0.999, True)
    """

    name: Literal["amsgrad"] = "amsgrad"
    slots: ClassVar = ("m", "v", "w")
    bias_correction: bool = Field(True, description="divide by 1 - βᵗ; false for the paper's form")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        c1, c2 = self.corrections(t) if self.bias_correction else (1.0, 1.0)
        return lr / c1, c2**-0.5, *self.decays, self.eps

    @staticmethod
    def rule(θ, g, m, v, w, c):
        η, root, β1, one_minus_β1, β2, one_minus_β2, ε = c
        m = β1 * m + one_minus_β1 * g
        v = β2 * v + one_minus_β2 * g * g
        w = np.maximum(w, v)
        return θ - η * m / (np.sqrt(w) * root + ε), m, v, w


class Adamw(Moments):
    """Adam with decoupled weight decay: every parameter shrinks by the same share, whatever its scale.

        θ ← θ (1 - η λ)
        then as Adam

    L2 inside Adam is divided by √v̂ and pulls little where gradients are large; this is not. All parameters decay,
    biases too, as in PyTorch with one parameter group.

    Source: I. Loshchilov and F. Hutter 2019, ICLR; PyTorch's AdamW.

    Differs: the paper's λ is not multiplied by η but by the schedule's factor; PyTorch's and Keras's is.

        >>> adamw = Adamw(weight_decay=0.5)
        >>> θ, m, v = Adamw.rule(1.0, 0.0, 0.0, 0.0, adamw.coefficients(0.1, t=1))
        >>> float(θ)
        0.95
    """

    name: Literal["adamw"] = "adamw"
    slots: ClassVar = ("m", "v")
    weight_decay: NonNegative = Field(0.01, description="λ, the share of θ that is taken off, times η")

    def shrink(self, lr: float) -> float:
        return 1.0 - lr * self.weight_decay

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        c1, c2 = self.corrections(t)
        return self.shrink(lr), lr / c1, c2**-0.5, *self.decays, self.eps

    @staticmethod
    def rule(θ, g, m, v, c):
        shrink, η, root, β1, one_minus_β1, β2, one_minus_β2, ε = c
        m = β1 * m + one_minus_β1 * g
        v = β2 * v + one_minus_β2 * g * g
        return θ * shrink - η * m / (np.sqrt(v) * root + ε), m, v


class Adamax(Moments):
    """Adam with the largest recent gradient in place of the root mean square.

        m ← β₁ m + (1 - β₁) g
        u ← max(β₂ u, |g| + ε)
        θ ← θ - η m̂ / u,   m̂ = m / (1 - β₁ᵗ)

    Source: D. Kingma and J. Ba 2015, ICLR, Algorithm 2 (the limit of an L^p norm for p → ∞).

    Differs: ε stands inside the maximum, as in PyTorch; Keras adds it to u.

        >>> adamax = Adamax()
        >>> θ, m, u = Adamax.rule(1.0, 2.0, 0.0, 0.0, adamax.coefficients(0.1, t=1))
        >>> round(float(θ), 6), round(float(u), 6)
        (0.9, 2.0)
    """

    name: Literal["adamax"] = "adamax"
    slots: ClassVar = ("m", "u")
    lr: NonNegative = Field(0.002, description="learning rate η")
    beta2: Decay = Field(0.999, description="β₂, the decay of the largest |g|")
    eps: Positive = Field(1e-8, description="ε, added to |g|")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        c1, _ = self.corrections(t)
        return lr / c1, self.beta1, 1.0 - self.beta1, self.beta2, self.eps

    @staticmethod
    def rule(θ, g, m, u, c):
        η, β1, one_minus_β1, β2, ε = c
        m = β1 * m + one_minus_β1 * g
        u = np.maximum(β2 * u, np.abs(g) + ε)
        return θ - η * m / u, m, u


class Nadam(Moments):
    """Adam with Nesterov's look ahead, and a momentum that warms up.

        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        m̂ = μ_{t+1} m / (1 - μ₁⋯μ_{t+1}) + (1 - μ_t) g / (1 - μ₁⋯μ_t),   μ_t = β₁ (1 - ½ 0.96^{t ψ})
        θ ← θ - η m̂ / (√v̂ + ε)

    Source: T. Dozat 2016, ICLR workshop; PyTorch's NAdam (ψ = 0.004).

    Differs: Keras has 0.96^t, that is ψ = 1, and ε 1e-7 (`dialect: keras`).

        >>> nadam = Nadam()
        >>> θ, m, v = Nadam.rule(1.0, 2.0, 0.0, 0.0, nadam.coefficients(0.1, t=1))
        >>> round(float(m), 3), round(float(θ), 4)
        (0.2, 0.8944)
    """

    name: Literal["nadam"] = "nadam"
    slots: ClassVar = ("m", "v")
    dialects: ClassVar = {"keras": {"lr": 0.001, "eps": 1e-7, "momentum_decay": 1.0}}
    lr: NonNegative = Field(0.002, description="learning rate η")
    momentum_decay: NonNegative = Field(0.004, description="ψ, how fast the momentum warms up")
    dialect: Literal["pytorch", "keras"] = Field("pytorch", description="whose defaults; the formula is the same")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        _, c2 = self.corrections(t)
        μ, next_μ = (self.beta1 * (1 - 0.5 * 0.96 ** (step * self.momentum_decay)) for step in (t, t + 1))
        product = _warming_product(self.beta1, self.momentum_decay, t)
        of_m, of_g = lr * next_μ / (1 - product * next_μ), lr * (1 - μ) / (1 - product)
        return of_m, of_g, c2**-0.5, *self.decays, self.eps

    @staticmethod
    def rule(θ, g, m, v, c):
        of_m, of_g, root, β1, one_minus_β1, β2, one_minus_β2, ε = c
        m = β1 * m + one_minus_β1 * g
        v = β2 * v + one_minus_β2 * g * g
        return θ - (of_m * m + of_g * g) / (np.sqrt(v) * root + ε), m, v


class Radam(Moments):
    """Adam that waits with its per-coordinate scale until the scale's own variance is bounded.

        ρ_t = ρ_∞ - 2 t β₂ᵗ / (1 - β₂ᵗ),   ρ_∞ = 2 / (1 - β₂) - 1
        ρ_t > 5:  θ ← θ - η r m̂ √(1 - β₂ᵗ) / (√v + ε),   r² = (ρ_t - 4)(ρ_t - 2) ρ_∞ / ((ρ_∞ - 4)(ρ_∞ - 2) ρ_t)
        else:     θ ← θ - η m̂

    Source: L. Liu, H. Jiang, P. He, W. Chen, X. Liu, J. Gao and J. Han 2020, ICLR; PyTorch's RAdam.

    Differs: the paper scales from ρ_t > 4 on (`threshold: 4`); with β₂ = 0.999 that is step 5 instead of 6.

        >>> radam = Radam()
        >>> θ, m, v = Radam.rule(1.0, 2.0, 0.0, 0.0, radam.coefficients(0.1, t=1))
        >>> round(float(θ), 6)
        0.8
    """

    name: Literal["radam"] = "radam"
    slots: ClassVar = ("m", "v")
    threshold: Annotated[float, Field(ge=4)] = Field(5.0, description="ρ_t above which the scale is used")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        c1, c2 = self.corrections(t)
        limit = 2 / (1 - self.beta2) - 1
        ρ = limit - 2 * t * self.beta2**t / c2
        scaled = ρ > self.threshold
        r = ((ρ - 4) * (ρ - 2) * limit / ((limit - 4) * (limit - 2) * ρ)) ** 0.5 if scaled else 0.0
        return lr / c1, r * c2**0.5, 0.0 if scaled else 1.0, *self.decays, self.eps

    @staticmethod
    def rule(θ, g, m, v, c):
        η, of_scaled, of_plain, β1, one_minus_β1, β2, one_minus_β2, ε = c
        m = β1 * m + one_minus_β1 * g
        v = β2 * v + one_minus_β2 * g * g
        return θ - η * m * (of_plain + of_scaled / (np.sqrt(v) + ε)), m, v


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


def _inside_outside(eps: float, dialect: str) -> tuple[float, float]:
    """ε inside and outside the root, as the dialect has it."""
    return (0.0, eps) if dialect == "pytorch" else (eps, 0.0)


@lru_cache(maxsize=8)
def _warming_products(beta1: float, decay: float) -> list[float]:
    """The products 1, μ₁, μ₁μ₂, ... as far as they were asked for; there is no closed formula."""
    return [1.0]


def _warming_product(beta1: float, decay: float, t: int) -> float:
    """μ₁⋯μ_t with μ_t = β₁ (1 - ½ 0.96^{t ψ})."""
    products = _warming_products(beta1, decay)
    while len(products) <= t and products[-1] > 0:
        products.append(products[-1] * beta1 * (1 - 0.5 * 0.96 ** (len(products) * decay)))
    return products[min(t, len(products) - 1)]
