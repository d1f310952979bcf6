"""Losses: how far the network's outputs are from the targets, and the gradient to begin with.

z is the network's output, shape (B, O); t the target. A loss is a mean, so its gradient is already divided by its
number of terms. Softmax and sigmoid belong to the loss: the network ends in logits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from nnexp.components.base import Component, NonNegative, Positive, default, select
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


@dataclass(frozen=True)
class SoftTargets:
    """Distributions over C classes that stand for the target's class; row k is for examples of class k.

    The loss of B examples of classes k is Σ_B (mass_k Σ_j q_kj value_j - floor_k) / Σ_B weight_k.
    """

    q: np.ndarray
    """Shape (C, C), each row a distribution."""
    mass: np.ndarray
    """Shape (C,): what the row's loss is multiplied by."""
    weight: np.ndarray
    """Shape (C,): what the example counts in the mean."""
    floor: np.ndarray
    """Shape (C,): what the row's loss begins at, and is counted from."""


class Loss(Component, family="loss"):
    """What training makes small."""

    takes_scaled: ClassVar[bool] = True
    """Whether a real target may be standardized for it."""

    def outputs(self, classes: int | None) -> int:
        """How many outputs O the network needs for `classes` classes, or for one real target (None).

        Raises Misfit where the loss does not fit the target.
        """
        return 1 if classes is None else classes

    def examine(self, t: np.ndarray, classes: int | None) -> None:
        """Look at all targets t (N,), as loaded, before training.

        Raises Misfit where the loss or one of its fields does not fit them.
        """

    def fitted(self, t: np.ndarray, classes: int | None) -> Loss:
        """The loss with what its fields leave to the training targets t (N,)."""
        return self

    def encode(self, t: np.ndarray, classes: int | None, dtype: np.dtype) -> np.ndarray:
        """Targets (N,) as the mathematics wants them: (N, O) numbers, or (N,) class indices."""
        if classes is None:
            return t.astype(dtype).reshape(-1, 1)
        return np.eye(classes, dtype=dtype)[t]

    def coefficients(self) -> tuple[float, ...]:
        """The numbers c that the formulas use."""
        return ()

    def through(self) -> Literal["linear", "softmax", "sigmoid"]:
        """The function of the outputs that the formulas see in place of z."""
        return "linear"

    def soft_targets(self, classes: int) -> SoftTargets | None:
        """Distributions in place of the target's class; None: all on the target."""
        return None

    def decide(self, z: np.ndarray) -> np.ndarray:
        """The class (N,) that the outputs z (N, O) speak for; the first one in a tie. One output speaks by its sign."""
        return (z[:, 0] > 0).astype(np.int64) if z.shape[1] == 1 else z.argmax(axis=1)

    def predict(self, z: np.ndarray) -> np.ndarray:
        """The real numbers (N,) that the outputs z (N, 1) stand for, float64."""
        return z[:, 0].astype(np.float64)


class ElementwiseLoss(Loss):
    """A mean over all B x O elements, as PyTorch's `reduction="mean"`."""

    value: ClassVar[Callable[..., Any]]
    """(z, t, c) -> the element's loss."""
    slope: ClassVar[Callable[..., Any]]
    """(z, t, c) -> its derivative by z."""


class SoftmaxLoss(Loss):
    """A mean over the examples of a function of p = softmax(z) and the target's class.

    With s = z_target - max z and total = Σ exp(z - max z), the probability of the target is exp(s) / total.
    """

    value: ClassVar[Callable[..., Any]]
    """(s, total, c) -> the example's loss."""
    slope: ClassVar[Callable[..., Any]]
    """(p, hit, c) -> its derivative by one logit; hit is 1 at the target's logit, else 0."""
    factor: ClassVar[Callable[..., Any] | None] = None
    """(s, total, c) -> what the slopes of one example are multiplied by. None: 1."""

    @default
    def weights(self, classes: int) -> np.ndarray:
        """What values and slopes of each class are multiplied by, shape (C,); read where factor is given."""
        return np.ones(classes)

    def outputs(self, classes: int | None) -> int:
        return needs_classes(self, classes)

    def encode(self, t: np.ndarray, classes: int | None, dtype: np.dtype) -> np.ndarray:
        return t.astype(np.int64, copy=False)


