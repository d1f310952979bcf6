"""Activations that gate: the pre-activation times a function of it between 0 and 1."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from nnexp.components.activations.base import Call, ElementwiseActivation, exp_minus_abs
from nnexp.components.base import select


class Swish(ElementwiseActivation):
    """Gate the pre-activation with its own sigmoid.

        y = z s,   s = sigmoid(β z)
        y' = s + β y (1 - s)
        dy/dβ = z y (1 - s)

    With `learn` β is trained with the weights, from `beta` on: one for the layer, or one for each unit.

    Source: P. Ramachandran, B. Zoph and Q. Le 2017, arXiv 1710.05941; with β = 1 also called SiLU (S. Elfwing,
    E. Uchibe and K. Doya 2018).

        >>> round(float(Swish.value(1.0, np.exp(-1.0), (1.0,))), 6)
        0.731059
    """

    name: Literal["swish"] = "swish"
    aliases: ClassVar = ("silu",)
    slope_reads: ClassVar = frozenset("zye")
    beta: Annotated[float, Field(gt=0)] = Field(1.0, description="β, the gate's steepness")
    learn: Literal["none", "layer", "unit"] = Field("none", description="whether β is learned, and how many of them")

    @property
    def learned(self) -> Literal["layer", "unit"] | None:
        return None if self.learn == "none" else self.learn

    def coefficients(self) -> tuple[float, ...]:
        return (self.beta,)

    def exponentials(self, z: np.ndarray, e: np.ndarray) -> list[Call]:
        if self.beta == 1:
            return exp_minus_abs(z, e)
        return [(np.multiply, z, self.beta, e), *exp_minus_abs(e, e)]

    def exponentials_learned(self, z: np.ndarray, a: np.ndarray, e: np.ndarray) -> list[Call]:
        return [(np.multiply, z, a, e), *exp_minus_abs(e, e)]

    @staticmethod
    def value(z, e, c):
        (β,) = c
        return z * (select(β * z >= 0, 1, e) / (1 + e))

    @staticmethod
    def slope(z, y, e, c):
        (β,) = c
        s = select(β * z >= 0, 1, e) / (1 + e)
        return s + β * y * (1 - s)

    @staticmethod
    def slope_by(z, y, e, c):
        (β,) = c
        return z * y * (1 - select(β * z >= 0, 1, e) / (1 + e))


class Gelu(ElementwiseActivation):
    """Gate the pre-activation with the chance that a normally distributed number lies below it.

        y = z s,   s = Φ(z) = (1 + e) / 2
        e = erf(z/√2), or, approximately, tanh(2 p (z + 0.044715 z³)),   p = 1/√(2π)
        y' = s + z p exp(-z²/2), or s + z p (1 - e²) (1 + 0.134145 z²)

    Source: D. Hendrycks and K. Gimpel 2016, arXiv 1606.08415, both forms; PyTorch's `gelu`.

    Differs: the first GPT and BERT programs used the tanh form; it is off by up to 5e-4. PyTorch's and Keras's default
    is the erf form.

        >>> round(float(Gelu.value(1.0, 0.6826894921, ())), 6)  # 68 % lie within one standard deviation
        0.841345
        >>> round(float(Gelu.slope(1.0, None, 0.6826894921, Gelu().coefficients())), 6)
        1.083315
    """

    name: Literal["gelu"] = "gelu"
    slope_reads: ClassVar = frozenset("ze")
    approximate: Literal["none", "tanh"] = Field(
        "none", description="none for the normal distribution itself (erf), tanh for its approximation"
    )

    def coefficients(self) -> tuple[float, ...]:
        p = 1 / math.sqrt(2 * math.pi)
        return (0.0, p, 3 * 0.044715) if self.approximate == "tanh" else (p, 0.0, 0.0)

    def exponentials(self, z: np.ndarray, e: np.ndarray) -> list[Call]:
        if self.approximate == "tanh":
            p = 1 / math.sqrt(2 * math.pi)
            inner: list[Call] = [(np.multiply, z, z, e), (np.multiply, e, 2 * p * 0.044715, e), (np.add, e, 2 * p, e)]
            return [*inner, (np.multiply, e, z, e), (np.tanh, e, e)]
        from scipy.special import erf

        return [(np.multiply, z, math.sqrt(0.5), e), (erf, e, e)]

    @staticmethod
    def value(z, e, c):
        return z * ((1 + e) / 2)

    @staticmethod
    def slope(z, y, e, c):
        normal, tanh, a = c  # p in the form that is used, 0 in the other
        zz = z * z
        return (1 + e) / 2 + z * (normal * np.exp(-zz / 2) + tanh * (1 - e * e) * (1 + a * zz))


class Mish(ElementwiseActivation):
    """Gate the pre-activation with the tanh of its softplus.

        y = z T,   T = tanh(ln(1 + exp(z))) = (a² + 2e) / (2 + 2e + 2e² - a²)
        y' = T + z (1 - T²) a / (1 + e)
        e = exp(-|z|),   a = 1 if z >= 0 else e

    Source: D. Misra 2020, BMVC; PyTorch's `mish`.

        >>> float(Mish.value(0.0, 1.0, ())), float(Mish.slope(0.0, None, 1.0, ()))
        (0.0, 0.6)
        >>> round(float(Mish.value(1.0, np.exp(-1.0), ())), 6)  # tanh(1.313262)
        0.865098
    """

    name: Literal["mish"] = "mish"
    slope_reads: ClassVar = frozenset("ze")

    def exponentials(self, z: np.ndarray, e: np.ndarray) -> list[Call]:
        return exp_minus_abs(z, e)

    @staticmethod
    def value(z, e, c):
        a = select(z >= 0, 1, e)
        aa = a * a
        return z * ((aa + 2 * e) / (2 + 2 * e + 2 * e * e - aa))

    @staticmethod
    def slope(z, y, e, c):
        a = select(z >= 0, 1, e)
        aa = a * a
        T = (aa + 2 * e) / (2 + 2 * e + 2 * e * e - aa)
        return T + z * (1 - T * T) * (a / (1 + e))


class HardSwish(ElementwiseActivation):
    """Approximate swish by gating the pre-activation with its hard sigmoid.

        y = z relu6(z + 3) / 6
        y' = 0 if z <= -3, (2z + 3) / 6 if -3 < z < 3, 1 if z >= 3

    Source: A. Howard and others 2019, ICCV (MobileNetV3); PyTorch's `hardswish`.

        >>> [float(HardSwish.value(z, None, (3.0, 6.0))) for z in (-4.0, 1.0, 4.0)]
        [-0.0, 0.6666666666666666, 4.0]
    """

    name: Literal["hard_swish"] = "hard_swish"
    aliases: ClassVar = ("hardswish", "hard_silu")
    slope_reads: ClassVar = frozenset("z")

    def coefficients(self) -> tuple[float, ...]:
        return (3.0, 6.0)

    @staticmethod
    def value(z, e, c):
        three, six = c
        return z * (select((z <= -three) | (z >= three), six * (z > 0), z + three) / six)

    @staticmethod
    def slope(z, y, e, c):
        three, six = c
        return select((z <= -three) | (z >= three), six * (z > 0), z + z + three) / six
