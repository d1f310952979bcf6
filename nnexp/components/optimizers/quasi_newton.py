"""Optimizers that build a model of the curvature from the gradients they have seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from nnexp.components.base import NonNegative
from nnexp.components.optimizers.base import Minimizer

Share = Annotated[float, Field(gt=0, lt=1)]


class Lbfgs(Minimizer):
    """Newton's method with a curvature learned from the last steps: few updates, each a search along a line.

        d = -H g,   H built from the last `history` pairs of a step s and the change y of the gradient over it
        q ← g;   new to old:  a_i = s_iᵀ q / y_iᵀ s_i,   q ← q - a_i y_i
        q ← (sᵀ y / yᵀ y) q, of the newest pair;   old to new:  q ← q + (a_i - y_iᵀ q / y_iᵀ s_i) s_i
        θ ← θ + α d,   α from η on until f(θ + α d) <= f(θ) + c₁ α dᵀg and |dᵀg(θ + α d)| <= c₂ |dᵀg(θ)|

    For full batches of a function without noise. One update is one iteration and evaluates the loss several times;
    metrics.csv counts them as `evaluations`. The first step has length η min(1, 1/‖g‖₁) and goes against g. A pair
    with yᵀs <= ε (-sᵀg), ε the precision, has no curvature to tell and is left out. Where the search finds no step, the
    history is forgotten and it begins anew against g; where that fails too, θ stays for this update, which is what
    happens once a minimum is reached to the last digit. Memory: 2 (history + 1) D numbers. The penalty l1 has kinks, at
    which the search may fail. With batch normalization every evaluation moves the running statistics.

    Source: J. Nocedal and S. Wright 2006, Numerical Optimization, algorithms 7.4 (two loops) and 3.5 (search);
    D. Liu and J. Nocedal 1989, Mathematical Programming 45; the search is scipy.optimize.line_search.

    Differs: PyTorch's LBFGS makes 20 iterations in one step, takes the best point of a search that failed, and leaves
    pairs with yᵀs <= 1e-10 out; `line_search: none` is its default, a step of η d without looking. When to leave a pair
    out and when to begin anew is as in L-BFGS-B (C. Zhu, R. Byrd, P. Lu and J. Nocedal 1997, ACM TOMS 23).

        >>> pairs = [(np.array([1.0]), np.array([4.0]))]  # a step of 1 changed the slope by 4: the curvature is 4
        >>> float(Lbfgs.direction(np.array([2.0]), *zip(*pairs))[0])
        -0.5
    """

    name: Literal["lbfgs"] = "lbfgs"
    searches: ClassVar = True
    lr: NonNegative = Field(1.0, description="learning rate η, the first step length that is tried")
    history: Annotated[int, Field(ge=1, le=10_000)] = Field(100, description="pairs (s, y) that are kept")
    line_search: Literal["strong_wolfe", "none"] = Field(
        "strong_wolfe", description="search for the step's length, or take η as it is"
    )
    c1: Share = Field(1e-4, description="c₁, the share of the promised decrease that must come true")
    c2: Share = Field(0.9, description="c₂, the share of the slope that may be left")

    @model_validator(mode="after")
    def _in_order(self) -> Lbfgs:
        if self.c1 >= self.c2:
            raise ValueError(f"'c1' must be below 'c2', or no step may fit; they are {self.c1:g} and {self.c2:g}")
        return self

    @staticmethod
    def direction(g: np.ndarray, s: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> np.ndarray:
        """-H g (D,) from the pairs s_i, y_i (D,), the oldest first; -g without any."""
        q = -g
        if len(s) == 0:
            return q
        curvature = [np.dot(y_i, s_i) for s_i, y_i in zip(s, y, strict=True)]
        a = [0.0] * len(s)
        for i in reversed(range(len(s))):
            a[i] = np.dot(s[i], q) / curvature[i]
            q -= a[i] * y[i]
        q *= curvature[-1] / np.dot(y[-1], y[-1])
        for i in range(len(s)):
            q += (a[i] - np.dot(y[i], q) / curvature[i]) * s[i]
        return q

    def state_size(self, parameters: int) -> int:
        return 2 * (self.history + 1) * parameters