class MarginLoss(Loss):
    """A mean over the examples of a function of the margins m by which wrong classes come too near.

    For two classes there is one output s and one margin, 1 - y s with y = 1 or -1. For more, each wrong class j has
    one, 1 - z_target + z_j, and an example's loss is the sum over them.
    """

    value: ClassVar[Callable[..., Any]]
    """(m, c) -> the loss of one margin."""
    slope: ClassVar[Callable[..., Any]]
    """(m, c) -> its derivative by m."""

    def outputs(self, classes: int | None) -> int:
        return 1 if classes == 2 else needs_classes(self, classes)

    def encode(self, t: np.ndarray, classes: int | None, dtype: np.dtype) -> np.ndarray:
        return t.astype(np.int64, copy=False)


def needs_classes(loss: Loss, classes: int | None) -> int:
    """The number of classes. Raises Misfit where the target is real-valued."""
    if classes is None:
        raise Misfit("loss", f"{loss.label()} needs classes as targets, but this target is real-valued; try mse")
    return classes


def needs_a_real_target(loss: Loss, classes: int | None) -> int:
    """One output. Raises Misfit where the targets are classes."""
    if classes is not None:
        found = f"but this one has {classes} classes; try cross_entropy"
        raise Misfit("loss", f"{loss.label()} needs a real target, {found}")
    return 1


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


class Mse(ElementwiseLoss):
    """The mean squared error.

        loss = (y - t)²,   y = z, or softmax(z), or sigmoid(z)
        dloss/dy = 2 (y - t)

    With classes as targets, t is one-hot. `output` says what y is; softmax and sigmoid need classes. Behind them the
    gradient vanishes where y is near 0 or 1, right or wrong: a confident mistake is not unlearned.

    Source: A.-M. Legendre 1805; C. F. Gauss 1809.

    Differs: as in PyTorch and Keras the mean is over all elements and there is no ½; scikit-learn has ½.

        >>> float(Mse.value(3.0, 1.0, ())), float(Mse.slope(3.0, 1.0, ()))
        (4.0, 4.0)
    """

    name: Literal["mse"] = "mse"
    aliases: ClassVar = ("squared_error",)
    output: Literal["linear", "softmax", "sigmoid"] = Field("linear", description="what of the outputs is compared")

    def outputs(self, classes: int | None) -> int:
        if self.output != "linear" and classes is None:
            found = "but this target is real-valued; try mse"
            raise Misfit("loss", f"mse of a {self.output} needs classes as targets, {found}")
        return 1 if classes is None else classes

    def through(self) -> Literal["linear", "softmax", "sigmoid"]:
        return self.output

    @staticmethod
    def value(z, t, c):
        return (z - t) * (z - t)

    @staticmethod
    def slope(z, t, c):
        return 2 * (z - t)


class Mae(ElementwiseLoss):
    """The mean absolute error: outliers pull no harder than other examples.

        loss = |z - t|
        dloss/dz = sign(z - t),   0 at z = t

    With classes as targets, t is one-hot.

    Source: P.-S. Laplace 1774; PyTorch's L1Loss.

        >>> float(Mae.value(1.0, 3.0, ())), float(Mae.slope(1.0, 3.0, ()))
        (2.0, -1.0)
    """

    name: Literal["mae"] = "mae"
    aliases: ClassVar = ("absolute_error",)

    @staticmethod
    def value(z, t, c):
        return np.abs(z - t)

    @staticmethod
    def slope(z, t, c):
        return np.sign(z - t)


class Huber(ElementwiseLoss):
    """The squared error of small errors, the absolute error of large ones.

        d = z - t,   h = d if |d| <= δ else δ sign(d)
        loss = h (d - h/2)
        dloss/dz = h

    That is d²/2 up to δ and δ (|d| - δ/2) beyond: an outlier pulls with δ at most. With classes as targets, t is
    one-hot.

    Source: P. Huber 1964, Annals of Mathematical Statistics 35.

    Differs: PyTorch's smooth_l1_loss divides it by δ (there β).

        >>> float(Huber.value(0.5, 0.0, (1.0,))), float(Huber.value(3.0, 0.0, (1.0,)))
        (0.125, 2.5)
    """

    name: Literal["huber"] = "huber"
    delta: Positive = Field(1.0, description="δ, the error where squared becomes absolute")

    def coefficients(self) -> tuple[float, ...]:
        return (self.delta,)

    @staticmethod
    def value(z, t, c):
        (δ,) = c
        d = z - t
        h = select(np.abs(d) <= δ, d, δ * np.sign(d))
        return h * (d - h / 2)

    @staticmethod
    def slope(z, t, c):
        (δ,) = c
        d = z - t
        return select(np.abs(d) <= δ, d, δ * np.sign(d))


