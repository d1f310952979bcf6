"""Activations: the elementwise functions between the layers, with their derivatives.

z is the pre-activation, y = f(z) the output. Exponentials are computed by NumPy's vectorised functions into e
(`transcend`); the rest is scalar arithmetic (`value`, `slope`) that the engine runs on whole arrays or fuses.
At a kink the derivative is 0, as in PyTorch's relu.
"""

from __future__ import annotations

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


def exp_minus_abs(z: np.ndarray, e: np.ndarray) -> None:
    """e = exp(-|z|), in (0, 1]: the exponential that cannot overflow."""
    np.abs(z, out=e)
    np.negative(e, out=e)
    np.exp(e, out=e)
