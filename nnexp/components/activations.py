"""Activations: the elementwise functions between the layers, with their derivatives.

z is the pre-activation, y = f(z) the output. Exponentials are computed by NumPy's vectorised functions into e
(`transcend`); the rest is scalar arithmetic (`value`, `slope`) that the engine runs on whole arrays or fuses.
At a kink the derivative is PyTorch's: 0 for relu.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from nnexp.components.base import Component, Positive, select


class Activation(Component, family="activation"):
    """An elementwise function between layers."""

    slope_reads: ClassVar[frozenset[str]] = frozenset("y")
    """What `slope` needs of z, y and e. Where z is not among them, y is written over z."""
    value: ClassVar[Callable[..., Any] | None] = None
    """(z, e, c) -> y. None where y is e itself."""
    slope: ClassVar[Callable[..., Any]]
    """(z, y, e, c) -> f'(z)."""

    def coefficients(self) -> tuple[float, ...]:
        """The numbers c that `value` and `slope` use."""
        return ()

    def transcend(self, z: np.ndarray, e: np.ndarray) -> None:
        """Write the exponential part of z, shape (B, O), into e."""

    @property
    def transcends(self) -> bool:
        """Whether `transcend` does anything, so that e is needed."""
        return type(self).transcend is not Activation.transcend


class Linear(Activation):
    """Pass the pre-activation on unchanged.

        y = z
        y' = 1

    Source: none; the identity. Without a non-linearity, layers collapse into one linear map.

        >>> float(Linear.value(3.0, None, ()))
        3.0
    """

    name: Literal["linear"] = "linear"
    aliases: ClassVar = ("identity",)

    @staticmethod
    def value(z, e, c):
        return z

    @staticmethod
    def slope(z, y, e, c):
        return 1


class Sigmoid(Activation):
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

    def transcend(self, z: np.ndarray, e: np.ndarray) -> None:
        exp_minus_abs(z, e)

    @staticmethod
    def value(z, e, c):
        return select(z >= 0, 1, e) / (1 + e)

    @staticmethod
    def slope(z, y, e, c):
        return y - y * y


class Tanh(Activation):
    """Squash the pre-activation into (-1, 1), with slope 1 at zero.

        y = tanh(z)
        y' = 1 - y²

    Source: Y. LeCun, L. Bottou, G. Orr and K.-R. Müller 1998, Efficient BackProp (zero-centred outputs train faster).

        >>> float(Tanh.slope(None, 0.5, None, ()))
        0.75
    """

    name: Literal["tanh"] = "tanh"

    def transcend(self, z: np.ndarray, e: np.ndarray) -> None:
        np.tanh(z, out=e)

    @staticmethod
    def slope(z, y, e, c):
        return 1 - y * y


class Relu(Activation):
    """Cut negative pre-activations to zero.

        y = max(z, 0)
        y' = 1 if z > 0 else 0

    A unit whose pre-activation is negative on every example gets no gradient: it is dead. NaN stays NaN, so that a
    diverged run is seen.

    Source: V. Nair and G. Hinton 2010, ICML; X. Glorot, A. Bordes and Y. Bengio 2011, AISTATS.

        >>> [float(Relu.value(z, None, ())) for z in (-2.0, 3.0)]
        [0.0, 3.0]
    """

    name: Literal["relu"] = "relu"

    @staticmethod
    def value(z, e, c):
        return select(z <= 0, 0, z)

    @staticmethod
    def slope(z, y, e, c):
        return y > 0


class LeakyRelu(Activation):
    """Scale negative pre-activations down instead of cutting them.

        y = z if z > 0 else a z,   a = negative_slope
        y' = 1 if z > 0 else a

    Source: A. Maas, A. Hannun and A. Ng 2013, ICML workshop.

    Differs: Keras's default slope is 0.3 (0.2 in Keras 2 models); this is PyTorch's 0.01. At z = 0 the slope is a, as
    in PyTorch.

        >>> [float(LeakyRelu.value(z, None, (0.01,))) for z in (-2.0, 3.0)]
        [-0.02, 3.0]
    """

    name: Literal["leaky_relu"] = "leaky_relu"
    negative_slope: Positive = Field(0.01, description="a, the slope for negative pre-activations")

    def coefficients(self) -> tuple[float, ...]:
        return (self.negative_slope,)

    @staticmethod
    def value(z, e, c):
        (a,) = c
        return select(z > 0, z, a * z)

    @staticmethod
    def slope(z, y, e, c):
        (a,) = c
        return select(y > 0, 1, a)


