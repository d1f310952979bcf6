"""Initializers: what the weights are before the first step.

A weight matrix has shape (fan_in, fan_out) = (I, O). Draws are made in float64 and cast, so that float32 and float64
runs of one seed start at the same point.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

import numpy as np
from pydantic import Field

from nnexp.components.base import Component, NonNegative, Positive


class Initializer(Component, family="initialization"):
    """A distribution for the weights, and a constant for the biases."""

    bias: float = Field(0.0, description="what every bias starts with")

    @abstractmethod
    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        """A weight matrix of shape (fan_in, fan_out), float64."""


class He(Initializer):
    """Weights whose variance, gain² / fan_in, keeps the size of the activations through relu layers."""

    gain: Positive = Field(2**0.5, description="gain; √2 makes up for the half that relu cuts")

    def std(self, fan_in: int) -> float:
        return self.gain / fan_in**0.5


class HeNormal(He):
    """Normal weights with variance gain² / fan_in.

        W ~ N(0, std²),   std = gain / √fan_in,   gain = √2

    Source: K. He, X. Zhang, S. Ren and J. Sun 2015, ICCV; PyTorch's kaiming_normal_ (mode fan_in).

    Differs: Keras truncates the normal at two standard deviations.

        >>> HeNormal().std(fan_in=8)
        0.5
    """

    name: Literal["he_normal"] = "he_normal"

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return rng.normal(0.0, self.std(fan_in), (fan_in, fan_out))


class HeUniform(He):
    """Uniform weights with variance gain² / fan_in.

        W ~ U(-a, a),   a = √3 gain / √fan_in,   gain = √2

    Source: K. He, X. Zhang, S. Ren and J. Sun 2015, ICCV; PyTorch's kaiming_uniform_.

        >>> w = HeUniform().draw(np.random.default_rng(0), 6, 1000)
        >>> bool(abs(w).max() <= 1.0)
        True
    """

    name: Literal["he_uniform"] = "he_uniform"

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        a = 3**0.5 * self.std(fan_in)
        return rng.uniform(-a, a, (fan_in, fan_out))


class Xavier(Initializer):
    """Weights whose variance, 2 gain² / (fan_in + fan_out), suits both the activations and the gradients."""

    gain: Positive = Field(
        1.0, description="gain; 1 for linear and tanh, 4 for sigmoid (Glorot), 5/3 for tanh (PyTorch)"
    )

    def std(self, fan_in: int, fan_out: int) -> float:
        return self.gain * (2.0 / (fan_in + fan_out)) ** 0.5


class XavierNormal(Xavier):
    """Normal weights with variance 2 gain² / (fan_in + fan_out).

        W ~ N(0, std²),   std = gain √(2 / (fan_in + fan_out))

    Source: X. Glorot and Y. Bengio 2010, AISTATS; PyTorch's xavier_normal_.

        >>> XavierNormal().std(fan_in=4, fan_out=4)
        0.5
    """

    name: Literal["xavier_normal"] = "xavier_normal"

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return rng.normal(0.0, self.std(fan_in, fan_out), (fan_in, fan_out))


class XavierUniform(Xavier):
    """Uniform weights with variance 2 gain² / (fan_in + fan_out).

        W ~ U(-a, a),   a = gain √(6 / (fan_in + fan_out))

    Source: X. Glorot and Y. Bengio 2010, AISTATS, equation 16; PyTorch's xavier_uniform_.

        >>> w = XavierUniform().draw(np.random.default_rng(0), 3, 3)
        >>> bool(abs(w).max() <= 1.0)
        True
    """

    name: Literal["xavier_uniform"] = "xavier_uniform"

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        a = 3**0.5 * self.std(fan_in, fan_out)
        return rng.uniform(-a, a, (fan_in, fan_out))


class Normal(Initializer):
    """Normal weights of one standard deviation, whatever the layer's size.

        W ~ N(0, std²)

    Too small a std lets the signal vanish from layer to layer, too large a one lets it explode.

    Source: A. Krizhevsky, I. Sutskever and G. Hinton 2012, NIPS (std 0.01).

        >>> Normal(std=0.01).draw(np.random.default_rng(0), 2, 3).shape
        (2, 3)
    """

    name: Literal["normal"] = "normal"
    std: NonNegative = Field(0.01, description="standard deviation")

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return rng.normal(0.0, self.std, (fan_in, fan_out))


class Constant(Initializer):
    """The same weight everywhere.

        W = value

    All units of a layer compute the same and get the same gradient: they stay identical for ever.

    Source: none; the control experiment for breaking the symmetry.

        >>> Constant(value=0.5).draw(np.random.default_rng(0), 1, 2).tolist()
        [[0.5, 0.5]]
    """

    name: Literal["constant"] = "constant"
    value: float = Field(0.1, description="every weight")

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return np.full((fan_in, fan_out), self.value)


class Zeros(Initializer):
    """All weights zero.

        W = 0

    With hidden layers only the output's bias learns at first: the hidden units stay identical.

    Source: none; right for a linear model, the control experiment for deeper ones.

        >>> Zeros().draw(np.random.default_rng(0), 1, 2).tolist()
        [[0.0, 0.0]]
    """

    name: Literal["zeros"] = "zeros"

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return np.zeros((fan_in, fan_out))