class LogCosh(ElementwiseLoss):
    """The logarithm of the error's cosh: smooth everywhere, d²/2 for small errors and |d| - ln 2 for large ones.

        d = z - t
        loss = ln cosh d = |d| + ln(1 + (exp(-2|d|) - 1) / 2)
        dloss/dz = tanh d

    With classes as targets, t is one-hot.

    Source: P. Green 1990, IEEE Transactions on Medical Imaging 9; Keras's LogCosh.

        >>> round(float(LogCosh.value(1.0, 0.0, ())), 6), round(float(LogCosh.slope(1.0, 0.0, ())), 6)
        (0.433781, 0.761594)
    """

    name: Literal["log_cosh"] = "log_cosh"

    @staticmethod
    def value(z, t, c):
        d = np.abs(z - t)
        return d + np.log1p(np.expm1(-2 * d) / 2)

    @staticmethod
    def slope(z, t, c):
        return np.tanh(z - t)


class Quantile(ElementwiseLoss):
    """The pinball loss: its best constant is a quantile of the targets, not their mean.

        d = z - t
        loss = (1 - τ) d where d > 0, else -τ d
        dloss/dz = 1 - τ where d > 0, -τ where d < 0, 0 at d = 0

    For a `level` τ of 0.9, predicting too little costs nine times as much as too much. τ = 0.5 is half of mae.

    Source: R. Koenker and G. Bassett 1978, Econometrica 46.

        >>> float(Quantile.value(1.0, 3.0, (0.25, 0.75))), float(Quantile.value(3.0, 1.0, (0.25, 0.75)))
        (1.5, 0.5)
    """

    name: Literal["quantile"] = "quantile"
    aliases: ClassVar = ("pinball",)
    level: float = Field(0.5, gt=0, lt=1, description="τ, the share of targets that are to lie below the prediction")

    def outputs(self, classes: int | None) -> int:
        return needs_a_real_target(self, classes)

    def coefficients(self) -> tuple[float, ...]:
        return 1 - self.level, self.level

    @staticmethod
    def value(z, t, c):
        above, below = c
        d = z - t
        return np.abs(d) * select(d > 0, above, below)

    @staticmethod
    def slope(z, t, c):
        above, below = c
        d = z - t
        return np.sign(d) * select(d > 0, above, below)


class Poisson(ElementwiseLoss):
    """The surprise at a count whose rate is exp(z).

        loss = exp(z) - t z
        dloss/dz = exp(z) - t

    Targets are 0 or more, and as they are: `dataset.scale_target: false`. rmse and r2 are of the rate exp(z). The term
    ln t! is left out, so it can be negative; exp(z) overflows where z is above 709 (88 in float32).

    Source: J. Nelder and R. Wedderburn 1972, JRSS A 135; PyTorch's PoissonNLLLoss.

    Differs: Keras's Poisson takes the rate itself for the output.

        >>> float(Poisson.value(0.0, 3.0, ())), float(Poisson.slope(0.0, 3.0, ()))
        (1.0, -2.0)
    """

    name: Literal["poisson"] = "poisson"
    takes_scaled: ClassVar = False

    def outputs(self, classes: int | None) -> int:
        return needs_a_real_target(self, classes)

    def examine(self, t: np.ndarray, classes: int | None) -> None:
        if t.min() < 0:
            raise Misfit("loss", f"poisson needs targets of 0 or more, but the smallest is {t.min():.6g}; try mse")

    def predict(self, z: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.exp(z[:, 0].astype(np.float64))

    @staticmethod
    def value(z, t, c):
        return np.exp(z) - t * z

    @staticmethod
    def slope(z, t, c):
        return np.exp(z) - t


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