class Elu(Activation):
    """Let negative pre-activations saturate smoothly at -α.

        y = z if z > 0 else α e,   e = exp(z) - 1
        y' = 1 if z > 0 else y + α

    Source: D.-A. Clevert, T. Unterthiner and S. Hochreiter 2016, ICLR.

        >>> round(float(Elu.value(-1.0, np.expm1(-1.0), (1.0,))), 6)
        -0.632121
    """

    name: Literal["elu"] = "elu"
    alpha: Positive = Field(1.0, description="α, the size of the limit for z → -∞")

    def coefficients(self) -> tuple[float, ...]:
        return (self.alpha,)

    def transcend(self, z: np.ndarray, e: np.ndarray) -> None:
        np.minimum(z, 0, out=e)
        np.expm1(e, out=e)

    @staticmethod
    def value(z, e, c):
        (α,) = c
        return select(z > 0, z, α * e)

    @staticmethod
    def slope(z, y, e, c):
        (α,) = c
        return select(y > 0, 1, y + α)


class Softplus(Activation):
    """A smooth version of relu.

        y = ln(1 + exp(z)) = max(z, 0) + ln(1 + e),   e = exp(-|z|)
        y' = sigmoid(z)

    Source: C. Dugas, Y. Bengio, F. Bélisle, C. Nadeau and R. Garcia 2001, NIPS.

    Differs: PyTorch returns z itself above a threshold of 20; this is exact there too (a difference below 3e-9).

        >>> round(float(Softplus.value(0.0, 1.0, ())), 6)
        0.693147
    """

    name: Literal["softplus"] = "softplus"
    slope_reads: ClassVar = frozenset("ze")

    def transcend(self, z: np.ndarray, e: np.ndarray) -> None:
        exp_minus_abs(z, e)

    @staticmethod
    def value(z, e, c):
        return select(z <= 0, 0, z) + np.log1p(e)

    @staticmethod
    def slope(z, y, e, c):
        return select(z >= 0, 1, e) / (1 + e)


class Swish(Activation):
    """Gate the pre-activation with its own sigmoid.

        y = z s,   s = sigmoid(β z)
        y' = s + β y (1 - s)

    Source: P. Ramachandran, B. Zoph and Q. Le 2017, arXiv 1710.05941; with β = 1 also called SiLU (S. Elfwing,
    E. Uchibe and K. Doya 2018).

        >>> round(float(Swish.value(1.0, np.exp(-1.0), (1.0,))), 6)
        0.731059
    """

    name: Literal["swish"] = "swish"
    aliases: ClassVar = ("silu",)
    slope_reads: ClassVar = frozenset("zye")
    beta: Annotated[float, Field(gt=0)] = Field(1.0, description="β, the gate's steepness")

    def coefficients(self) -> tuple[float, ...]:
        return (self.beta,)

    def transcend(self, z: np.ndarray, e: np.ndarray) -> None:
        if self.beta == 1:
            exp_minus_abs(z, e)
        else:
            np.multiply(z, self.beta, out=e)
            exp_minus_abs(e, e)

    @staticmethod
    def value(z, e, c):
        return z * (select(z >= 0, 1, e) / (1 + e))

    @staticmethod
    def slope(z, y, e, c):
        (β,) = c
        s = select(z >= 0, 1, e) / (1 + e)
        return s + β * y * (1 - s)


class Relu6(Activation):
    """Cut the pre-activation off below 0 and above 6.

        y = min(max(z, 0), 6)
        y' = 1 if 0 < z < 6 else 0

    The upper limit keeps the outputs of a network that is later run in few bits within a known range.

    Source: A. Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10; PyTorch's `relu6`.

    Differs: at z = 6 the slope is 0, as in PyTorch.

        >>> [float(Relu6.value(z, None, (6.0,))) for z in (-2.0, 3.0, 7.0)]
        [0.0, 3.0, 6.0]
    """

    name: Literal["relu6"] = "relu6"

    def coefficients(self) -> tuple[float, ...]:
        return (6.0,)

    @staticmethod
    def value(z, e, c):
        (six,) = c
        return select((z <= 0) | (z >= six), six * (z > 0), z)

    @staticmethod
    def slope(z, y, e, c):
        (six,) = c
        return (y > 0) & (y < six)


