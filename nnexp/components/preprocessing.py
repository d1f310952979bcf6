"""Preprocessing: what is done to the inputs before training, fitted on the training split only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from nnexp.components.base import Component, NonNegative, one_thread
from nnexp.errors import Misfit, did_you_mean

BLOCK = 1 << 21
"""Bytes of inputs that a statistic looks at at once."""


@dataclass(frozen=True)
class Fitted(ABC):
    """What a step learned from the training split. Its fields are arrays, and all that is needed to do it again."""

    @abstractmethod
    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Transform x, shape (N, F), to shape (N, G)."""

    def names(self, features: tuple[str, ...]) -> tuple[str, ...]:
        """The names of the G features that become of the F named ones."""
        return features

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, as they are saved with a model: `type(fitted)(**arrays)` does the same."""
        return {one.name: getattr(self, one.name) for one in fields(self) if getattr(self, one.name) is not None}


@dataclass(frozen=True)
class Scaled(Fitted):
    """x ← (x with `fill` for missing values - shift) / scale, per feature."""

    shift: np.ndarray
    scale: np.ndarray
    fill: np.ndarray | None = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        if self.fill is not None:
            x = np.where(np.isnan(x), self.fill, x)
        x = x - self.shift
        x /= self.scale
        return x


@dataclass(frozen=True)
class Linear(Fitted):
    """x ← (x - shift) matrix, with a matrix of shape (F, F) whose outputs belong to the features as before."""

    shift: np.ndarray
    matrix: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        with one_thread():
            return (x - self.shift) @ self.matrix


@dataclass(frozen=True)
class Components(Linear):
    """x ← (x - shift) matrix, with a matrix of shape (F, G) whose columns are directions of the inputs."""

    def names(self, features: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"component{i + 1}" for i in range(self.matrix.shape[1]))


@dataclass(frozen=True)
class PerExample(Fitted):
    """x ← (x - mean) / √(variance + eps) over the features of each example; one without variance is only centred."""

    eps: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(axis=1, keepdims=True)
        std = np.sqrt(centred.var(axis=1, keepdims=True) + self.eps)
        return centred / _divisor(std, np.abs(x).max(axis=1, keepdims=True))


@dataclass(frozen=True)
class Chosen(Fitted):
    """Output g ← x[column g] where value g is NaN, else 1 where x[column g] is value g and 0 elsewhere."""

    column: np.ndarray
    value: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        taken = x[:, self.column]
        return np.where(np.isnan(self.value), taken, taken == self.value)

    def names(self, features: tuple[str, ...]) -> tuple[str, ...]:
        pairs = zip(self.column.tolist(), self.value.tolist(), strict=True)
        return tuple(features[c] if np.isnan(v) else f"{features[c]}={v:g}" for c, v in pairs)


class Preprocessing(Component, family="preprocessing"):
    """A transformation of the inputs."""

    takes_missing: ClassVar[bool] = False
    """Whether inputs may hold missing values (NaN) when the step comes."""

    @abstractmethod
    def fit(self, x: np.ndarray, features: tuple[str, ...] = ()) -> Fitted:
        """Learn from the training inputs x, shape (N, F), float64, whose columns have the names `features`.

        Raises Misfit where the step cannot be done on them.
        """


class Center(Preprocessing):
    """Subtract each feature's mean.

        x ← x - mean(x)

    Source: Y. LeCun, L. Bottou, G. Orr and K.-R. Müller 1998, Efficient BackProp, section 4.3.

        >>> Center().fit(np.array([[1.0], [3.0]]))(np.array([[5.0]])).tolist()
        [[3.0]]
    """

    name: Literal["center"] = "center"

    def fit(self, x: np.ndarray, features: tuple[str, ...] = ()) -> Fitted:
        return Scaled(x.mean(axis=0), np.ones(x.shape[1]))


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

    def fit(self, x: np.ndarray, features: tuple[str, ...] = ()) -> Fitted:
        mean = x.mean(axis=0)
        if self.scale == "feature":
            std = np.sqrt(_sum(x, lambda some: np.square(some - mean)) / len(x))
        else:
            centred = x - mean
            centred -= centred.mean()
            std = np.full(x.shape[1], np.sqrt(np.square(centred, out=centred).mean()))
        return Scaled(mean, _divisor(std, _size(x)))


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

    def fit(self, x: np.ndarray, features: tuple[str, ...] = ()) -> Fitted:
        low, high = x.min(axis=0), x.max(axis=0)
        scale = _divisor(high - low, np.maximum(high, -low)) / (self.high - self.low)
        return Scaled(low - self.low * scale, scale)


def _some(value: object) -> object:
    number = type(value) is int and value >= 1
    share = type(value) is float and 0 < value < 1
    if not (number or share):
        raise ValueError("must be a number of components from 1, or a share of the variance between 0 and 1")
    return value


class Pca(Preprocessing):
    """Replace the features by their principal components: uncorrelated, the one with the largest variance first.

        x ← (x - mean) V,   Vᵀ C V = diag λ,   λ₁ ≥ λ₂ ≥ ...,   C the covariance of the training split with 1/N

    `components` says how many are kept: a whole number, or the share of the variance that they explain at least.
    Directions in which the training split has no variance are never kept. Of the two signs of a component, the one
    is taken whose largest weight is positive. Features of different scales want `standardize` first.

    Source: K. Pearson 1901, Philosophical Magazine 2; H. Hotelling 1933, Journal of Educational Psychology 24;
    scikit-learn's PCA.

    Differs: Pearson's and Hotelling's components have no fixed sign; scikit-learn fixes it in the same way since 1.5.

        >>> Pca(components=1).fit(np.array([[3.0, 4.0], [-3.0, -4.0]]))(np.array([[6.0, 8.0]])).round(12).tolist()
        [[10.0]]
    """

    name: Literal["pca"] = "pca"
    components: Annotated[int | float, BeforeValidator(_some)] = Field(
        0.95, description="components to keep, a whole number from 1, or the share of the variance, below 1"
    )

    def fit(self, x: np.ndarray, features: tuple[str, ...] = ()) -> Fitted:
        mean, variances, directions = _principal(x)
        if isinstance(self.components, int):
            count, found = self.components, len(variances)
            if count > found:
                raise Misfit(
                    "dataset.preprocessing.pca.components",
                    f"{count} components of {x.shape[1]} features; the {len(x)} training examples vary in {found} "
                    "directions",
                )
        else:
            explained = np.cumsum(variances) / variances.sum()
            count = int(np.searchsorted(explained, self.components * (1 - 1e-12))) + 1
        return Components(mean, np.ascontiguousarray(directions[:, :count]))


class Whiten(Preprocessing):
    """Bring all directions of the inputs to the same variance, 1: no correlations, no scales.

        pca   x ← (x - mean) V diag 1/√(λ + eps)
        zca   x ← (x - mean) V diag 1/√(λ + eps) Vᵀ

    λ and V are the variances and directions of `pca`. `kind: zca` turns the result back, so that of all whitened
    inputs it is the nearest to the original ones and features stay what they were (a digit still looks like one).
    With `eps: 0` the training split's covariance (with 1/N) is the identity; a larger eps spares directions of little
    variance, which are mostly noise. Directions without any variance become 0, or with `kind: pca` are left out.

    Source: A. Bell and T. Sejnowski 1997, Vision Research 37 (zca); A. Kessy, A. Lewin and K. Strimmer 2018, The
    American Statistician 72; scikit-learn's PCA with whiten=True.

    Differs: scikit-learn's variances have 1/(N - 1), so its whitened inputs are larger by √(N / (N - 1)), and it has no
    eps.

        >>> x = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 4.0], [0.0, -4.0]])
        >>> Whiten(eps=0.0).fit(x)(x).round(3).tolist()
        [[1.414, 0.0], [-1.414, 0.0], [0.0, 1.414], [0.0, -1.414]]
    """

    name: Literal["whiten"] = "whiten"
    kind: Literal["zca", "pca"] = Field("zca", description="turned back to the features, or principal components")
    eps: NonNegative = Field(1e-5, description="added to the variance of each direction")

    def fit(self, x: np.ndarray, features: tuple[str, ...] = ()) -> Fitted:
        mean, variances, directions = _principal(x)
        whitening = directions / np.sqrt(variances + self.eps)
        if self.kind == "pca":
            return Components(mean, whitening)
        with one_thread():
            return Linear(mean, whitening @ directions.T)


class Layer(Preprocessing):
    """Bring each example to mean 0 and variance 1 over its features: light and contrast of a picture taken away.

        x ← (x - mean) / √(variance + eps),   over the features of one example, with 1/F; a constant example becomes 0

    Nothing is learned from the training split.

    Source: A. Coates and A. Ng 2012, Learning Feature Representations with K-means, in Neural Networks: Tricks of the
    Trade (there with eps 10 for pixels from 0 to 255).

        >>> Layer().fit(np.zeros((2, 2)))(np.array([[1.0, 3.0], [5.0, 5.0]])).tolist()
        [[-1.0, 1.0], [0.0, 0.0]]
    """

    name: Literal["layer"] = "layer"
    eps: NonNegative = Field(0.0, description="added to the variance, so that examples of little contrast stay small")

    def fit(self, x: np.ndarray, features: tuple[str, ...] = ()) -> Fitted:
        if x.shape[1] == 1:
            raise Misfit("dataset.preprocessing.layer", "every example would become 0, for there is only one feature")
        return PerExample(np.array(self.eps))


class OneHot(Preprocessing):
    """Replace whole numbers that stand for categories by one 0/1 feature a value.

        x ← [x = v]   for each value v of the feature in the training split

    Without `columns`, every feature that holds 3 to `most` different values, all of them whole numbers: two values are
    a 0/1 feature already. A value that the training split does not have, and a missing one, is 0 everywhere.
    Text columns of a file need none of this; their data set makes 0/1 features of them.

    Source: scikit-learn's OneHotEncoder with handle_unknown="ignore".

    Differs: scikit-learn encodes all columns, whatever they hold.

        >>> OneHot().fit(np.array([[1.0], [2.0], [5.0]]))(np.array([[5.0], [3.0]])).tolist()
        [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """

    name: Literal["one_hot"] = "one_hot"
    columns: tuple[str, ...] | None = Field(
        None, strict=False, description="features to replace; null: those of a few whole numbers"
    )
    most: Annotated[int, Field(ge=2, le=1000)] = Field(10, description="values that a feature may have at most")

    takes_missing: ClassVar = True

    def fit(self, x: np.ndarray, features: tuple[str, ...] = ()) -> Fitted:
        for column in self.columns or ():
            if column not in features:
                guess = did_you_mean(column, features) or f"; there are {', '.join(features[:20])}"
                raise Misfit("dataset.preprocessing.one_hot.columns", f"no feature '{column}'{guess}")
        columns: list[int] = []
        values: list[float] = []
        for c in range(x.shape[1]):
            found = self._values(x[:, c], features[c] if features else "")
            columns += [c] * max(len(found), 1)
            values += found or [np.nan]
        return Chosen(np.array(columns), np.array(values))

    def _values(self, x: np.ndarray, feature: str) -> list[float]:
        """The values that get a feature each; none where the feature stays as it is."""
        if self.columns is not None and feature not in self.columns:
            return []
        values = np.unique(x[~np.isnan(x)])
        whole = bool((values % 1 == 0).all())
        if self.columns is None:
            return values.tolist() if whole and 3 <= len(values) <= self.most else []
        if not whole or not 1 <= len(values) <= self.most:
            what = f"{len(values)} different values" if whole else f"values such as {values[values % 1 != 0][0]:g}"
            raise Misfit(
                "dataset.preprocessing.one_hot",
                f"the feature '{feature}' has {what} in the training split; one_hot takes whole numbers with at most "
                f"{self.most} ('most') different values",
            )
        return values.tolist()


class Impute(Preprocessing):
    """Put each feature's training mean where a value is missing (NaN).

        x ← mean(x) where x is missing

    Goes first in the list, or right after `one_hot`.

    Source: R. Little and D. Rubin 1987, Statistical Analysis with Missing Data; scikit-learn's SimpleImputer.

        >>> Impute().fit(np.array([[1.0], [3.0]]))(np.array([[np.nan]])).tolist()
        [[2.0]]
    """

    name: Literal["impute"] = "impute"

    takes_missing: ClassVar = True

    def fit(self, x: np.ndarray, features: tuple[str, ...] = ()) -> Fitted:
        known = _sum(x, lambda some: ~np.isnan(some))
        mean = _sum(x, lambda some: np.where(np.isnan(some), 0.0, some)) / np.maximum(known, 1)
        return Scaled(np.zeros(x.shape[1]), np.ones(x.shape[1]), mean)


def _divisor(spread: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The spread to divide by, 1 where a feature is constant up to the rounding of values of that size."""
    return np.where(spread <= 1e-12 * np.maximum(size, 1e-300), 1.0, spread)


def _size(x: np.ndarray) -> np.ndarray:
    """The largest absolute value of each column of x (N, F)."""
    return np.maximum(x.max(axis=0), -x.min(axis=0))


def _sum(x: np.ndarray, term: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The sum (F,) over the rows of x (N, F) of term(rows), of a few at a time: the terms are never all there."""
    rows = max(1, BLOCK // max(x.shape[1] * x.itemsize, 1))
    total = term(x[:rows]).sum(axis=0)
    for first in range(rows, len(x), rows):
        total += term(x[first : first + rows]).sum(axis=0)
    return total


def _principal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean (F,), the variances (K,) with 1/N, falling, and their directions (F, K), for the K with any variance.

    Of the singular values of x, not of its covariance, whose digits would be lost where scales differ. The QR
    decomposition before makes that as quick for many examples. Raises Misfit where the examples are all the same.
    """
    mean = x.mean(axis=0)
    centred = x - mean
    centred[:, _size(centred) <= 1e-12 * _size(x)] = 0.0  # what rounding the mean left of a constant
    with one_thread():
        _, σ, rows = np.linalg.svd(np.linalg.qr(centred, mode="r"), full_matrices=False)
    kept = σ > max(x.shape) * np.finfo(x.dtype).eps * σ[0]
    if not kept.any():
        raise Misfit("dataset.preprocessing", "the training examples are all the same, so they have no directions")
    rows = rows[kept]
    large = np.abs(rows) >= np.abs(rows).max(axis=1, keepdims=True) * (1 - 1e-9)  # the first, where several are equal
    signs = np.sign(rows[np.arange(len(rows)), large.argmax(axis=1)])
    return mean, σ[kept] ** 2 / len(x), (rows * signs[:, None]).T
