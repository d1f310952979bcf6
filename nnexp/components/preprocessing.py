"""Preprocessing: what is done to the inputs before training, fitted on the training split only."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from nnexp.components.base import Component


@dataclass(frozen=True)
class Fitted:
    """What was learned from the training split: x ← (x with `fill` for missing values - shift) / scale, per feature."""

    shift: np.ndarray
    scale: np.ndarray
    fill: np.ndarray | None = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Transform x, shape (N, F)."""
        if self.fill is not None:
            x = np.where(np.isnan(x), self.fill, x)
        return (x - self.shift) / self.scale


class Preprocessing(Component, family="preprocessing"):
    """A transformation of the inputs."""

    @abstractmethod
    def fit(self, x: np.ndarray) -> Fitted:
        """Learn from the training inputs x, shape (N, F), float64."""


class Center(Preprocessing):
    """Subtract each feature's mean.

        x ← x - mean(x)

    Source: Y. LeCun, L. Bottou, G. Orr and K.-R. Müller 1998, Efficient BackProp, section 4.3.

        >>> Center().fit(np.array([[1.0], [3.0]]))(np.array([[5.0]])).tolist()
        [[3.0]]
    """

    name: Literal["center"] = "center"

    def fit(self, x: np.ndarray) -> Fitted:
        return Fitted(x.mean(axis=0), np.ones(x.shape[1]))


class Standardize(Preprocessing):
    """Bring each feature to mean 0 and standard deviation 1.

        x ← (x - mean) / std,   std with 1/N; a constant feature is only centred

    With `scale: global` one standard deviation serves all features, which suits pixels.

    Source: Y. LeCun, L. Bottou, G. Orr and K.-R. Müller 1998, Efficient BackProp, section 4.3; scikit-learn's
    StandardScaler.

        >>> Standardize().fit(np.array([[1.0], [3.0]]))(np.array([[5.0]])).tolist()
        [[3.0]]
    """

    name: Literal["standardize"] = "standardize"
    scale: Literal["feature", "global"] = Field(
        "feature", description="one standard deviation a feature, or one for all"
    )

    def fit(self, x: np.ndarray) -> Fitted:
        mean = x.mean(axis=0)
        std = x.std(axis=0) if self.scale == "feature" else np.full(x.shape[1], (x - mean).std())
        return Fitted(mean, _divisor(std, np.abs(x).max(axis=0)))


class Minmax(Preprocessing):
    """Map each feature's range in the training split to [low, high].

        x ← low + (x - min) (high - low) / (max - min);   a constant feature becomes low

    Values outside the training range fall outside [low, high].

    Source: scikit-learn's MinMaxScaler.

        >>> Minmax().fit(np.array([[1.0], [3.0]]))(np.array([[2.0], [5.0]])).tolist()
        [[0.5], [2.0]]
    """

    name: Literal["minmax"] = "minmax"
    low: float = Field(0.0, description="where the smallest training value goes")
    high: float = Field(1.0, description="where the largest training value goes")

    @model_validator(mode="after")
    def _a_range(self) -> Minmax:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        return self

    def fit(self, x: np.ndarray) -> Fitted:
        low, high = x.min(axis=0), x.max(axis=0)
        scale = _divisor(high - low, np.abs(x).max(axis=0)) / (self.high - self.low)
        return Fitted(low - self.low * scale, scale)


class Impute(Preprocessing):
    """Put each feature's training mean where a value is missing (NaN).

        x ← mean(x) where x is missing

    Goes first in the list.

    Source: R. Little and D. Rubin 1987, Statistical Analysis with Missing Data; scikit-learn's SimpleImputer.

        >>> Impute().fit(np.array([[1.0], [3.0]]))(np.array([[np.nan]])).tolist()
        [[2.0]]
    """

    name: Literal["impute"] = "impute"

    def fit(self, x: np.ndarray) -> Fitted:
        known = ~np.isnan(x)
        mean = np.where(known, x, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return Fitted(np.zeros(x.shape[1]), np.ones(x.shape[1]), mean)


def _divisor(spread: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The spread to divide by, 1 where a feature is constant up to the rounding of values of that size."""
    return np.where(spread <= 1e-12 * np.maximum(size, 1e-300), 1.0, spread)
