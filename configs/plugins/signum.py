"""An optimizer of one's own, as an example: nnexp train configs/own_optimizer.yaml"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from nnexp.components.base import Decay
from nnexp.components.optimizers import Optimizer


class Signum(Optimizer):
    """Step by the learning rate along the sign of the momentum.

        m ← β m + (1 - β) g
        θ ← θ - η sign(m)

    Source: J. Bernstein, Y.-X. Wang, K. Azizzadenesheli and A. Anandkumar 2018, ICML (signSGD).

        >>> θ, m = Signum.rule(1.0, 2.0, 0.0, (0.1, 0.5, 0.5))
        >>> float(m), float(θ)
        (1.0, 0.9)
    """

    name: Literal["signum"] = "signum"
    slots: ClassVar = ("m",)  # the state vectors; the rule takes and returns them behind θ
    beta: Decay = Field(0.9, description="β, the decay of the mean of g")

    def coefficients(self, lr: float, t: int) -> tuple[float, ...]:
        return lr, self.beta, 1.0 - self.beta

    @staticmethod
    def rule(θ, g, m, c):  # scalar mathematics: compiled into one pass over all parameters
        η, β, one_minus_β = c
        m = β * m + one_minus_β * g
        return θ - η * np.sign(m), m
