"""The calls of a training step that are no compiled loops, and how Python makes a list of calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from nnexp.components.activations import Call


def product(x: np.ndarray, W: np.ndarray, z: np.ndarray) -> None:
    """z = x W, shapes (B, I), (I, O), (B, O)."""
    np.dot(x, W, out=z)


def product_of_transposed(x: np.ndarray, d: np.ndarray, gW: np.ndarray) -> None:
    """gW = xᵀ d, shapes (B, I), (B, O), (I, O)."""
    np.dot(x.T, d, out=gW)


def product_by_transposed(d: np.ndarray, W: np.ndarray, dx: np.ndarray) -> None:
    """dx = d Wᵀ, shapes (B, O), (I, O), (B, I)."""
    np.dot(d, W.T, out=dx)


def run(calls: Iterable[Call]) -> None:
    """Make the calls, one after the other."""
    for function, *arguments in calls:
        if isinstance(function, np.ufunc):
            function(*arguments[:-1], out=arguments[-1])
        else:
            function(*arguments)


class Draw:
    """Fills an array with random numbers: U(0, 1) or N(0, 1)."""

    def __init__(self, rng: np.random.Generator, kind: Literal["uniform", "normal"]):
        self.rng, self.kind = rng, kind
        self._draw: Any = rng.random if kind == "uniform" else rng.standard_normal

    def __call__(self, u: np.ndarray) -> None:
        self._draw(out=u, dtype=u.dtype)
