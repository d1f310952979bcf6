"""Activations that let positive pre-activations pass and hold negative ones back: relu and its variants."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from nnexp.components.activations.base import Call, ElementwiseActivation, exp_minus_abs
from nnexp.components.base import Positive, select


class Relu(ElementwiseActivation):
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


class LeakyRelu(ElementwiseActivation):
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


class Relu6(ElementwiseActivation):
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


class Prelu(ElementwiseActivation):
    """A leaky relu that learns its slope for negative pre-activations.

        y = z if z > 0 else a z,   a starts at `start`
        y' = 1 if z > 0 else a
        dy/da = min(z, 0)

    a is trained with the weights, without weight decay (unless a penalty is `on: all`).

    Source: K. He, X. Zhang, S. Ren and J. Sun 2015, ICCV; PyTorch's PReLU.

    Differs: Keras starts at 0 and learns one slope for each unit; this is PyTorch's 0.25, one for the layer.

        >>> [float(Prelu.value(z, None, (0.25,))) for z in (-2.0, 3.0)]
        [-0.5, 3.0]
        >>> float(Prelu.slope_by(-2.0, None, None, (0.25,)))
        -2.0
    """

    name: Literal["prelu"] = "prelu"
    slope_reads: ClassVar = frozenset("z")
    start: float = Field(0.25, description="a at the start")
    per: Literal["layer", "unit"] = Field("layer", description="one slope for the layer, or one for each unit")

    @property
    def learned(self) -> Literal["layer", "unit"]:
        return self.per

    def coefficients(self) -> tuple[float, ...]:
        return (self.start,)

    @staticmethod
    def value(z, e, c):
        (a,) = c
        return select(z > 0, z, a * z)

    @staticmethod
    def slope(z, y, e, c):
        (a,) = c
        return select(z > 0, 1, a)

    @staticmethod
    def slope_by(z, y, e, c):
        return select(z > 0, 0, z)


class NoisyRelu(ElementwiseActivation):
    """A relu of a pre-activation with noise, whose variance is the pre-activation's sigmoid; in training only.

        y = max(x, 0),   x = z + n √s,   s = sigmoid(z),   n ~ N(0, 1)
        dy/dz = (1 + n √s (1 - s) / 2) if x > 0 else 0

    A unit far above zero is nearly exact, one far below stays silent, one near zero is uncertain: it approximates a
    sum of binary units with shifted biases. Evaluation is without noise.

    Source: V. Nair and G. Hinton 2010, ICML, section 2: the sigmoid is the variance, not the standard deviation.

    Differs: the gradient goes through the noise's size, too; implementations that hold the noise constant leave its
    second term out.

        >>> round(float(NoisyRelu.spread(0.0)) ** 2, 6)
        0.5
        >>> float(NoisyRelu.value(-1.0, None, ()))
        0.0
    """

    name: Literal["noisy_relu"] = "noisy_relu"

    @staticmethod
    def value(z, e, c):
        return select(z <= 0, 0, z)

    @staticmethod
    def slope(z, y, e, c):
        return y > 0

    @staticmethod
    def spread(z):
        e = np.exp(-np.abs(z))
        return np.sqrt(select(z >= 0, 1, e) / (1 + e))

    @staticmethod
    def spread_slope(z):
        e = np.exp(-np.abs(z))
        s = select(z >= 0, 1, e) / (1 + e)
        return np.sqrt(s) * (1 - s) / 2


class Elu(ElementwiseActivation):
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

    def exponentials(self, z: np.ndarray, e: np.ndarray) -> list[Call]:
        return [(np.minimum, z, 0, e), (np.expm1, e, e)]

    @staticmethod
    def value(z, e, c):
        (α,) = c
        return select(z > 0, z, α * e)

    @staticmethod
    def slope(z, y, e, c):
        (α,) = c
        return select(y > 0, 1, y + α)


class Selu(ElementwiseActivation):
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

    def exponentials(self, z: np.ndarray, e: np.ndarray) -> list[Call]:
        return [(np.minimum, z, 0, e), (np.expm1, e, e)]

    @staticmethod
    def value(z, e, c):
        λ, λα = c
        return select(z > 0, λ * z, λα * e)

    @staticmethod
    def slope(z, y, e, c):
        λ, λα = c
        return select(y > 0, λ, y + λα)


class Celu(ElementwiseActivation):
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

    def exponentials(self, z: np.ndarray, e: np.ndarray) -> list[Call]:
        return [(np.minimum, z, 0, e), (np.divide, e, self.alpha, e), (np.expm1, e, e)]

    @staticmethod
    def value(z, e, c):
        (α,) = c
        return select(z > 0, z, α * e)

    @staticmethod
    def slope(z, y, e, c):
        (α,) = c
        return select(y > 0, 1, y / α + 1)


class Softplus(ElementwiseActivation):
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

    def exponentials(self, z: np.ndarray, e: np.ndarray) -> list[Call]:
        return exp_minus_abs(z, e)

    @staticmethod
    def value(z, e, c):
        return select(z <= 0, 0, z) + np.log1p(e)

    @staticmethod
    def slope(z, y, e, c):
        return select(z >= 0, 1, e) / (1 + e)
