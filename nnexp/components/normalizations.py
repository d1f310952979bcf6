"""Normalizations: layers that bring their inputs to mean 0 and variance 1 and then let γ and β choose anew.

x̂ = (x - mean) r with r = 1/√(variance + ε), y = γ x̂ + β. What differs is over what mean and variance are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import Field

from nnexp.components.base import Component, Fraction, Positive


class Normalization(Component, family="normalization"):
    """What stands between a layer's linear part and its activation to keep its inputs in range."""

    normalizes: ClassVar[bool] = True
    """Whether the network gets a layer for it at all."""
    over: ClassVar[Literal["batch", "features"]]
    """The axis of x (B, O) over which mean and variance are taken."""
    standard: ClassVar[Callable[..., Any]]
    """(x, mean, r) -> x̂."""
    backward: ClassVar[Callable[..., Any]]
    """(h, mean_h, x̂, mean_hx, r) -> dloss/dx, with h = γ dloss/dy."""


class NoNormalization(Normalization):
    """No normalization layers.

        y = x

    Source: none; the network as it is.

        >>> NoNormalization.normalizes
        False
    """

    name: Literal["none"] = "none"
    normalizes: ClassVar = False


class StandardizingNormalization(Normalization):
    """Subtract a mean and divide by a standard deviation; the gradient goes through both."""

    eps: Positive = Field(1e-5, description="ε, added to the variance inside the root")
    where: Literal["before", "after"] = Field("before", description="before or after the activation")

    @staticmethod
    def standard(x, mean, r):
        return (x - mean) * r

    @staticmethod
    def backward(h, mean_h, x̂, mean_hx, r):
        return r * (h - mean_h - x̂ * mean_hx)


class BatchNormalization(StandardizingNormalization):
    """Standardize each unit over the batch; in evaluation with running statistics.

        x̂ = (x - mean_B) / √(var_B + ε),   y = γ x̂ + β,   var_B biased (1/B)
        running ← running + momentum (batch - running), with the unbiased variance (1/(B - 1))
        dx = r (h - mean_B(h) - x̂ mean_B(h x̂)),   h = γ dy,   r = 1/√(var_B + ε)

    The layer below loses its bias: the mean would take it away again.

    Source: S. Ioffe and C. Szegedy 2015, ICML; the running statistics as in PyTorch's BatchNorm1d.

    Differs: momentum is the new value's weight, as in PyTorch (Keras's 0.99 is the old value's weight, here 0.01).
    Keras has ε 1e-3 and updates with the biased variance.

        >>> float(BatchNormalization.standard(3.0, 1.0, 0.5))
        1.0
    """

    name: Literal["batch"] = "batch"
    over: ClassVar = "batch"
    momentum: Fraction = Field(0.1, description="weight of the new batch in the running statistics")


class LayerNormalization(StandardizingNormalization):
    """Standardize each example over the layer's units; training and evaluation are the same.

        x̂ = (x - mean_O) / √(var_O + ε),   y = γ x̂ + β,   var_O biased (1/O)
        dx = r (h - mean_O(h) - x̂ mean_O(h x̂)),   h = γ dy,   r = 1/√(var_O + ε)

    Source: J. Ba, J. Kiros and G. Hinton 2016, arXiv 1607.06450; PyTorch's LayerNorm.

        >>> float(LayerNormalization.standard(3.0, 1.0, 0.5))
        1.0
    """

    name: Literal["layer"] = "layer"
    over: ClassVar = "features"
