"""Small tasks that fit a loss: how many outputs, and targets encoded for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nnexp.components.losses import Loss
from nnexp.errors import Misfit


@dataclass(frozen=True)
class Task:
    """Targets t (N,) of C classes, or real ones; encoded (N,) or (N, O) as the loss wants them."""

    classes: int | None
    outputs: int
    t: np.ndarray
    encoded: np.ndarray


def tasks(loss: Loss, n: int, dtype: str = "float64") -> Iterator[Task]:
    """A task of n examples for each kind of target that the loss accepts: three classes, two, real."""
    rng = np.random.default_rng(5)
    for classes in (3, 2, None):
        try:
            outputs = loss.outputs(classes)
        except Misfit:
            continue
        t = rng.normal(size=n) if classes is None else np.arange(n) % classes
        try:
            loss.examine(t, classes)
        except Misfit:  # it wants no negative numbers
            t = np.arange(n) % 3.0
            loss.examine(t, classes)
        yield Task(classes, outputs, t, loss.encode(t, classes, np.dtype(dtype)))


def task(loss: Loss, n: int, dtype: str = "float64") -> Task:
    """The first task that fits."""
    return next(tasks(loss, n, dtype))
