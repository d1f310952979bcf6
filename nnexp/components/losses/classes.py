"""Losses of classes: of the softmax and of the sigmoid, with smoothed targets and weights."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from nnexp.components.base import NonNegative, Positive, select
from nnexp.components.losses.base import (
    ElementwiseLoss,
    Loss,
    SoftmaxLoss,
    SoftTargets,
)
from nnexp.errors import Misfit

Smoothing = Annotated[float, Field(ge=0, lt=1)]
"""A share that is taken from the target's class and spread over all classes alike."""

Share = Annotated[float, Field(gt=0, lt=1)]
"""A part of 1, whose rest is another's."""


def _class_weights(value: Any) -> Any:
    if value is None or value == "balanced":
        return value
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("must be balanced, or a list of positive numbers, one a class, such as [1, 2.5]")
    for number in value:
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < float("inf"):
            raise ValueError(f"must be positive numbers, one a class; {number!r} is not")
    return tuple(value)


def _alpha(value: Any) -> Any:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return _class_weights(value)
    if not 0 < value < 1:
        found = f"found {value!r}; weights of all classes are a list, such as [1, 2.5]"
        raise ValueError(f"one number, the weight of the second of two classes, must be between 0 and 1, {found}")
    return float(value)


def _one_a_class(field: str, weights: Any, classes: int | None) -> None:
    """Raises Misfit where a list of weights has another length than there are classes."""
    if isinstance(weights, tuple) and len(weights) != classes:
        count = len(weights)
        raise Misfit(f"loss.{field}", f"{count} number{'s' if count != 1 else ''} for {classes} classes")


def _balanced(t: np.ndarray, classes: int | None) -> tuple[float, ...]:
    """N / (C N_j) for each class j of the targets t (N,)."""
    counts = np.maximum(np.bincount(t, minlength=classes or 0), 1)
    return tuple((len(t) / (len(counts) * counts)).tolist())


class CrossEntropy(SoftmaxLoss):
    """The surprise at the right class under the softmax of the logits.

        loss = -ln p_target = ln total - s
        dloss/dz = p - [class = target],   p = softmax(z)
        with smoothing ε and weights w: loss = -(1 - ε) w_target ln p_target - (ε / C) Σ_j w_j ln p_j

    At the start it is near ln C. Computed from logits by log-sum-exp, so nothing overflows. With `class_weights` the
    mean is Σ loss / Σ w_target, over a batch or a split; batch_loss is the mean of the batches' means. `balanced`
    weights are N / (C N_j), with N_j of the N training examples in class j.

    Source: C. Shannon 1948; with softmax J. Bridle 1990, NIPS. Smoothing: C. Szegedy et al. 2016, CVPR.

    Differs: Keras divides by the batch's size, whatever the weights.

        >>> round(float(CrossEntropy.value(0.0, 10.0, ())), 6)
        2.302585
        >>> CrossEntropy(label_smoothing=0.2).soft_targets(2).q.tolist()
        [[0.9, 0.1], [0.1, 0.9]]
    """

    name: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: Smoothing = Field(0.0, description="ε, the share of the target that goes to all classes alike")
    class_weights: Annotated[Literal["balanced"] | tuple[Positive, ...] | None, BeforeValidator(_class_weights)] = (
        Field(None, description="w, one positive number a class; balanced: rare classes count as much; null: all alike")
    )

    def examine(self, t: np.ndarray, classes: int | None) -> None:
        _one_a_class("class_weights", self.class_weights, classes)

    def fitted(self, t: np.ndarray, classes: int | None) -> Loss:
        if self.class_weights != "balanced":
            return self
        return self.model_copy(update={"class_weights": _balanced(t, classes)})

    def soft_targets(self, classes: int) -> SoftTargets | None:
        if not self.label_smoothing and self.class_weights is None:
            return None
        w = np.ones(classes) if self.class_weights is None else np.array(self.class_weights, np.float64)
        share = self.label_smoothing / classes
        q = (1 - self.label_smoothing) * np.diag(w) + share * w
        mass = q.sum(axis=1)
        return SoftTargets(q / mass[:, None], mass, w, np.zeros(classes))

    @staticmethod
    def value(s, total, c):
        return np.log(total) - s

    @staticmethod
    def slope(p, hit, c):
        return p - hit


