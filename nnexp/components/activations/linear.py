"""The identity: no activation at all."""

from __future__ import annotations

from typing import ClassVar, Literal

from nnexp.components.activations.base import ElementwiseActivation


class Linear(ElementwiseActivation):
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
