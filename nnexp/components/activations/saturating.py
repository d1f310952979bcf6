"""Activations that squash: between two limits, flat at both ends."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from nnexp.components.activations.base import Call, ElementwiseActivation, exp_minus_abs
from nnexp.components.base import Positive, select


class Sigmoid(ElementwiseActivation):
    """Squash the pre-activation into (0, 1).

        y = 1 / (1 + exp(-z)) = (1 if z >= 0 else e) / (1 + e),   e = exp(-|z|)
        y' = y - y²

    The two branches keep it exact and free of overflow at both ends. The slope is at most 1/4, so gradients
    shrink from layer to layer.

    Source: P.-F. Verhulst 1845; in networks D. Rumelhart, G. Hinton and R. Williams 1986, Nature 323.

        >>> float(Sigmoid.value(0.0, 1.0, ()))
        0.5
        >>> float(Sigmoid.slope(None, 0.5, None, ()))
        0.25
    """

    name: Literal["sigmoid"] = "sigmoid"
    aliases: ClassVar = ("logistic",)

    def exponentials(self, z: np.ndarray, e: np.ndarray) -> list[Call]:
        return exp_minus_abs(z, e)

    @staticmethod
    def value(z, e, c):
        return select(z >= 0, 1, e) / (1 + e)

    @staticmethod
    def slope(z, y, e, c):
        return y - y * y


class Tanh(ElementwiseActivation):
    """Squash the pre-activation into (-1, 1), with slope 1 at zero.

        y = tanh(z)
        y' = 1 - y²

    Source: Y. LeCun, L. Bottou, G. Orr and K.-R. Müller 1998, Efficient BackProp (zero-centred outputs train faster).

        >>> float(Tanh.slope(None, 0.5, None, ()))
        0.75
    """

    name: Literal["tanh"] = "tanh"

    def exponentials(self, z: np.ndarray, e: np.ndarray) -> list[Call]:
        return [(np.tanh, z, e)]

    @staticmethod
    def slope(z, y, e, c):
        return 1 - y * y


class LecunTanh(ElementwiseActivation):
    """A tanh stretched so that it takes ±1 near ±1, where it bends most.

        y = a e,   e = tanh(2z/3),   a = 1.7159
        y' = 2/3 a (1 - e²)

    Targets of ±1 then lie within its range, not at its limits, and standardized inputs keep a variance near 1.

    Source: Y. LeCun, L. Bottou, G. Orr and K.-R. Müller 1998, Efficient BackProp. PyTorch has no function for it.

        >>> round(float(LecunTanh.value(1.0, np.tanh(2 / 3), (1.7159, 1.7159 * 2 / 3))), 4)
        1.0
    """

    name: Literal["lecun_tanh"] = "lecun_tanh"
    slope_reads: ClassVar = frozenset("e")

    def coefficients(self) -> tuple[float, ...]:
        return (1.7159, 1.7159 * 2 / 3)

    def exponentials(self, z: np.ndarray, e: np.ndarray) -> list[Call]:
        return [(np.multiply, z, 2 / 3, e), (np.tanh, e, e)]

    @staticmethod
    def value(z, e, c):
        a, _ = c
        return a * e

    @staticmethod
    def slope(z, y, e, c):
        _, steepest = c
        return steepest * (1 - e * e)


class Softsign(ElementwiseActivation):
    """Squash the pre-activation into (-1, 1) like tanh, but slowly and without an exponential.

        y = z / (1 + |z|)
        y' = (1 - |y|)² = 1 / (1 + |z|)²

    The slope falls as 1/z², where tanh's falls exponentially: a saturated unit still learns.

    Source: J. Bergstra, G. Desjardins, P. Lamblin and Y. Bengio 2009, Université de Montréal, report 1337; PyTorch's
    `softsign`.

        >>> float(Softsign.value(-3.0, None, ()))
        -0.75
        >>> float(Softsign.slope(None, -0.75, None, ()))
        0.0625
    """

    name: Literal["softsign"] = "softsign"

    @staticmethod
    def value(z, e, c):
        return z / (1 + abs(z))

    @staticmethod
    def slope(z, y, e, c):
        r = 1 - abs(y)
        return r * r


class HardSigmoid(ElementwiseActivation):
    """Approximate the sigmoid by three straight lines.

        y = relu6(z + 3) / 6
        y' = 1/6 if -3 < z < 3 else 0

    Source: M. Courbariaux, Y. Bengio and J.-P. David 2015, NIPS (with another slope); A. Howard and others 2019, ICCV
    (MobileNetV3); PyTorch's `hardsigmoid`.

    Differs: Keras 3 computes the same; Keras 1 and 2 computed 0.2 z + 0.5, cut at 0 and 1. At z = ±3 the slope is 0,
    as in PyTorch.

        >>> [float(HardSigmoid.value(z, None, (3.0, 6.0))) for z in (-4.0, 1.5, 4.0)]
        [0.0, 0.75, 1.0]
    """

    name: Literal["hard_sigmoid"] = "hard_sigmoid"
    aliases: ClassVar = ("hardsigmoid",)

    def coefficients(self) -> tuple[float, ...]:
        return (3.0, 6.0)

    @staticmethod
    def value(z, e, c):
        three, six = c
        return select((z <= -three) | (z >= three), six * (z > 0), z + three) / six

    @staticmethod
    def slope(z, y, e, c):
        _, six = c
        return ((y > 0) & (y < 1)) / six


class Lif(ElementwiseActivation):
    """The firing rate of a leaky integrate-and-fire neuron with a softened threshold, as a share of the highest.

        y = 1 / (1 + k q),   k = τ/t_ref,   q = ln(1 + 1/j),   j = γ ln(1 + exp((z-1)/γ))
        y' = k y² (1 - exp(-j/γ)) / (j (1 + j)),   j = 1 / (exp(q) - 1)

    z is the neuron's current: the hard neuron (γ → 0) fires above 1. Below the threshold q → (1-z)/γ - ln γ, which is
    used where j is below 1e-30; so y falls to 0 slowly, as 1/|z|. e is the q without that; for the slope, j below
    4e-18 is as good as 0. A rate in Hz is y/t_ref.

    Source: E. Hunsberger and C. Eliasmith 2015, arXiv 1510.08829; NengoDL's `SoftLIFRate`. PyTorch has no function
    for it.

    Differs: the paper and NengoDL give the rate, in Hz; this is the rate times t_ref, between 0 and 1.

        >>> round(float(Lif.value(2.0, np.log(2.0), Lif().coefficients())), 6)  # j = 1: 1 / (1 + 10 ln 2)
        0.12608
    """

    name: Literal["lif"] = "lif"
    aliases: ClassVar = ("soft_lif",)
    slope_reads: ClassVar = frozenset("ye")
    t_ref: Positive = Field(0.002, description="seconds that the neuron rests after a spike")
    tau: Positive = Field(0.02, description="τ, the membrane's time constant in seconds")
    gamma: Positive = Field(0.05, description="γ, the width of the softened threshold")

    def coefficients(self) -> tuple[float, ...]:
        return (self.tau / self.t_ref, self.gamma, 1 / self.gamma - math.log(self.gamma))

    def exponentials(self, z: np.ndarray, e: np.ndarray) -> list[Call]:
        from scipy.special import log_expit

        # the last of these is -ln(1 + exp((z-1)/γ))
        exponent: list[Call] = [(np.subtract, 1, z, e), (np.divide, e, self.gamma, e), (log_expit, e, e)]
        j: list[Call] = [(np.multiply, e, -self.gamma, e), (np.maximum, e, 1e-30, e)]
        return [*exponent, *j, (np.reciprocal, e, e), (np.log1p, e, e)]

    @staticmethod
    def value(z, e, c):
        k, γ, at_zero = c
        line = at_zero - z / γ
        return 1 / (1 + k * select(e < line, line, e))

    @staticmethod
    def slope(z, y, e, c):
        k, γ, _ = c
        j = 1 / np.expm1(select(e > 40, 40, e))
        return -k * y * y * np.expm1(-j / γ) / (j * (1 + j))
