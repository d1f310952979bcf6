"""Regularizers: what keeps a network from fitting its training examples too closely.

A penalty adds to the gradient of the weights; an activity penalty to that of the hidden activations; a noise changes
the hidden activations in training only; a constraint limits the weights after each update.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from math import sqrt
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from nnexp.components.base import Component, Decay, Fraction, NonNegative, Positive, default


class Regularizer(Component, family="regularization"):
    """A force against overfitting."""


class Penalty(Regularizer):
    """A function of the weights that is added to the loss. Reported losses are without it."""

    slope: ClassVar[Callable[..., Any]]
    """(w, c) -> the penalty's derivative by one weight."""

    strength: NonNegative = Field(1e-4, description="λ")
    on: Literal["weights", "all"] = Field("weights", description="the weights, or biases, γ, β and the like, too")

    @default
    def coefficients(self) -> tuple[float, ...]:
        """The numbers c that `slope` uses."""
        return (self.strength,)

    @abstractmethod
    def value(self, w: np.ndarray) -> float:
        """The penalty of the weights w, shape (D,)."""

    @property
    def per_example(self) -> bool:
        """Whether λ is divided by the number of examples in the batch."""
        return False

    def share(self, rows: int) -> float:
        """The factor on λ in a batch of `rows` examples."""
        return 1.0 / rows if self.per_example else 1.0


class L2(Penalty):
    """Pull each weight towards zero in proportion to its size.

        penalty = λ/2 Σ w²
        g ← g + λ w

    With plain sgd it is weight decay; inside momentum and the adaptive methods it is not.

    Source: A. Tikhonov 1943; A. Hoerl and R. Kennard 1970, Technometrics 12; PyTorch's `weight_decay`.

    Differs: Keras's l2(λ) is λ Σ w², twice this one. scikit-learn's `alpha` is divided by the number of examples in the
    batch, also in its smaller last one (`dialect: sklearn`): the same alpha weighs less in larger batches.

        >>> L2.slope(2.0, (0.1,))
        0.2
        >>> L2().share(200), L2(dialect="sklearn").share(200)
        (1.0, 0.005)
    """

    name: Literal["l2"] = "l2"
    dialect: Literal["pytorch", "sklearn"] = Field(
        "pytorch", description="λ as it is, or divided by the batch's examples"
    )

    @property
    def per_example(self) -> bool:
        return self.dialect == "sklearn"

    @staticmethod
    def slope(w, c):
        (λ,) = c
        return λ * w

    def value(self, w: np.ndarray) -> float:
        return self.strength / 2 * float(np.sum(np.square(w, dtype=np.float64)))


class L1(Penalty):
    """Pull each weight towards zero with the same force, so that many come near it.

        penalty = λ Σ |w|
        g ← g + λ sign(w),   0 at w = 0

    Source: R. Tibshirani 1996, JRSS B 58.

    Differs: it is the subgradient, so weights swing around zero by about η λ and are not exactly zero.

        >>> float(L1.slope(-2.0, (0.1,)))
        -0.1
    """

    name: Literal["l1"] = "l1"

    @staticmethod
    def slope(w, c):
        (λ,) = c
        return λ * np.sign(w)

    def value(self, w: np.ndarray) -> float:
        return self.strength * float(np.sum(np.abs(w), dtype=np.float64))