class Selu(Activation):
    """An elu whose two scales keep the mean 0 and the variance 1 from layer to layer.

        y = λ z if z > 0 else λ α e,   e = exp(z) - 1
        y' = λ if z > 0 else y + λ α

    λ = 1.0507009873554805 and α = 1.6732632423543772. They do this for weights drawn with variance 1/I
    (initialization `lecun_normal`) and standardized features.

    Source: G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter 2017, NIPS; PyTorch's `selu`.

        >>> λ, α = 1.0507009873554805, 1.6732632423543772
        >>> float(Selu.value(2.0, 0.0, (λ, λ * α)))
        2.101401974710961
        >>> round(float(Selu.value(-1.0, np.expm1(-1.0), (λ, λ * α))), 6)
        -1.111331
    """

    name: Literal["selu"] = "selu"

    def coefficients(self) -> tuple[float, ...]:
        λ, α = 1.0507009873554805, 1.6732632423543772
        return (λ, λ * α)

    def transcend(self, z: np.ndarray, e: np.ndarray) -> None:
        np.minimum(z, 0, out=e)
        np.expm1(e, out=e)

    @staticmethod
    def value(z, e, c):
        λ, λα = c
        return select(z > 0, λ * z, λα * e)

    @staticmethod
    def slope(z, y, e, c):
        λ, λα = c
        return select(y > 0, λ, y + λα)


class Celu(Activation):
    """Let negative pre-activations saturate at -α, with slope 1 at zero for every α.

        y = z if z > 0 else α e,   e = exp(z/α) - 1
        y' = 1 if z > 0 else y/α + 1

    With α = 1 it is elu.

    Source: J. Barron 2017, arXiv 1704.07483; PyTorch's `celu`.

        >>> round(float(Celu.value(-2.0, np.expm1(-1.0), (2.0,))), 6)
        -1.264241
    """

    name: Literal["celu"] = "celu"
    alpha: Positive = Field(1.0, description="α, the size of the limit for z → -∞")

    def coefficients(self) -> tuple[float, ...]:
        return (self.alpha,)

    def transcend(self, z: np.ndarray, e: np.ndarray) -> None:
        np.minimum(z, 0, out=e)
        e /= self.alpha
        np.expm1(e, out=e)

    @staticmethod
    def value(z, e, c):
        (α,) = c
        return select(z > 0, z, α * e)

    @staticmethod
    def slope(z, y, e, c):
        (α,) = c
        return select(y > 0, 1, y / α + 1)


class Softsign(Activation):
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


class Gelu(Activation):
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

    def transcend(self, z: np.ndarray, e: np.ndarray) -> None:
        if self.approximate == "tanh":
            p = 1 / math.sqrt(2 * math.pi)
            np.multiply(z, z, out=e)
            e *= 2 * p * 0.044715
            e += 2 * p
            e *= z
            np.tanh(e, out=e)
        else:
            from scipy.special import erf

            np.multiply(z, math.sqrt(0.5), out=e)
            erf(e, out=e)

    @staticmethod
    def value(z, e, c):
        return z * ((1 + e) / 2)

    @staticmethod
    def slope(z, y, e, c):
        normal, tanh, a = c  # p in the form that is used, 0 in the other
        zz = z * z
        return (1 + e) / 2 + z * (normal * np.exp(-zz / 2) + tanh * (1 - e * e) * (1 + a * zz))


class Mish(Activation):
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

    def transcend(self, z: np.ndarray, e: np.ndarray) -> None:
        exp_minus_abs(z, e)

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


class HardSigmoid(Activation):
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


class HardSwish(Activation):
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


class LecunTanh(Activation):
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

    def transcend(self, z: np.ndarray, e: np.ndarray) -> None:
        np.multiply(z, 2 / 3, out=e)
        np.tanh(e, out=e)

    @staticmethod
    def value(z, e, c):
        a, _ = c
        return a * e

    @staticmethod
    def slope(z, y, e, c):
        _, steepest = c
        return steepest * (1 - e * e)


class Lif(Activation):
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

    def transcend(self, z: np.ndarray, e: np.ndarray) -> None:
        from scipy.special import log_expit

        np.subtract(1, z, out=e)
        e /= self.gamma
        log_expit(e, out=e)  # -ln(1 + exp((z-1)/γ))
        e *= -self.gamma
        np.maximum(e, 1e-30, out=e)
        np.reciprocal(e, out=e)
        np.log1p(e, out=e)

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


def exp_minus_abs(z: np.ndarray, e: np.ndarray) -> None:
    """e = exp(-|z|), in (0, 1]: the exponential that cannot overflow."""
    np.abs(z, out=e)
    np.negative(e, out=e)
    np.exp(e, out=e)