class Focal(SoftmaxLoss):
    """Cross-entropy that turns away from examples that are already right.

        loss = -α_target q^γ ln p_target,   q = 1 - p_target
        dloss/dz = α_target q^γ (1 - γ p_target ln p_target / q) (p - [class = target])
        for two classes one number α means α_1 = α and α_0 = 1 - α

    γ = 0 is cross-entropy; at the start it is near (1 - 1/C)^γ ln C times the mean α. `alpha` weighs classes, as
    `class_weights` do in cross_entropy; `balanced` is N / (C N_j), with N_j of the N training examples in class j.
    The mean is over the examples, whatever their weights. For two classes it is the loss of a sigmoid of z_1 - z_0.

    Source: T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár 2017, ICCV.

    Differs: the paper's, and torchvision's sigmoid_focal_loss, has a sigmoid for each class, and α = 0.25 where nothing
    is said; here all weights are 1 then. With cross_entropy's `class_weights` the mean is divided by their sum.

        >>> round(float(Focal.value(0.0, 2.0, (2.0,))), 6)  # p = 1/2: ln 2 / 4
        0.173287
        >>> round(float(Focal.factor(0.0, 2.0, (2.0,))), 6)  # (1 + 2 ln 2) / 4
        0.596574
        >>> Focal(alpha=0.25).weights(2).tolist()
        [0.75, 0.25]
    """

    name: Literal["focal"] = "focal"
    gamma: NonNegative = Field(2.0, description="γ, how little examples count that are right")
    alpha: Annotated[Literal["balanced"] | Share | tuple[Positive, ...] | None, BeforeValidator(_alpha)] = Field(
        None, description="α, one positive number a class; one in (0, 1): that of the second of two; null: 1"
    )

    @model_validator(mode="before")
    @classmethod
    def _weights_are_called_alpha(cls, data: Any) -> Any:
        if isinstance(data, dict) and "class_weights" in data:
            raise ValueError("focal has no class_weights; its weights of the classes are called alpha")
        return data

    def examine(self, t: np.ndarray, classes: int | None) -> None:
        _one_a_class("alpha", self.alpha, classes)
        if isinstance(self.alpha, float) and classes != 2:
            raise Misfit("loss.alpha", f"one number weighs two classes; for {classes} give a list of {classes}")

    def fitted(self, t: np.ndarray, classes: int | None) -> Loss:
        return self if self.alpha != "balanced" else self.model_copy(update={"alpha": _balanced(t, classes)})

    def coefficients(self) -> tuple[float, ...]:
        return (self.gamma,)

    def weights(self, classes: int) -> np.ndarray:
        if self.alpha is None:
            return np.ones(classes)
        return np.array((1 - self.alpha, self.alpha) if isinstance(self.alpha, float) else self.alpha, np.float64)

    @staticmethod
    def value(s, total, c):
        (γ,) = c
        l = s - np.log(total)
        return -((-np.expm1(l)) ** γ) * l

    @staticmethod
    def slope(p, hit, c):
        return p - hit

    @staticmethod
    def factor(s, total, c):
        (γ,) = c
        l = s - np.log(total)
        q = -np.expm1(l)
        return q**γ * (1 - γ * np.exp(l) * l / (q + (q == 0)))


class KlDivergence(SoftmaxLoss):
    """How far the softmax of the logits is from a smoothed target distribution.

        loss = Σ_j q_j ln(q_j / p_j) = Σ_j q_j (ln total - s_j) - H(q),   q = (1 - ε) [class = target] + ε / C
        dloss/dz = p - q

    Cross-entropy with the same `label_smoothing` less q's entropy H(q): the gradients are equal, but this one goes
    down to 0. At the start it is near ln C - H(q).

    Source: S. Kullback and R. Leibler 1951, Annals of Mathematical Statistics 22.

    Differs: it is PyTorch's kl_div with `reduction="batchmean"`; its default mean divides by C as well.

        >>> q = KlDivergence(label_smoothing=0.5).soft_targets(2)  # 3/4 and 1/4, against 1/2 and 1/2
        >>> round(float(KlDivergence.value(0.0, 2.0, ()) - q.floor[0]), 6)
        0.130812
    """

    name: Literal["kl_divergence"] = "kl_divergence"
    label_smoothing: Smoothing = Field(0.1, description="ε, the share of the target that goes to all classes alike")

    def soft_targets(self, classes: int) -> SoftTargets | None:
        q = (1 - self.label_smoothing) * np.eye(classes) + self.label_smoothing / classes
        entropy = -np.sum(q * np.log(q + (q == 0)), axis=1)
        return SoftTargets(q, np.ones(classes), np.ones(classes), entropy)

    @staticmethod
    def value(s, total, c):
        return np.log(total) - s

    @staticmethod
    def slope(p, hit, c):
        return p - hit


class BinaryCrossEntropy(ElementwiseLoss):
    """The surprise at the right one of two classes under the sigmoid of one logit.

        loss = (max(z, 0) - z t + L) + (w - 1) t (max(z, 0) - z + L),   L = ln(1 + exp(-|z|))
        dloss/dz = (p - t) + (w - 1) t (p - 1),   p = sigmoid(z)

    With w = 1, the default of `pos_weight`, only the first brackets are left. At the start it is near ln 2. The same
    as cross-entropy with two logits whose difference is z. `label_smoothing` ε makes t of 0 and 1 into ε/2 and 1 - ε/2.

    Source: D. Cox 1958, JRSS B 20; PyTorch's BCEWithLogitsLoss.

    Differs: `pos_weight` is not divided away again, as the class weights of cross_entropy are.

        >>> round(float(BinaryCrossEntropy.value(0.0, 1.0, (0.0,))), 6)
        0.693147
        >>> float(BinaryCrossEntropy.slope(0.0, 1.0, (0.0,))), float(BinaryCrossEntropy.slope(0.0, 1.0, (2.0,)))
        (-0.5, -1.5)
    """

    name: Literal["binary_cross_entropy"] = "binary_cross_entropy"
    aliases: ClassVar = ("bce",)
    label_smoothing: Smoothing = Field(0.0, description="ε, the share of the target that goes to both classes alike")
    pos_weight: Positive = Field(1.0, description="w, how much more examples of the second class count")

    def outputs(self, classes: int | None) -> int:
        if classes != 2:
            found = "is real-valued; try mse" if classes is None else f"has {classes}; try cross_entropy"
            raise Misfit("loss", f"{self.label()} needs two classes, but this target {found}")
        return 1

    def encode(self, t: np.ndarray, classes: int | None, dtype: np.dtype) -> np.ndarray:
        return (t * (1 - self.label_smoothing) + self.label_smoothing / 2).astype(dtype).reshape(-1, 1)

    def coefficients(self) -> tuple[float, ...]:
        return (self.pos_weight - 1,)

    @staticmethod
    def value(z, t, c):
        (more,) = c
        top, l = select(z <= 0, 0, z), np.log1p(np.exp(-np.abs(z)))
        return top - z * t + l + more * t * (top - z + l)

    @staticmethod
    def slope(z, t, c):
        (more,) = c
        e = np.exp(-np.abs(z))
        p = select(z >= 0, 1, e) / (1 + e)
        return p - t + more * t * (p - 1)
