"""Architectures: how many layers of how many units stand between inputs and outputs."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from nnexp.components.base import Component, Count, Sizes


class Architecture(Component, family="architecture"):
    """The shape of the network."""

    @abstractmethod
    def widths(self) -> tuple[int, ...]:
        """The numbers of units of the hidden layers, from input to output."""


class LinearModel(Architecture):
    """Inputs straight to outputs: linear or, with a classification loss, logistic regression.

        z = x W + b

    Source: A.-M. Legendre 1805; D. Cox 1958.

        >>> LinearModel().widths()
        ()
    """

    name: Literal["linear"] = "linear"

    def widths(self) -> tuple[int, ...]:
        return ()


class Mlp(Architecture):
    """A multi-layer perceptron: fully connected hidden layers, each followed by the activation.

        h₀ = x,   hₗ = f(hₗ₋₁ Wₗ + bₗ),   z = h_L W + b

    Give the widths as `hidden: [64, 32]`, or `width` and `depth` for layers of one width.

    Source: D. Rumelhart, G. Hinton and R. Williams 1986, Nature 323.

        >>> Mlp(hidden=[64, 32]).widths(), Mlp(width=8, depth=3).widths()
        ((64, 32), (8, 8, 8))
    """

    alternatives: ClassVar = (("hidden",), ("width", "depth"))

    name: Literal["mlp"] = "mlp"
    hidden: Sizes | None = Field(None, description="widths of the hidden layers; [32] where nothing is given")
    width: Count | None = Field(None, description="units of every hidden layer, with `depth`")
    depth: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="number of hidden layers, with `width`"
    )

    @model_validator(mode="before")
    @classmethod
    def _one_way_to_say_it(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given = {key for key in ("hidden", "width", "depth") if data.get(key) is not None}
        if "hidden" in given and len(given) > 1:
            raise ValueError("give either 'hidden' or 'width' and 'depth', not both")
        if len(given & {"width", "depth"}) == 1:
            raise ValueError("'width' and 'depth' go together")
        return data if given else {**data, "hidden": (32,)}

    def widths(self) -> tuple[int, ...]:
        if self.hidden is not None:
            return self.hidden
        assert self.width is not None
        assert self.depth is not None
        return (self.width,) * self.depth
