"""Schedules: how the learning rate changes while training goes on.

Closed forms: the rate is `lr` times `factor(done, total)`, where `done` counts the finished epochs (or updates, with
`per: step`) and `total` is their planned number. The first update always uses the base rate.
"""

from __future__ import annotations

from abc import abstractmethod
from math import cos, pi
from typing import Literal

from pydantic import Field

from nnexp.components.base import Component, Count, Fraction, Positive


class Schedule(Component, family="schedule"):
    """A factor on the learning rate."""

    per: Literal["epoch", "step"] = Field("epoch", description="what is counted: finished epochs or updates")

    @abstractmethod
    def factor(self, done: int, total: int) -> float:
        """The factor after `done` of `total` epochs or updates."""


class ConstantSchedule(Schedule):
    """The same learning rate throughout.

        factor = 1

    Source: none.

        >>> ConstantSchedule().factor(5, 10)
        1.0
    """

    name: Literal["constant"] = "constant"

    def factor(self, done: int, total: int) -> float:
        return 1.0


class StepSchedule(Schedule):
    """Multiply the learning rate by γ every `size` epochs.

        factor = γ^⌊done / size⌋

    Source: PyTorch's StepLR.

        >>> [StepSchedule(size=10, gamma=0.5).factor(done, 30) for done in (9, 10, 20)]
        [1.0, 0.5, 0.25]
    """

    name: Literal["step"] = "step"
    size: Count = Field(10, description="epochs (or updates) between two cuts")
    gamma: Positive = Field(0.1, description="γ, the factor of each cut")

    def factor(self, done: int, total: int) -> float:
        return self.gamma ** (done // self.size)


class CosineSchedule(Schedule):
    """Let the learning rate fall along half a cosine.

        factor = final + (1 - final) (1 + cos(π done / T)) / 2,   T = total

    The last update is one count before T, so its rate is a little above `final`.

    Source: I. Loshchilov and F. Hutter 2017, ICLR (SGDR, without restarts); PyTorch's CosineAnnealingLR.

    Differs: PyTorch's recursion is the same up to T; beyond T (`length` shorter than the run) it rises again, this
    one stays at `final`.

        >>> [CosineSchedule().factor(done, 10) for done in (0, 5, 10)]
        [1.0, 0.5, 0.0]
    """

    name: Literal["cosine"] = "cosine"
    final: Fraction = Field(0.0, description="the factor at the end")
    length: Count | None = Field(None, description="T, where the fall ends; null: at the end of the run")

    def factor(self, done: int, total: int) -> float:
        T = self.length or total
        return self.final + (1 - self.final) * (1 + cos(pi * min(done / T, 1.0))) / 2