class Elastic(Penalty):
    """A mixture of l1 and l2.

        penalty = λ Σ (ρ |w| + (1 - ρ)/2 w²),   ρ = l1_ratio
        g ← g + λ (ρ sign(w) + (1 - ρ) w)

    Source: H. Zou and T. Hastie 2005, JRSS B 67 (the elastic net); λ and ρ as scikit-learn's alpha and l1_ratio.

        >>> round(float(Elastic.slope(-2.0, (0.05, 0.05))), 6)
        -0.15
    """

    name: Literal["elastic"] = "elastic"
    l1_ratio: Fraction = Field(0.5, description="ρ, the share of l1")

    def coefficients(self) -> tuple[float, ...]:
        return self.strength * self.l1_ratio, self.strength * (1 - self.l1_ratio)

    @staticmethod
    def slope(w, c):
        λ1, λ2 = c
        return λ1 * np.sign(w) + λ2 * w

    def value(self, w: np.ndarray) -> float:
        λ1, λ2 = self.coefficients()
        return float(λ1 * np.sum(np.abs(w), dtype=np.float64) + λ2 / 2 * np.sum(np.square(w, dtype=np.float64)))


class Activity(Regularizer):
    """Pull the hidden activations towards zero, so that few units are active at a time.

        penalty = λ/B Σ |a|              kind: l1
        penalty = λ/B Σ a²/2             kind: l2
        penalty = λ/B Σ ln(1 + a²)       kind: student_t

    The sum is over the units of all hidden layers and over the B examples of the batch; a is what leaves the
    activation, in front of dropout. Student's t pulls hard on small activations and leaves large ones alone.

    Source: B. Olshausen and D. Field 1996, Nature 381 (ln(1 + a²) and |a|, for sparse coding).

    Differs: Keras's `activity_regularizer` divides by B, too; its l2 is twice this one.

        >>> [float(slope(2.0, 0.5)) for slope in Activity.slopes().values()]
        [0.5, 1.0, 0.4]
    """

    name: Literal["activity"] = "activity"
    kind: Literal["l1", "l2", "student_t"] = Field("l1", description="how the penalty grows with the activation")
    strength: NonNegative = Field(1e-4, description="λ")

    @staticmethod
    def slopes() -> dict[str, Callable[..., Any]]:
        """(a, λ) -> the derivative by one activation, for each kind."""
        return {"l1": _slope_l1, "l2": _slope_l2, "student_t": _slope_student_t}

    def value(self, a: np.ndarray) -> float:
        """The penalty of the activations a, shape (B, O)."""
        squares = np.square(a, dtype=np.float64)
        terms = {"l1": np.sqrt(squares), "l2": squares / 2, "student_t": np.log1p(squares)}
        return self.strength * float(np.sum(terms[self.kind])) / len(a)


def _slope_l1(a, λ):
    return λ * np.sign(a)


def _slope_l2(a, λ):
    return λ * a


def _slope_student_t(a, λ):
    return λ * 2 * a / (1 + a * a)


class Noise(Regularizer):
    """A random change of each hidden activation, drawn anew each step: y = x mask(u) + shift(u)."""

    draws: ClassVar[Literal["uniform", "normal"]] = "uniform"
    """What u is: U(0, 1) or N(0, 1)."""
    keeps_mean: ClassVar[bool] = True
    """Whether the mean of y is x for every x."""
    mask: ClassVar[Callable[..., Any]]
    """(u, c) -> the factor."""
    shift: ClassVar[Callable[..., Any] | None] = None
    """(u, c) -> what is added; None for nothing."""

    @abstractmethod
    def coefficients(self) -> tuple[float, ...]:
        """The numbers c that `mask` and `shift` use; the first one says how strong the noise is."""


class Dropout(Noise):
    """Switch off each hidden unit with probability `rate`, and scale the others up so that the mean stays.

        y ← y mask,   mask = 0 where u < rate, else 1 / (1 - rate),   u ~ U(0, 1)

    Evaluation uses all units unscaled (inverted dropout).

    Source: N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov 2014, JMLR 15.

    Differs: the paper scales at evaluation instead; PyTorch and Keras do as here.

        >>> [float(Dropout.mask(u, (0.5, 2.0))) for u in (0.2, 0.7)]
        [0.0, 2.0]
    """

    name: Literal["dropout"] = "dropout"
    rate: Decay = Field(0.5, description="probability that a unit is switched off")

    def coefficients(self) -> tuple[float, ...]:
        return self.rate, 1.0 / (1.0 - self.rate)

    @staticmethod
    def mask(u, c):
        rate, scale = c
        return (u >= rate) * scale


