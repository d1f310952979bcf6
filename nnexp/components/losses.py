"""Losses: how far the network's outputs are from the targets, and the gradient to begin with.

z is the network's output, shape (B, O); t the target. A loss is a mean, so its gradient is already divided by its
number of terms. Softmax and sigmoid belong to the loss: the network ends in logits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from nnexp.components.base import Component, select
from nnexp.errors import Misfit


class Loss(Component, family="loss"):
    """What training makes small."""

    def outputs(self, classes: int | None) -> int:
        """How many outputs O the network needs for `classes` classes, or for one real target (None).

        Raises Misfit where the loss does not fit the target.
        """
        return 1 if classes is None else classes

    def encode(self, t: np.ndarray, classes: int | None, dtype: np.dtype) -> np.ndarray:
        """Targets (N,) as the mathematics wants them: (N, O) numbers, or (N,) class indices."""
        if classes is None:
            return t.astype(dtype).reshape(-1, 1)
        return np.eye(classes, dtype=dtype)[t]

    def decide(self, z: np.ndarray) -> np.ndarray:
        """The class (N,) that the outputs z (N, O) speak for; the first one in a tie."""
        return z.argmax(axis=1)


class ElementwiseLoss(Loss):
    """A mean over all B x O elements, as PyTorch's `reduction="mean"`."""

    value: ClassVar[Callable[..., Any]]
    """(z, t) -> the element's loss."""
    slope: ClassVar[Callable[..., Any]]
    """(z, t) -> its derivative by z."""


class SoftmaxLoss(Loss):
    """A mean over the examples of a function of p = softmax(z) and the target's class.

    With s = z_target - max z and total = Σ exp(z - max z), the probability of the target is exp(s) / total.
    """

    value: ClassVar[Callable[..., Any]]
    """(s, total) -> the example's loss."""
    slope: ClassVar[Callable[..., Any]]
    """(p, hit) -> its derivative by one logit; hit is 1 at the target's logit, else 0."""

    def outputs(self, classes: int | None) -> int:
        if classes is None:
            raise Misfit("loss", f"{self.label()} needs classes as targets, but this target is real-valued; try mse")
        return classes

    def encode(self, t: np.ndarray, classes: int | None, dtype: np.dtype) -> np.ndarray:
        return t.astype(np.int64)


class CrossEntropy(SoftmaxLoss):
    """The surprise at the right class under the softmax of the logits.

        loss = -ln p_target = ln total - s
        dloss/dz = p - [class = target],   p = softmax(z)

    At the start it is near ln C. Computed from logits by log-sum-exp, so nothing overflows.

    Source: C. Shannon 1948; with softmax J. Bridle 1990, NIPS.

        >>> round(float(CrossEntropy.value(0.0, 10.0)), 6)
        2.302585
    """

    name: Literal["cross_entropy"] = "cross_entropy"

    @staticmethod
    def value(s, total):
        return np.log(total) - s

    @staticmethod
    def slope(p, hit):
        return p - hit


class BinaryCrossEntropy(ElementwiseLoss):
    """The surprise at the right one of two classes under the sigmoid of one logit.

        loss = max(z, 0) - z t + ln(1 + exp(-|z|))
        dloss/dz = sigmoid(z) - t

    At the start it is near ln 2. The same as cross-entropy with two logits whose difference is z.

    Source: D. Cox 1958, JRSS B 20; PyTorch's BCEWithLogitsLoss.

        >>> round(float(BinaryCrossEntropy.value(0.0, 1.0)), 6)
        0.693147
        >>> float(BinaryCrossEntropy.slope(0.0, 1.0))
        -0.5
    """

    name: Literal["binary_cross_entropy"] = "binary_cross_entropy"
    aliases: ClassVar = ("bce",)

    def outputs(self, classes: int | None) -> int:
        if classes != 2:
            found = "is real-valued; try mse" if classes is None else f"has {classes}; try cross_entropy"
            raise Misfit("loss", f"{self.label()} needs two classes, but this target {found}")
        return 1

    def encode(self, t: np.ndarray, classes: int | None, dtype: np.dtype) -> np.ndarray:
        return t.astype(dtype).reshape(-1, 1)

    def decide(self, z: np.ndarray) -> np.ndarray:
        return (z[:, 0] > 0).astype(np.int64)

    @staticmethod
    def value(z, t):
        return select(z <= 0, 0, z) - z * t + np.log1p(np.exp(-np.abs(z)))

    @staticmethod
    def slope(z, t):
        e = np.exp(-np.abs(z))
        return select(z >= 0, 1, e) / (1 + e) - t


class Mse(ElementwiseLoss):
    """The mean squared error.

        loss = (z - t)²
        dloss/dz = 2 (z - t)

    With classes as targets, t is one-hot.

    Source: A.-M. Legendre 1805; C. F. Gauss 1809.

    Differs: as in PyTorch and Keras the mean is over all elements and there is no ½; scikit-learn has ½.

        >>> float(Mse.value(3.0, 1.0)), float(Mse.slope(3.0, 1.0))
        (4.0, 4.0)
    """

    name: Literal["mse"] = "mse"
    aliases: ClassVar = ("squared_error",)

    @staticmethod
    def value(z, t):
        return (z - t) * (z - t)

    @staticmethod
    def slope(z, t):
        return 2 * (z - t)


class Mae(ElementwiseLoss):
    """The mean absolute error: outliers pull no harder than other examples.

        loss = |z - t|
        dloss/dz = sign(z - t),   0 at z = t

    With classes as targets, t is one-hot.

    Source: P.-S. Laplace 1774; PyTorch's L1Loss.

        >>> float(Mae.value(1.0, 3.0)), float(Mae.slope(1.0, 3.0))
        (2.0, -1.0)
    """

    name: Literal["mae"] = "mae"
    aliases: ClassVar = ("absolute_error",)

    @staticmethod
    def value(z, t):
        return np.abs(z - t)

    @staticmethod
    def slope(z, t):
        return np.sign(z - t)
