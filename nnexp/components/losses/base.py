"""What a loss is: its kinds, and the targets that they take.

z is the network's output, shape (B, O); t the target. A loss is a mean, so its gradient is already divided by its
number of terms. Softmax and sigmoid belong to the loss: the network ends in logits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from nnexp.components.base import Component, default
from nnexp.errors import Misfit


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
