"""Normalizations: layers that bring their inputs to a common size, so that γ and β choose it anew.

x̂ = (x - mean) r with r = 1/√(variance + ε), y = γ x̂ + β. What differs is over what mean and variance are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import Field

from nnexp.components.base import Component, Count, Fraction, Positive, default
from nnexp.errors import Misfit


class Normalization(Component, family="normalization"):
    """What stands at each hidden layer to keep its signals in range."""


class NoNormalization(Normalization):
    """No normalization.

        y = x

    Source: none; the network as it is.

        >>> NoNormalization().name
        'none'
    """

    name: Literal["none"] = "none"


class WeightNormalization(Normalization):
    """Separate the length of each hidden unit's weight vector from its direction, and learn both.

        w = g v / ‖v‖,   g starts at ‖v‖
        dg = dw·v / ‖v‖,   dv = g/‖v‖ (dw - dg v/‖v‖)

    v is drawn as the weights otherwise are; ‖v‖ only grows, which lowers v's effective rate. A v of zero gives weights
    of zero and stays.

    Source: T. Salimans and D. Kingma 2016, NIPS; PyTorch's weight_norm.

    Differs: the paper sets g and the bias from a first batch so that the outputs have mean 0 and variance 1; here, as
    in PyTorch, the weights start as they are drawn (initialization `lsuv` does the former). Penalties act on v.

        >>> WeightNormalization().name
        'weight'
    """

    name: Literal["weight"] = "weight"


class StandardizingNormalization(Normalization):
    """A layer that divides by a standard deviation, or a root mean square; the gradient goes through it."""

    over: ClassVar[Literal["batch", "features"]]
    """The axis of x (B, O) over which mean and variance are taken."""
    centred: ClassVar[bool] = False
    """Whether the mean is subtracted, and β added; without it, the mean square takes the variance's place."""
    standard: ClassVar[Callable[..., Any]]
    """(x, mean, r) -> x̂."""
    backward: ClassVar[Callable[..., Any]]
    """(h, mean_h, x̂, mean_hx, r) -> dloss/dx, with h = γ dloss/dy."""

    eps: Positive = Field(1e-5, description="ε, added to the variance inside the root")
    where: Literal["before", "after"] = Field("before", description="before or after the activation")

    @default
    def groups_of(self, width: int) -> int:
        """Into how many groups the features of a layer are cut. Raises Misfit where they do not fit its width."""
        return 1


class CentredNormalization(StandardizingNormalization):
    """One that subtracts the mean, too."""

    centred: ClassVar = True

    @staticmethod
    def standard(x, mean, r):
        return (x - mean) * r

    @staticmethod
    def backward(h, mean_h, x̂, mean_hx, r):
        return r * (h - mean_h - x̂ * mean_hx)


class BatchNormalization(CentredNormalization):
    """Standardize each unit over the batch; in evaluation with running statistics.

        x̂ = (x - mean_B) / √(var_B + ε),   y = γ x̂ + β,   var_B biased (1/B)
        running ← running + momentum (batch - running), with the unbiased variance (1/(B - 1))
        dx = r (h - mean_B(h) - x̂ mean_B(h x̂)),   h = γ dy,   r = 1/√(var_B + ε)

    Right in front of it a layer has no bias: the mean would take it away again. With `evaluate: batch` evaluation
    takes mean and variance of the whole split that is evaluated.

    Source: S. Ioffe and C. Szegedy 2015, ICML; the running statistics as in PyTorch's BatchNorm1d.

    Differs: momentum is the new value's weight, as in PyTorch (Keras's 0.99 is the old value's weight, here 0.01).
    Keras has ε 1e-3 and keeps the biased variance (`dialect: keras`).

        >>> float(BatchNormalization.standard(3.0, 1.0, 0.5))
        1.0
    """

    name: Literal["batch"] = "batch"
    over: ClassVar = "batch"
    dialects: ClassVar = {"keras": {"eps": 1e-3, "momentum": 0.01}}
    momentum: Fraction = Field(0.1, description="weight of the new batch in the running statistics")
    evaluate: Literal["running", "batch"] = Field(
        "running", description="statistics in evaluation: the running ones, or those of what is evaluated"
    )
    dialect: Literal["pytorch", "keras"] = Field("pytorch", description="running variance unbiased, or biased")

    def running_share(self, rows: int) -> float:
        """What the variance of a batch of B rows is multiplied by for the running variance."""
        return rows / (rows - 1) if self.dialect == "pytorch" else 1.0


class LayerNormalization(CentredNormalization):
    """Standardize each example over the layer's units; training and evaluation are the same.

        x̂ = (x - mean_O) / √(var_O + ε),   y = γ x̂ + β,   var_O biased (1/O)
        dx = r (h - mean_O(h) - x̂ mean_O(h x̂)),   h = γ dy,   r = 1/√(var_O + ε)

    Source: J. Ba, J. Kiros and G. Hinton 2016, arXiv 1607.06450; PyTorch's LayerNorm.

        >>> float(LayerNormalization.standard(3.0, 1.0, 0.5))
        1.0
    """

    name: Literal["layer"] = "layer"
    over: ClassVar = "features"


class GroupNormalization(CentredNormalization):
    """Standardize each example over groups of neighbouring units: layer normalization within each group.

        x̂ = (x - mean_G) / √(var_G + ε),   y = γ x̂ + β,   var_G biased, G the units of a group
        dx = r (h - mean_G(h) - x̂ mean_G(h x̂)),   h = γ dy,   r = 1/√(var_G + ε)

    Source: Y. Wu and K. He 2018, ECCV; PyTorch's GroupNorm.

        >>> GroupNormalization(groups=4).groups_of(12)
        4
    """

    name: Literal["group"] = "group"
    over: ClassVar = "features"
    groups: Count = Field(2, description="groups of units; must divide the width of each hidden layer")

    def groups_of(self, width: int) -> int:
        if width % self.groups:
            raise Misfit(
                "normalization.groups", f"{self.groups} groups do not divide a layer of {width} units into equal parts"
            )
        return self.groups


class RmsNormalization(StandardizingNormalization):
    """Divide each example by the root mean square of the layer's units; no mean is subtracted, and there is no β.

        x̂ = x / √(mean_O(x²) + ε),   y = γ x̂
        dx = r (h - x̂ mean_O(h x̂)),   h = γ dy,   r = 1/√(mean_O(x²) + ε)

    Source: B. Zhang and R. Sennrich 2019, NeurIPS; PyTorch's RMSNorm.

    Differs: PyTorch's ε is the precision's own (2.2e-16 in float64) where none is given; here it is 1e-5.

        >>> float(RmsNormalization.standard(3.0, 0.0, 0.5))
        1.5
    """

    name: Literal["rms"] = "rms"
    over: ClassVar = "features"

    @staticmethod
    def standard(x, mean, r):
        return x * r

    @staticmethod
    def backward(h, mean_h, x̂, mean_hx, r):
        return r * (h - x̂ * mean_hx)
