"""What an optimizer is: how the parameters θ follow the gradient g.

`Minimizer` is the family. Most members are an `Optimizer`, an elementwise rule on vectors of length D:
(θ, g, state..., c) -> (θ, state...). `coefficients` computes the scalars c of step t (counted from 1) in float64; the
engine casts them to the run's precision, as PyTorch does. PyTorch's definitions hold unless `Differs:` says otherwise.
Where another library's formula gives other results, the field `dialect` chooses it, together with that library's
defaults.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import Field

from nnexp.components.base import Component, NonNegative, default


class Minimizer(Component, family="optimizer"):
    """A way to make the loss smaller."""

    scales_with_lr: ClassVar[bool] = True
    """False where `lr` is only what the step sizes start with, so that a schedule would have no effect."""
    searches: ClassVar[bool] = False
    """True where one update compares several evaluations of the loss, which must then be one function of θ."""

    lr: NonNegative = Field(0.01, description="learning rate η")

    @abstractmethod
    def state_size(self, parameters: int) -> int:
        """How many numbers the optimizer keeps for D parameters."""


class Optimizer(Minimizer):
    """An elementwise rule that turns gradients into steps."""

    slots: ClassVar[tuple[str, ...]] = ()
    """Names of the state vectors."""
    rule: ClassVar[Callable[..., Any]]
    """(θ, g, *state, c) -> (θ, *state), or θ alone without state."""
    sees_size: ClassVar[bool] = True
    """False where only the sign of a gradient counts: then an infinite one does not spoil the parameters."""

    @default
    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        """The scalars c of step t >= 1 at the scheduled learning rate `lr`."""
        return (lr,)

    @default
    def start(self) -> dict[str, float]:
        """The value that each state vector starts with, where it is not 0."""
        return {}

    @default
    def kernel(self) -> tuple[tuple[str, ...], Callable[..., Any]]:
        """The names of the state vectors that these options need, and the rule on them."""
        return self.slots, type(self).rule

    @default
    def shrink(self, lr: float) -> float:
        """The factor of one step on a parameter whose gradient is always 0: below 1 with decoupled weight decay."""
        return 1.0

    def state_size(self, parameters: int) -> int:
        return len(self.kernel()[0]) * parameters
