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

    @property
    def shortcut(self) -> int | None:
        """How many hidden layers a residual connection skips; None where there is none."""
        return None


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

    Give the widths as `hidden: [64, 32]`, or `width` and `depth` for layers of one width. With `residual: k` what
    leaves a layer is added to what leaves the layer k further on, from the first hidden layer on:

        h_{l+k} ← h_{l+k} + h_l,   l = 1, 1 + k, 1 + 2k, ...

    Source: D. Rumelhart, G. Hinton and R. Williams 1986, Nature 323; residual: K. He, X. Zhang, S. Ren and J. Sun 2016,
    CVPR, with a shortcut that nothing stands on, as in the same authors' ECCV paper of that year.

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

    residual: Count | None = Field(None, description="hidden layers that each shortcut skips; null: no shortcuts")

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

    @model_validator(mode="after")
    def _shortcuts_fit(self) -> Mlp:
        if self.residual is None:
            return self
        ends = self.widths()[:: self.residual]
        if len(ends) < 2:
            raise ValueError(
                f"residual: a shortcut over {self.residual} needs at least {self.residual + 1} hidden layers, found "
                f"{len(self.widths())}"
            )
        if len(set(ends)) > 1:
            raise ValueError(f"residual: layers that a shortcut joins must be of one width, found {list(ends)}")
        return self

    @property
    def shortcut(self) -> int | None:
        return self.residual

    def widths(self) -> tuple[int, ...]:
        if self.hidden is not None:
            return self.hidden
        assert self.width is not None
        assert self.depth is not None
        return (self.width,) * self.depth
