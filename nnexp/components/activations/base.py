"""What an activation is: its kinds, and the formulas that a member of each kind has.

z is the pre-activation, shape (B, O), y the output. At a kink the derivative is PyTorch's: 0 for relu.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from nnexp.components.base import Component, default

Call = tuple[Any, ...]
"""A function and its arguments; those of a ufunc end in the array that it writes."""


class Activation(Component, family="activation"):
    """A function between layers, of one of the kinds below."""

    @property
    def inputs_per_unit(self) -> int:
        """How many pre-activations make one unit's output."""
        return 1

    @property
    def learned(self) -> Literal["layer", "unit"] | None:
        """Whether a number of the formula is trained with the weights: one for the layer, or one for each unit."""
        return None


class ElementwiseActivation(Activation):
    """y = f(z) for each unit by itself.

    Exponentials are computed by NumPy's vectorised functions into e (`exponentials`); the rest is scalar arithmetic
    (`value`, `slope`) that the engine runs on whole arrays or fuses. Where the activation is `learned`, the first of
    the coefficients is the number that is trained, from what `coefficients` says on.
    """

    slope_reads: ClassVar[frozenset[str]] = frozenset("y")
    """What `slope` and `slope_by` need of z, y and e. Where z is not among them, y is written over z."""
    value: ClassVar[Callable[..., Any] | None] = None
    """(z, e, c) -> y. None where y is e itself."""
    slope: ClassVar[Callable[..., Any]]
    """(z, y, e, c) -> f'(z)."""
    slope_by: ClassVar[Callable[..., Any] | None] = None
    """(z, y, e, c) -> the derivative of y by the learned coefficient."""
    spread: ClassVar[Callable[..., Any] | None] = None
    """z -> the standard deviation of the noise that training adds to z; None for none."""
    spread_slope: ClassVar[Callable[..., Any] | None] = None
    """z -> its derivative."""

    @default
    def coefficients(self) -> tuple[float, ...]:
        """The numbers c that `value` and `slope` use."""
        return ()

    @default
    def exponentials(self, z: np.ndarray, e: np.ndarray) -> list[Call]:
        """The calls that write the exponential part of z, shape (B, O), into e: a ufunc, its inputs, its output."""
        return []

    @default
    def exponentials_learned(self, z: np.ndarray, a: np.ndarray, e: np.ndarray) -> list[Call]:
        """The same with the learned numbers a, shape (O,)."""
        return self.exponentials(z, e)

    def transcend(self, z: np.ndarray, e: np.ndarray) -> None:
        """Write the exponential part of z, shape (B, O), into e."""
        for ufunc, *inputs, out in self.exponentials(z, e):
            ufunc(*inputs, out=out)

    @property
    def transcends(self) -> bool:
        """Whether there are exponentials, so that e is needed."""
        return type(self).exponentials is not ElementwiseActivation.exponentials


class RowActivation(Activation):
    """y = f(z) for the whole row of an example, by NumPy."""

    @abstractmethod
    def forward(self, z: np.ndarray, y: np.ndarray) -> None:
        """Write the outputs y, shape (B, O), of z, shape (B, O inputs_per_unit)."""

    @abstractmethod
    def backward(self, z: np.ndarray, y: np.ndarray, dy: np.ndarray, dz: np.ndarray) -> None:
        """Write dz, of z's shape, from dy, of y's."""


def exp_minus_abs(z: np.ndarray, e: np.ndarray) -> list[Call]:
    """e = exp(-|z|), in (0, 1]: the exponential that cannot overflow."""
    return [(np.absolute, z, e), (np.negative, e, e), (np.exp, e, e)]
