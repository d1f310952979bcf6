"""Schedules: how the learning rate changes while training goes on.

Closed forms: the rate is `lr` times `factor(done, total)`, where `done` counts the finished epochs (or updates, with
`per: step`) and `total` is their planned number. Without warm-up the first update uses the base rate, but for
one_cycle. PyTorch's definitions hold unless `Differs:` says otherwise. A schedule that watches a metric keeps a
`Memory`, whose scale is one more factor.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from math import cos, pi
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from nnexp.components.base import Component, Count, Decay, Fraction, NonNegative, Positive


@dataclass(frozen=True)
class Memory:
    """What a schedule that watches a metric knows of its past."""

    scale: float = 1.0
    """The factor on the rate so far."""
    best: float | None = None
    bad: int = 0
    """Values since the best one."""
    resting: int = 0
    """Values that are still not counted after a cut."""


class Schedule(Component, family="schedule"):
    """A factor on the learning rate."""

    only_falls: ClassVar[bool] = True
    """Whether the rate never rises again after the warm-up."""
    timed_by_warmup: ClassVar[bool] = False
    """Whether the length of the warm-up is also the unit of time of what follows."""

    per: Literal["epoch", "step"] = Field("epoch", description="what is counted: finished epochs or updates")
    warmup: Annotated[int, Field(ge=0)] = Field(
        0, description="W, counts in which the rate first rises to the base rate"
    )
    warmup_start: Fraction = Field(0.1, description="the factor of the first update, with `warmup`")

    @abstractmethod
    def shape(self, done: int, total: int) -> float:
        """The factor after `done` of `total` epochs or updates, both without the warm-up's."""

    def factor(self, done: int, total: int) -> float:
        """The factor after `done` of `total` epochs or updates: a straight line up to W, the schedule from there on."""
        if done < self.warmup:
            return self.warmup_start + (1 - self.warmup_start) * done / self.warmup
        return self.shape(done - self.warmup, max(total - self.warmup, 1))

    @property
    def watched(self) -> str | None:
        """The column of metrics.csv that the rate depends on."""
        return None

    @property
    def looks_at_end(self) -> bool:
        """Whether `total` changes any rate: then a run that has ended cannot go on with more epochs.

        A schedule that does not say so is taken to look there.
        """
        return True

    def heed(self, memory: Memory, value: float, higher_is_better: bool, lr: float) -> Memory:
        """The memory after a row with this value of the watched metric; `lr` is the base rate."""
        return memory


