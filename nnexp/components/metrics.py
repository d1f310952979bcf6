"""Metrics: what is measured beside the loss, on a whole split at once."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np

from nnexp.components.base import Component, default, members


class Metric(Component, family="metric"):
    """A number that says how good predictions are."""

    task: ClassVar[Literal["classification", "regression"]]
    """The kind of target that it is logged for."""
    higher_is_better: ClassVar[bool]

    @abstractmethod
    def measure(self, predicted: np.ndarray, t: np.ndarray) -> float:
        """Compare predictions with targets, both of shape (N,): classes, or numbers in the data's own units."""

    @default
    def chance(self, classes: int | None) -> float | None:
        """What a guess scores that has not looked at the inputs; None where that depends on the targets."""
        return None


class Accuracy(Metric):
    """The share of examples whose class is predicted.

        accuracy = #(predicted = t) / N

    Source: none; its standard error on N examples is √(a (1 - a) / N).

        >>> Accuracy().measure(np.array([1, 2, 0]), np.array([1, 0, 0]))
        0.6666666666666666
    """

    name: Literal["accuracy"] = "accuracy"
    task: ClassVar = "classification"
    higher_is_better: ClassVar = True

    def measure(self, predicted: np.ndarray, t: np.ndarray) -> float:
        return float(np.count_nonzero(predicted == t)) / len(t)

    def chance(self, classes: int | None) -> float | None:
        return None if classes is None else 1 / classes


class RSquared(Metric):
    """The share of the target's variance that is explained.

        r2 = 1 - Σ (t - predicted)² / Σ (t - mean(t))²

    1 is perfect, 0 as good as the mean, below 0 worse than it.

    Source: S. Wright 1921; scikit-learn's r2_score.

        >>> RSquared().measure(np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0]))
        0.5
    """

    name: Literal["r2"] = "r2"
    task: ClassVar = "regression"
    higher_is_better: ClassVar = True

    def measure(self, predicted: np.ndarray, t: np.ndarray) -> float:
        spread = float(np.sum((t - t.mean()) ** 2))
        return 1 - float(np.sum((t - predicted) ** 2)) / spread if spread > 0 else float("nan")

    def chance(self, classes: int | None) -> float | None:
        return 0.0


class Rmse(Metric):
    """The root of the mean squared error, in the target's own units.

        rmse = √(Σ (t - predicted)² / N)

    Source: C. F. Gauss 1809.

        >>> Rmse().measure(np.array([1.0, 2.0]), np.array([4.0, 6.0]))
        3.5355339059327378
    """

    name: Literal["rmse"] = "rmse"
    task: ClassVar = "regression"
    higher_is_better: ClassVar = False

    def measure(self, predicted: np.ndarray, t: np.ndarray) -> float:
        return float(np.sqrt(np.mean((t - predicted) ** 2)))


def metrics_for(task: str) -> list[Metric]:
    """The metrics that are logged for a kind of target, in the order of this file."""
    return [cls.model_validate({}) for cls in members(Metric).values() if cls.task == task]  # type: ignore[type-abstract]
