"""Regularizers: what keeps a network from fitting its training examples too closely.

A penalty adds to the gradient of the weights (not of biases, γ and β); a noise changes the hidden activations in
training only.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from nnexp.components.base import Component, Decay, NonNegative


class Regularizer(Component, family="regularization"):
    """A force against overfitting."""


class Penalty(Regularizer):
    """A function of the weights that is added to the loss. Reported losses are without it."""

    slope: ClassVar[Callable[..., Any]]
    """(w, λ) -> the penalty's derivative by one weight."""

    strength: NonNegative = Field(1e-4, description="λ")

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

        >>> L2.slope(2.0, 0.1)
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
    def slope(w, λ):
        return λ * w

    def value(self, w: np.ndarray) -> float:
        return self.strength / 2 * float(np.sum(np.square(w, dtype=np.float64)))


class L1(Penalty):
    """Pull each weight towards zero with the same force, so that many come near it.

        penalty = λ Σ |w|
        g ← g + λ sign(w),   0 at w = 0

    Source: R. Tibshirani 1996, JRSS B 58.

    Differs: it is the subgradient, so weights swing around zero by about η λ and are not exactly zero.

        >>> float(L1.slope(-2.0, 0.1))
        -0.1
    """

    name: Literal["l1"] = "l1"

    @staticmethod
    def slope(w, λ):
        return λ * np.sign(w)

    def value(self, w: np.ndarray) -> float:
        return self.strength * float(np.sum(np.abs(w), dtype=np.float64))


class Noise(Regularizer):
    """A random factor on each hidden activation, drawn anew each step from U(0, 1)."""

    mask: ClassVar[Callable[..., Any]]
    """(u, c) -> the factor, for u ~ U(0, 1)."""

    @abstractmethod
    def coefficients(self) -> tuple[float, ...]:
        """The numbers c that `mask` uses."""


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
