"""Losses of numbers: how far each output is from its target."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from nnexp.components.base import Positive, select
from nnexp.components.losses.base import (
    ElementwiseLoss,
    needs_a_real_target,
)
from nnexp.errors import Misfit


class Mse(ElementwiseLoss):
    """The mean squared error.

        loss = (y - t)²,   y = z, or softmax(z), or sigmoid(z)
        dloss/dy = 2 (y - t)

    With classes as targets, t is one-hot. `output` says what y is; softmax and sigmoid need classes. Behind them the
    gradient vanishes where y is near 0 or 1, right or wrong: a confident mistake is not unlearned.

    Source: A.-M. Legendre 1805; C. F. Gauss 1809.

    Differs: as in PyTorch and Keras the mean is over all elements and there is no ½; scikit-learn has ½.

        >>> float(Mse.value(3.0, 1.0, ())), float(Mse.slope(3.0, 1.0, ()))
        (4.0, 4.0)
    """

    name: Literal["mse"] = "mse"
    aliases: ClassVar = ("squared_error",)
    output: Literal["linear", "softmax", "sigmoid"] = Field("linear", description="what of the outputs is compared")

    def outputs(self, classes: int | None) -> int:
        if self.output != "linear" and classes is None:
            found = "but this target is real-valued; try mse"
            raise Misfit("loss", f"mse of a {self.output} needs classes as targets, {found}")
        return 1 if classes is None else classes

    def through(self) -> Literal["linear", "softmax", "sigmoid"]:
        return self.output

    @staticmethod
    def value(z, t, c):
        return (z - t) * (z - t)

    @staticmethod
    def slope(z, t, c):
        return 2 * (z - t)


class Mae(ElementwiseLoss):
    """The mean absolute error: outliers pull no harder than other examples.

        loss = |z - t|
        dloss/dz = sign(z - t),   0 at z = t

    With classes as targets, t is one-hot.

    Source: P.-S. Laplace 1774; PyTorch's L1Loss.

        >>> float(Mae.value(1.0, 3.0, ())), float(Mae.slope(1.0, 3.0, ()))
        (2.0, -1.0)
    """

    name: Literal["mae"] = "mae"
    aliases: ClassVar = ("absolute_error",)

    @staticmethod
    def value(z, t, c):
        return np.abs(z - t)

    @staticmethod
    def slope(z, t, c):
        return np.sign(z - t)


class Huber(ElementwiseLoss):
    """The squared error of small errors, the absolute error of large ones.

        d = z - t,   h = d if |d| <= δ else δ sign(d)
        loss = h (d - h/2)
        dloss/dz = h

    That is d²/2 up to δ and δ (|d| - δ/2) beyond: an outlier pulls with δ at most. With classes as targets, t is
    one-hot.

    Source: P. Huber 1964, Annals of Mathematical Statistics 35.

    Differs: PyTorch's smooth_l1_loss divides it by δ (there β).

        >>> float(Huber.value(0.5, 0.0, (1.0,))), float(Huber.value(3.0, 0.0, (1.0,)))
        (0.125, 2.5)
    """

    name: Literal["huber"] = "huber"
    delta: Positive = Field(1.0, description="δ, the error where squared becomes absolute")

    def coefficients(self) -> tuple[float, ...]:
        return (self.delta,)

    @staticmethod
    def value(z, t, c):
        (δ,) = c
        d = z - t
        h = select(np.abs(d) <= δ, d, δ * np.sign(d))
        return h * (d - h / 2)

    @staticmethod
    def slope(z, t, c):
        (δ,) = c
        d = z - t
        return select(np.abs(d) <= δ, d, δ * np.sign(d))


class LogCosh(ElementwiseLoss):
    """The logarithm of the error's cosh: smooth everywhere, d²/2 for small errors and |d| - ln 2 for large ones.

        d = z - t
        loss = ln cosh d = |d| + ln(1 + (exp(-2|d|) - 1) / 2)
        dloss/dz = tanh d

    With classes as targets, t is one-hot.

    Source: P. Green 1990, IEEE Transactions on Medical Imaging 9; Keras's LogCosh.

        >>> round(float(LogCosh.value(1.0, 0.0, ())), 6), round(float(LogCosh.slope(1.0, 0.0, ())), 6)
        (0.433781, 0.761594)
    """

    name: Literal["log_cosh"] = "log_cosh"

    @staticmethod
    def value(z, t, c):
        d = np.abs(z - t)
        return d + np.log1p(np.expm1(-2 * d) / 2)

    @staticmethod
    def slope(z, t, c):
        return np.tanh(z - t)


class Quantile(ElementwiseLoss):
    """The pinball loss: its best constant is a quantile of the targets, not their mean.

        d = z - t
        loss = (1 - τ) d where d > 0, else -τ d
        dloss/dz = 1 - τ where d > 0, -τ where d < 0, 0 at d = 0

    For a `level` τ of 0.9, predicting too little costs nine times as much as too much. τ = 0.5 is half of mae.

    Source: R. Koenker and G. Bassett 1978, Econometrica 46.

        >>> float(Quantile.value(1.0, 3.0, (0.25, 0.75))), float(Quantile.value(3.0, 1.0, (0.25, 0.75)))
        (1.5, 0.5)
    """

    name: Literal["quantile"] = "quantile"
    aliases: ClassVar = ("pinball",)
    level: float = Field(0.5, gt=0, lt=1, description="τ, the share of targets that are to lie below the prediction")

    def outputs(self, classes: int | None) -> int:
        return needs_a_real_target(self, classes)

    def coefficients(self) -> tuple[float, ...]:
        return 1 - self.level, self.level

    @staticmethod
    def value(z, t, c):
        above, below = c
        d = z - t
        return np.abs(d) * select(d > 0, above, below)

    @staticmethod
    def slope(z, t, c):
        above, below = c
        d = z - t
        return np.sign(d) * select(d > 0, above, below)


class Poisson(ElementwiseLoss):
    """The surprise at a count whose rate is exp(z).

        loss = exp(z) - t z
        dloss/dz = exp(z) - t

    Targets are 0 or more, and as they are: `dataset.scale_target: false`. rmse and r2 are of the rate exp(z). The term
    ln t! is left out, so it can be negative; exp(z) overflows where z is above 709 (88 in float32).

    Source: J. Nelder and R. Wedderburn 1972, JRSS A 135; PyTorch's PoissonNLLLoss.

    Differs: Keras's Poisson takes the rate itself for the output.

        >>> float(Poisson.value(0.0, 3.0, ())), float(Poisson.slope(0.0, 3.0, ()))
        (1.0, -2.0)
    """

    name: Literal["poisson"] = "poisson"
    takes_scaled: ClassVar = False

    def outputs(self, classes: int | None) -> int:
        return needs_a_real_target(self, classes)

    def examine(self, t: np.ndarray, classes: int | None) -> None:
        if t.min() < 0:
            raise Misfit("loss", f"poisson needs targets of 0 or more, but the smallest is {t.min():.6g}; try mse")

    def predict(self, z: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.exp(z[:, 0].astype(np.float64))

    @staticmethod
    def value(z, t, c):
        return np.exp(z) - t * z

    @staticmethod
    def slope(z, t, c):
        return np.exp(z) - t
