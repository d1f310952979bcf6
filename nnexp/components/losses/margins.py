"""Losses of margins: by how much the right class is ahead."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from nnexp.components.base import select
from nnexp.components.losses.base import (
    MarginLoss,
)


class Hinge(MarginLoss):
    """How far wrong classes are inside the margin of 1 that the right one must keep.

        loss = max(0, m), squared max(0, m)²
        dloss/dm = 1 where m > 0, else 0; squared 2 max(0, m)

    Two classes: one output s, and m = 1 - y s with y = 1 or -1. More: the sum over the wrong classes j, with
    m = 1 - z_target + z_j. At the start it is near C - 1. What is right by more than the margin has no gradient.

    Source: C. Cortes and V. Vapnik 1995, Machine Learning 20; for more classes J. Weston and C. Watkins 1999, ESANN.

    Differs: PyTorch's multi_margin_loss divides the sum by C; Crammer and Singer (2001), as Keras's
    CategoricalHinge, take the largest term in place of the sum.

        >>> float(Hinge.value(1.5, (1.0, 0.0))), float(Hinge.value(1.5, (0.0, 1.0)))
        (1.5, 2.25)
        >>> float(Hinge.slope(1.5, (1.0, 0.0))), float(Hinge.slope(1.5, (0.0, 1.0)))
        (1.0, 3.0)
    """

    name: Literal["hinge"] = "hinge"
    squared: bool = Field(False, description="whether each margin's loss is squared")

    def coefficients(self) -> tuple[float, ...]:
        return (0.0, 1.0) if self.squared else (1.0, 0.0)

    @staticmethod
    def value(m, c):
        linear, square = c
        r = select(m <= 0, 0, m)
        return r * (linear + square * r)

    @staticmethod
    def slope(m, c):
        linear, square = c
        r = select(m <= 0, 0, m)
        return np.sign(r) * (linear + 2 * square * r)
