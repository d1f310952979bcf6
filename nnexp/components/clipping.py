"""Clipping: a limit on the gradient, applied before penalties and the optimizer see it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

import numpy as np
from pydantic import Field

from nnexp.components.base import Component, Positive


class Clipping(Component, family="clip"):
    """A limit on the gradient of the loss. Penalties are added behind it, as PyTorch's weight decay is."""

    @abstractmethod
    def limit(self, g: np.ndarray) -> None:
        """Limit the gradient g, shape (D,), in place. NaN and infinities stay to be seen."""


class NormClipping(Clipping):
    """Scale the whole gradient down where its length is above a maximum; its direction stays.

        g ← g min(1, max / (‖g‖ + 1e-6))

    A remedy for exploding gradients: a cliff in the loss throws the parameters `max` times lr away, not further.

    Source: R. Pascanu, T. Mikolov and Y. Bengio 2013, ICML; PyTorch's clip_grad_norm_.

    Differs: Keras's `clipnorm` limits each variable by itself; its `global_clipnorm` is this one, without 1e-6.

        >>> g = np.array([3.0, 4.0])
        >>> NormClipping(max=1.0).limit(g)
        >>> g.round(6).tolist()
        [0.6, 0.8]
    """

    name: Literal["norm"] = "norm"
    max: Positive = Field(1.0, description="the largest length ‖g‖ of the gradient of all parameters")

    def limit(self, g: np.ndarray) -> None:
        length = float(np.sqrt(np.dot(g, g)))
        scale = self.max / (length + 1e-6)
        if not scale >= 1:  # also where the length is NaN
            g *= g.dtype.type(scale)


class ValueClipping(Clipping):
    """Cut each coordinate of the gradient off at a maximum; its direction changes.

        g ← min(max(g, -max), max)

    Source: T. Mikolov 2012, PhD thesis (Brno); PyTorch's clip_grad_value_.

    Differs: in PyTorch and here an infinite coordinate becomes the maximum, NaN stays NaN.

        >>> g = np.array([3.0, -0.2])
        >>> ValueClipping(max=0.5).limit(g)
        >>> g.tolist()
        [0.5, -0.2]
    """

    name: Literal["value"] = "value"
    max: Positive = Field(0.5, description="the largest size of a coordinate")

    def limit(self, g: np.ndarray) -> None:
        np.clip(g, -self.max, self.max, out=g)
