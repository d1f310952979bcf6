"""Adam and its kin: a decaying mean of the gradient over the root of one of its square."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from nnexp.components.base import Decay, NonNegative, Positive
from nnexp.components.optimizers.base import Optimizer


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