class ConstantSchedule(Schedule):
    """The same learning rate throughout.

        factor = 1

    Source: none; its warm-up, as every schedule's, is P. Goyal et al. 2017, arXiv 1706.02677; PyTorch's LinearLR.

        >>> ConstantSchedule().factor(5, 10)
        1.0
        >>> [round(ConstantSchedule(warmup=3).factor(done, 10), 2) for done in (0, 1, 2, 3)]
        [0.1, 0.4, 0.7, 1.0]
    """

    name: Literal["constant"] = "constant"

    @property
    def looks_at_end(self) -> bool:
        return False

    def shape(self, done: int, total: int) -> float:
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

    @property
    def looks_at_end(self) -> bool:
        return False

    def shape(self, done: int, total: int) -> float:
        return self.gamma ** (done // self.size)


class ExponentialSchedule(Schedule):
    """Multiply the learning rate by γ every epoch.

        factor = γ^done

    Source: PyTorch's ExponentialLR.

        >>> [ExponentialSchedule(gamma=0.5).factor(done, 30) for done in (0, 1, 3)]
        [1.0, 0.5, 0.125]
    """

    name: Literal["exponential"] = "exponential"
    gamma: Annotated[float, Field(gt=0, le=1)] = Field(0.95, description="γ, the factor of each epoch")

    @property
    def looks_at_end(self) -> bool:
        return False

    def shape(self, done: int, total: int) -> float:
        return self.gamma**done


class InverseSchedule(Schedule):
    """Let the learning rate fall as one over time: the classical rate for which SGD provably converges.

        factor = 1 / (1 + k done)^p

    Source: H. Robbins and S. Monro 1951 (Σ η = ∞, Σ η² < ∞: 1/2 < p <= 1); Keras's InverseTimeDecay (p = 1).

    Differs: scikit-learn's `invscaling` counts examples: with `per: epoch` it is k = N, p = `power_t`.

        >>> [InverseSchedule().factor(done, 30) for done in (0, 1, 3)]
        [1.0, 0.5, 0.25]
    """

    name: Literal["inverse"] = "inverse"
    decay: NonNegative = Field(1.0, description="k, how fast it falls; the rate is halved after 1/k (with p = 1)")
    power: Positive = Field(1.0, description="p")

    @property
    def looks_at_end(self) -> bool:
        return False

    def shape(self, done: int, total: int) -> float:
        return (1 + self.decay * done) ** -self.power


class InverseRootSchedule(Schedule):
    """Let the learning rate fall as one over the root of time.

        factor = 1 / √(1 + done / W),   W the length of the warm-up, or 1

    Source: A. Vaswani et al. 2017, NeurIPS, equation 3, with `warmup` and `per: step`.

    Differs: the paper's warm-up begins at 0 and its rate has the factor d^{-1/2}; here it begins at `warmup_start`, and
    `lr` is the largest rate.

        >>> [InverseRootSchedule().factor(done, 30) for done in (0, 3, 15)]
        [1.0, 0.5, 0.25]
    """

    name: Literal["inverse_sqrt"] = "inverse_sqrt"
    timed_by_warmup: ClassVar = True

    @property
    def looks_at_end(self) -> bool:
        return False

    def shape(self, done: int, total: int) -> float:
        return (1 + done / max(self.warmup, 1)) ** -0.5


class PolynomialSchedule(Schedule):
    """Let the learning rate fall to its end along a power of the time that is left; a straight line with power 1.

        factor = final + (1 - final) (1 - done / T)^p,   T = length, or total

    The last update is one count before T, so its rate is a little above `final`.

    Source: PyTorch's PolynomialLR (final = 0).

        >>> [PolynomialSchedule(power=2.0).factor(done, 10) for done in (0, 5, 10)]
        [1.0, 0.25, 0.0]
    """

    name: Literal["polynomial"] = "polynomial"
    power: Positive = Field(1.0, description="p")
    final: Fraction = Field(0.0, description="the factor at the end")
    length: Count | None = Field(None, description="T, where the fall ends; null: at the end of the run")

    @property
    def looks_at_end(self) -> bool:
        return self.length is None

    def shape(self, done: int, total: int) -> float:
        return self.final + (1 - self.final) * (1 - min(done / (self.length or total), 1.0)) ** self.power


class CosineSchedule(Schedule):
    """Let the learning rate fall along half a cosine.

        factor = final + (1 - final) (1 + cos(π done / T)) / 2,   T = length, or total

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

    @property
    def looks_at_end(self) -> bool:
        return self.length is None

    def shape(self, done: int, total: int) -> float:
        return self.final + (1 - self.final) * half_cosine(min(done / (self.length or total), 1.0))


class CosineRestartsSchedule(Schedule):
    """Let the learning rate fall along half a cosine again and again, each time more slowly.

        factor = final + (1 - final) (1 + cos(π s / Tᵢ)) / 2,   s counts from the last restart,   Tᵢ = length mⁱ

    Source: I. Loshchilov and F. Hutter 2017, ICLR (SGDR); PyTorch's CosineAnnealingWarmRestarts.

        >>> [CosineRestartsSchedule(length=2, multiply=2).factor(done, 10) for done in (0, 1, 2, 4, 6)]
        [1.0, 0.5, 1.0, 0.5, 1.0]
    """

    name: Literal["cosine_restarts"] = "cosine_restarts"
    only_falls: ClassVar = False
    length: Count = Field(10, description="T₀, counts until the first restart")
    multiply: Count = Field(1, description="m, how much longer each fall is than the one before")
    final: Fraction = Field(0.0, description="the factor at the end of each fall")

    @property
    def looks_at_end(self) -> bool:
        return False

    def shape(self, done: int, total: int) -> float:
        T, m = self.length, self.multiply
        if m == 1:
            s = done % T
        else:
            s = done
            while s >= T:
                s, T = s - T, T * m
        return self.final + (1 - self.final) * half_cosine(s / T)


class OneCycleSchedule(Schedule):
    """Raise the learning rate to its largest value and let it fall far below where it began, each along half a cosine.

        up:    factor from 1/div to 1 in the first `rise` of the run
        down:  factor from 1 to 1/(div final_div) at the last update

    `lr` is the largest rate. Meant for `per: step`.

    Source: L. Smith and N. Topin 2019, arXiv 1708.07120 (super-convergence); PyTorch's OneCycleLR.

    Differs: PyTorch moves the momentum against the rate, too; this moves the rate only (`cycle_momentum=False`).

        >>> cycle = OneCycleSchedule(div=10.0, rise=0.5)
        >>> [round(cycle.factor(done, 9), 4) for done in (0, 8)]
        [0.1, 0.0]
    """

    name: Literal["one_cycle"] = "one_cycle"
    only_falls: ClassVar = False
    per: Literal["epoch", "step"] = Field("step", description="what is counted: finished epochs or updates")
    rise: Annotated[float, Field(gt=0, lt=1)] = Field(0.3, description="share of the run in which the rate rises")
    div: Annotated[float, Field(ge=1)] = Field(25.0, description="how many times smaller the first rate is")
    final_div: Annotated[float, Field(ge=1)] = Field(1e4, description="how many times smaller than that the last is")

    def shape(self, done: int, total: int) -> float:
        first, last = 1 / self.div, 1 / (self.div * self.final_div)
        top, end = self.rise * total - 1, total - 1
        if done <= top:
            return 1 + (first - 1) * half_cosine(done / top if top else 1.0)
        way = min((done - top) / (end - top), 1.0) if end > top else 1.0
        return last + (1 - last) * half_cosine(way)


class PlateauSchedule(Schedule):
    """Multiply the learning rate by γ when a metric has not got better for more than `patience` epochs.

        better where value < best - threshold |best|,  or best - threshold;  mirrored for a metric that should rise
        after more than `patience` values that are not:  rate ← max(γ rate, min_lr)

    It looks at each row of metrics.csv at the end of an epoch, so at each epoch with `monitor.every: 1`; not at the
    untrained row 0, and not before the warm-up is over. After a cut, `cooldown` values do not count as bad ones.

    Source: PyTorch's ReduceLROnPlateau.

    Differs: PyTorch's relative threshold is best (1 - threshold), which for a negative best lies on the wrong side:
    a value that stays the same then counts as better. In Keras `patience` values are enough for a cut, and its
    threshold (min_delta) is absolute.

        >>> schedule, memory = PlateauSchedule(gamma=0.5, patience=1), Memory()
        >>> for loss in (1.0, 0.9, 0.9, 0.9):
        ...     memory = schedule.heed(memory, loss, higher_is_better=False, lr=0.1)
        >>> memory.scale
        0.5
    """

    name: Literal["plateau"] = "plateau"
    metric: str = Field("validation_loss", description="what is watched: validation_loss or another column")
    gamma: Decay = Field(0.1, description="γ, the factor of each cut")
    patience: Annotated[int, Field(ge=0)] = Field(10, description="epochs without improvement that are borne")
    threshold: NonNegative = Field(1e-4, description="how much better than the best counts as better")
    threshold_mode: Literal["rel", "abs"] = Field("rel", description="threshold as a share of the best, or as it is")
    cooldown: Annotated[int, Field(ge=0)] = Field(0, description="epochs after a cut that do not count as bad")
    min_lr: NonNegative = Field(0.0, description="the smallest rate, in the units of lr")
    eps: NonNegative = Field(1e-8, description="a cut that changes the rate by no more than this is not made")

    @property
    def looks_at_end(self) -> bool:
        return False

    def shape(self, done: int, total: int) -> float:
        return 1.0

    @property
    def watched(self) -> str | None:
        return self.metric

    def heed(self, memory: Memory, value: float, higher_is_better: bool, lr: float) -> Memory:
        best, bad, resting, rate = memory.best, memory.bad + 1, memory.resting, lr * memory.scale
        margin = self.threshold * (1.0 if best is None or self.threshold_mode == "abs" else abs(best))
        if best is None or (value > best + margin if higher_is_better else value < best - margin):
            best, bad = value, 0
        if resting > 0:
            bad, resting = 0, resting - 1
        scale = memory.scale
        if bad > self.patience:
            lower = max(self.gamma * rate, self.min_lr)
            if rate - lower > self.eps:
                scale = lower / lr
            bad, resting = 0, self.cooldown
        return replace(memory, scale=scale, best=best, bad=bad, resting=resting)


def half_cosine(way: float) -> float:
    """From 1 to 0 as `way` goes from 0 to 1, with a flat start and a flat end."""
    return (1 + cos(pi * way)) / 2