class AlphaDropout(Noise):
    """Set each hidden unit to selu's lowest value with probability `rate`, so that mean 0 and variance 1 stay.

        y ← a (y m + α' (1 - m)) + b,   m = 0 where u < rate, else 1,   u ~ U(0, 1)
        α' = -1.7580993408473766,   a = 1/√((1 - rate) (1 + rate α'²)),   b = -a α' rate

    Meant for selu, whose units have mean 0 and variance 1; evaluation changes nothing.

    Source: G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter 2017, NIPS; PyTorch's AlphaDropout.

        >>> c = AlphaDropout(rate=0.5).coefficients()
        >>> round(float(3.0 * AlphaDropout.mask(0.7, c) + AlphaDropout.shift(0.7, c)), 6)  # 3 a + b
        3.438409
    """

    name: Literal["alpha_dropout"] = "alpha_dropout"
    keeps_mean: ClassVar = False
    rate: Decay = Field(0.1, description="probability that a unit is set to its lowest value")

    def coefficients(self) -> tuple[float, ...]:
        α = -1.7580993408473766
        a = 1 / sqrt((1 - self.rate) * (1 + self.rate * α * α))
        return self.rate, a, a * α, -a * α * self.rate

    @staticmethod
    def mask(u, c):
        rate, a, _, _ = c
        return (u >= rate) * a

    @staticmethod
    def shift(u, c):
        rate, _, aα, b = c
        return (u < rate) * aα + b


class GaussianNoise(Noise):
    """Add normal noise to each hidden activation.

        y ← y + std n,   n ~ N(0, 1)

    For noise on the inputs there is the augmentation `noise`.

    Source: C. Bishop 1995, Neural Computation 7 (noise in training acts like a penalty on the slope); Keras's
    GaussianNoise.

        >>> float(GaussianNoise.shift(-2.0, (0.1,)))
        -0.2
    """

    name: Literal["gaussian_noise"] = "gaussian_noise"
    draws: ClassVar = "normal"
    std: NonNegative = Field(0.1, description="standard deviation of the noise")

    def coefficients(self) -> tuple[float, ...]:
        return (self.std,)

    @staticmethod
    def mask(u, c):
        return 1

    @staticmethod
    def shift(u, c):
        (std,) = c
        return std * u


class Constraint(Regularizer):
    """A limit that the weights are brought back to after each update."""

    @abstractmethod
    def limit(self, W: np.ndarray) -> None:
        """Limit a weight matrix, shape (I, O), in place. NaN and infinities stay to be seen."""


class MaxNorm(Constraint):
    """Scale the incoming weights of a unit down where they are longer than a maximum.

        w ← w min(1, max / (‖w‖ + 1e-7))   where ‖w‖ > max,   w a column of W

    For every layer, the output's too; biases are not counted.

    Source: N. Srebro and A. Shraibman 2005, COLT; with dropout G. Hinton and others 2012, arXiv 1207.0580; PyTorch's
    renorm.

    Differs: Keras multiplies every column by clip(‖w‖, 0, max) / (‖w‖ + 1e-7), short ones a little, too.

        >>> W = np.array([[3.0, 0.3], [4.0, 0.4]])
        >>> MaxNorm(max=1.0).limit(W)
        >>> W.round(6).tolist()
        [[0.6, 0.3], [0.8, 0.4]]
    """

    name: Literal["max_norm"] = "max_norm"
    max: Positive = Field(3.0, description="the largest length ‖w‖ of a unit's incoming weights")

    def limit(self, W: np.ndarray) -> None:
        length = np.sqrt(np.einsum("ij,ij->j", W, W))
        W *= np.where(length > self.max, self.max / (length + length.dtype.type(1e-7)), 1).astype(W.dtype)
