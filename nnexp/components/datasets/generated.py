"""Data sets that are drawn anew for each seed, with what is known of them in closed form."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from math import atan, erfc, pi, sqrt
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from nnexp.components.base import Count, NonNegative, one_thread
from nnexp.components.datasets.base import Dataset, Examples, RegressionFields, Table

BLOCK = 1 << 21
"""Bytes of a table that are drawn at once."""


class Generated(Dataset):
    """Examples drawn by `rng`, which comes from the seed, so runs of one seed share them."""

    n: Examples = Field(400, description="examples")

    largest: ClassVar[int] = 100_000_000
    """Numbers that are generated at most: 0.8 GB."""

    @model_validator(mode="after")
    def _fits_into_memory(self) -> Generated:
        features = getattr(self, "features", 1)
        if self.n * features > self.largest:
            raise ValueError(f"n x features is {self.n * features:,}; at most {self.largest:,} numbers are generated")
        return self


class Plane(Generated):
    """Points in the plane, in classes of even size, with noise on the points."""

    noise: NonNegative = Field(0.1, description="standard deviation of the noise on the points")

    def load(self, rng: np.random.Generator) -> Table:
        x, t = self.points(rng)
        return Table(x + rng.normal(0, self.noise, x.shape), t, ("x1", "x2"), _numbered(int(t.max()) + 1))

    @abstractmethod
    def points(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The points without noise, shape (N, 2), and their classes, shape (N,)."""


class Moons(Plane):
    """Two interleaving half circles: not linearly separable, easy for a small network.

        x₁ = (cos φ, sin φ),   x₂ = (1 - cos φ, ½ - sin φ),   φ ~ U(0, π),   plus N(0, noise²)

    Source: scikit-learn's make_moons.

    Differs: φ is random, not evenly spaced.

        >>> Moons(n=10).load(np.random.default_rng(0)).t.tolist()
        [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    """

    name: Literal["moons"] = "moons"

    def points(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        t = _even(self.n, 2)
        return _half_circles(t, rng), t


class Circles(Plane):
    """A circle around another: no line separates them, the distance from the middle does.

        x = r (cos φ, sin φ),   r = 1 for class 0 and factor for class 1,   φ ~ U(0, 2π),   plus N(0, noise²)

    Source: scikit-learn's make_circles.

    Differs: φ is random, not evenly spaced; scikit-learn's factor is 0.8.

        >>> table = Circles(n=10, noise=0.0).load(np.random.default_rng(0))
        >>> np.hypot(*table.x.T).round(12).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5]
    """

    name: Literal["circles"] = "circles"
    factor: Annotated[float, Field(ge=0, lt=1)] = Field(0.5, description="radius of the inner circle; the outer has 1")

    def points(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        t = _even(self.n, 2)
        r, φ = np.where(t == 0, 1.0, self.factor), rng.uniform(0, 2 * np.pi, self.n)
        return np.stack((r * np.cos(φ), r * np.sin(φ)), axis=1), t


class Spiral(Plane):
    """Interleaved spiral arms: needs depth or width, and patience.

        x = r (cos φ, sin φ),   φ = 2π (class / C + turns r),   r ~ U(0, 1),   plus N(0, noise²)

    Source: K. Lang and M. Witbrock 1988 (the two-spirals problem).

        >>> Spiral(n=12, arms=3).load(np.random.default_rng(0)).classes
        ('0', '1', '2')
    """

    name: Literal["spiral"] = "spiral"
    noise: NonNegative = Field(0.02, description="standard deviation of the noise on the points")
    arms: Annotated[int, Field(ge=2, le=20)] = Field(2, description="C, spiral arms, each a class")
    turns: NonNegative = Field(1.5, description="turns of each arm")

    @model_validator(mode="after")
    def _enough_for_each(self) -> Spiral:
        _refuse_too_few(self.n, self.arms, "arms")
        return self

    def points(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        t = _even(self.n, self.arms)
        r = rng.uniform(0, 1, self.n)
        φ = 2 * np.pi * (t / self.arms + self.turns * r)
        return np.stack((r * np.cos(φ), r * np.sin(φ)), axis=1), t


class Xor(Plane):
    """Four clouds at the corners of a square, opposite corners of one class: the smallest problem that is not linear.

        x = corner + N(0, noise²),   class = [corner₁ ≠ corner₂]

    Source: M. Minsky and S. Papert 1969, Perceptrons.

        >>> table = Xor(n=12, noise=0).load(np.random.default_rng(0))
        >>> bool(((table.x[:, 0] != table.x[:, 1]) == table.t).all())
        True
    """

    name: Literal["xor"] = "xor"

    def points(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        corner = np.arange(self.n) % 4
        x = np.stack((corner // 2, corner % 2), axis=1).astype(np.float64)
        return x, (corner // 2 != corner % 2).astype(np.int64)


class TwoDomains(Generated):
    """Moons for training and validation, and for the test the same moons turned and moved.

        first domain    x as in moons                                  training, validation
        second domain   m + R (x - m) + (shift, 0),   m = (½, ¼)       test

    R turns by `angle` degrees around m, the middle of the moons. The sizes of the splits are the usual ones; the
    difference between validation and test scores is what the second domain costs. `angle: 0` and `shift: 0` is the
    control. Noise is added after turning, so both domains have the same.

    Source: P. Germain, A. Habrard, F. Laviolette and E. Morvant 2013, ICML (turned moons as the second domain).

        >>> table = TwoDomains(n=10, test=0.4).load(np.random.default_rng(0))
        >>> table.test.tolist() == [False] * 6 + [True] * 4, table.t.tolist()
        (True, [0, 0, 0, 1, 1, 1, 0, 0, 1, 1])
    """

    name: Literal["two_domains"] = "two_domains"
    noise: NonNegative = Field(0.1, description="standard deviation of the noise on the points")
    angle: Annotated[float, Field(ge=-180, le=180)] = Field(30.0, description="degrees by which the second is turned")
    shift: float = Field(0.0, description="how far it is moved to the right; a moon is 2 wide")

    @model_validator(mode="after")
    def _a_second_domain(self) -> TwoDomains:
        if not 2 <= self.second <= self.n - 2:
            raise ValueError(
                f"the test split is the second domain; with test {self.test:g} of n {self.n} it has {self.second} "
                "examples, and each domain needs 2"
            )
        return self

    @property
    def second(self) -> int:
        """Examples of the second domain."""
        return round(self.n * self.test)

    def load(self, rng: np.random.Generator) -> Table:
        first = self.n - self.second
        t = np.concatenate((_even(first, 2), _even(self.second, 2)))
        x, middle, φ = _half_circles(t, rng), np.array([0.5, 0.25]), np.deg2rad(self.angle)
        turn = np.array([[np.cos(φ), np.sin(φ)], [-np.sin(φ), np.cos(φ)]])
        x[first:] = middle + (x[first:] - middle) @ turn + (self.shift, 0.0)
        moved = f"turned by {self.angle:g} degrees and moved by {self.shift:g}"
        note = f"the test split is {self.second:,} examples of the second domain, {moved}"
        x += rng.normal(0, self.noise, x.shape)
        return Table(x, t, ("x1", "x2"), _numbered(2), np.arange(self.n) >= first, (note,))


class Blobs(Generated):
    """Round clouds around random centres, each a class: easy, unless they happen to lie on each other.

        μ_c ~ U(-10, 10)^F,   x ~ N(μ_c, spread² I)

    Source: scikit-learn's make_blobs.

    Differs: examples come in the order of their class; scikit-learn shuffles them.

        >>> table = Blobs(n=12, centers=4, spread=0.0).load(np.random.default_rng(0))
        >>> len(np.unique(table.x, axis=0)), table.t.tolist()
        (4, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
    """

    name: Literal["blobs"] = "blobs"
    centers: Annotated[int, Field(ge=2, le=1000)] = Field(3, description="C, clouds, each a class")
    spread: NonNegative = Field(1.0, description="standard deviation of each cloud, in each feature")
    features: Count = Field(2, description="F, features")

    @model_validator(mode="after")
    def _enough_for_each(self) -> Blobs:
        _refuse_too_few(self.n, self.centers, "centers")
        return self

    def load(self, rng: np.random.Generator) -> Table:
        t = _even(self.n, self.centers)
        centers = rng.uniform(-10, 10, (self.centers, self.features))
        x = np.empty((self.n, self.features))
        for rows in _blocks(self.n, self.features):
            x[rows] = rng.normal(centers[t[rows]], self.spread)
        return Table(x, t, _features(self.features), _numbered(self.centers))


class Gaussians(Generated):
    """Two Gaussian classes with one covariance: the best possible error is known, and a linear model can reach it.

        x ~ N(±½ distance L u, L Lᵀ),   (L Lᵀ)_ij = correlation^|i - j|,   u = (1, ..., 1) / √F
        Bayes error = Φ(-distance / 2)

    `distance` is Mahalanobis' distance of the means, whatever the covariance and the number of features: 2 means that
    15.87 % must be wrong, 1 means 30.85 %, 4 means 2.28 %.

    Source: R. A. Fisher 1936, Annals of Eugenics 7; the error in R. Duda, P. Hart and D. Stork 2001, Pattern
    Classification, chapter 2.

        >>> Gaussians(distance=2.0).load(np.random.default_rng(0)).notes
        ('no classifier has an expected error below 15.87 %',)
    """

    name: Literal["gaussians"] = "gaussians"
    features: Annotated[int, Field(ge=1, le=1000)] = Field(2, description="F, features")
    distance: NonNegative = Field(2.0, description="Mahalanobis' distance of the two means")
    correlation: Annotated[float, Field(gt=-1, lt=1)] = Field(0.0, description="correlation of neighbouring features")

    @property
    def bayes_error(self) -> float:
        """The share of errors of the best possible classifier."""
        return erfc(self.distance / 2 / sqrt(2)) / 2

    def load(self, rng: np.random.Generator) -> Table:
        t = _even(self.n, 2)
        i = np.arange(self.features)
        L = np.linalg.cholesky(self.correlation ** np.abs(i[:, None] - i))
        means = np.where(t == 0, -0.5, 0.5)[:, None] * self.distance / sqrt(self.features)
        x = np.empty((self.n, self.features))
        note = f"no classifier has an expected error below {self.bayes_error:.2%}".replace("%", " %")
        with one_thread():
            for rows in _blocks(self.n, self.features):
                x[rows] = (rng.normal(size=x[rows].shape) + means[rows]) @ L.T
        return Table(x, t, _features(self.features), _numbered(2), notes=(note,))


class Heterogeneous(Generated):
    """Features of very different scales, all of the same use: what preprocessing and adaptive rates are for.

        x_j = s_j z_j,   s_j = 10^(decades (j / (F - 1) - ½)),   j = 0, ..., F - 1,   z ~ N(0, I)
        class = [Σ_j ± z_j / √F + noise ε > 0],   ε ~ N(0, 1),   the signs in turn
        Bayes error = arctan(noise) / π

    The preprocessing `none` leaves the scales as they are; `standardize`, the default, takes them away.

    Source: Y. LeCun, L. Bottou, G. Orr and K.-R. Müller 1998, Efficient BackProp, section 4.3 (why scales matter).

        >>> x = Heterogeneous(n=1000, features=3, decades=4.0).load(np.random.default_rng(0)).x
        >>> (np.log10(x.std(axis=0)).round(1) + 0.0).tolist()
        [-2.0, 0.0, 2.0]
    """

    name: Literal["heterogeneous"] = "heterogeneous"
    features: Annotated[int, Field(ge=2)] = Field(10, description="F, features")
    decades: Annotated[float, Field(ge=0, le=12)] = Field(4.0, description="powers of ten between the scales")
    noise: NonNegative = Field(0.1, description="standard deviation of the noise before the class is told")

    @property
    def bayes_error(self) -> float:
        """The share of errors of the best possible classifier."""
        return atan(self.noise) / pi

    def load(self, rng: np.random.Generator) -> Table:
        t = _even(self.n, 2)
        j = np.arange(self.features)
        z, ε = rng.normal(size=(self.n, self.features)), rng.normal(size=self.n)
        with one_thread():
            score = z @ np.where(j % 2 == 0, 1, -1) / sqrt(self.features) + self.noise * ε
        z[(score > 0) != (t == 1)] *= -1  # (z, ε) is as likely as (-z, -ε), so classes can be made even
        scales = 10 ** (self.decades * (j / (self.features - 1) - 0.5))
        note = f"no classifier has an expected error below {self.bayes_error:.2%}".replace("%", " %")
        z *= scales
        return Table(z, t, _features(self.features), _numbered(2), notes=(note,))


class SparseBagOfWords(Generated):
    """Which words a text has, most of them rare, and each of some use: where rates of their own for each weight help.

        P(x_j = 1 | class c) = p_j (1 ± strength),   p_j = ½ / j^exponent,   j = 1, ..., F

    Word j is more frequent in class 1 for an even j and in class 0 for an odd one. Given the class, words are
    independent, so a linear model can be the best possible one. The preprocessing `none` leaves zeros zeros.

    Source: G. Zipf 1935, The Psycho-Biology of Language (frequencies); J. Duchi, E. Hazan and Y. Singer 2011, JMLR 12
    (why rare features want larger steps).

        >>> table = SparseBagOfWords(n=10, features=5).load(np.random.default_rng(0))
        >>> table.features, sorted(set(table.x.ravel().tolist()))
        (('word1', 'word2', 'word3', 'word4', 'word5'), [0.0, 1.0])
    """

    name: Literal["sparse_bag_of_words"] = "sparse_bag_of_words"
    n: Examples = Field(1000, description="texts")
    features: Annotated[int, Field(ge=2)] = Field(500, description="F, words, from the most frequent to the rarest")
    exponent: NonNegative = Field(1.0, description="how quickly frequencies fall; 1 is Zipf's law")
    strength: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="how much a word's frequency tells the class"
    )

    def frequencies(self) -> np.ndarray:
        """The probability of each word in each class, shape (2, F)."""
        j = np.arange(1, self.features + 1)
        lean = self.strength * np.where(j % 2 == 0, 1, -1)
        return 0.5 / j**self.exponent * np.stack((1 - lean, 1 + lean))

    def load(self, rng: np.random.Generator) -> Table:
        t, p = _even(self.n, 2), self.frequencies()
        x = np.empty((self.n, self.features))
        for rows in _blocks(self.n, self.features):
            x[rows] = rng.random(x[rows].shape) < p[t[rows]]
        note = f"{x.mean():.2%} of the table is not 0".replace("%", " %")
        return Table(x, t, _features(self.features, "word"), _numbered(2), notes=(note,))


class LinearRegression(RegressionFields, Generated):
    """A linear target with known weights, and inputs as badly conditioned as wanted: gradient descent's own problem.

        x ~ N(0, Q diag λ Qᵀ),   λ_j = condition^(-j / (F - 1)),   Q a random rotation
        t = Σ_j w_j x_j + noise ε,   w_j = (-1)^j,   j = 0, ..., F - 1,   ε ~ N(0, 1)

    The Hessian of the mean squared error is twice the covariance of the inputs, so its condition number is `condition`,
    up to sampling, if the preprocessing leaves the inputs as they are (`preprocessing: none`). The best possible mse is
    noise².

    Source: Y. LeCun, L. Bottou, G. Orr and K.-R. Müller 1998, Efficient BackProp, section 5 (convergence and
    eigenvalues); scikit-learn's make_regression.

    Differs: scikit-learn's inputs are uncorrelated and its weights random.

        >>> table = LinearRegression(n=50, features=3, noise=0.0).load(np.random.default_rng(0))
        >>> bool(np.allclose(table.t, table.x @ [1, -1, 1]))
        True
    """

    name: Literal["linear_regression"] = "linear_regression"
    features: Annotated[int, Field(ge=1, le=2000)] = Field(10, description="F, features")
    noise: NonNegative = Field(0.1, description="standard deviation of the noise on the target")
    condition: Annotated[float, Field(ge=1, le=1e12)] = Field(
        10.0, description="largest over smallest eigenvalue of the inputs' covariance"
    )

    @model_validator(mode="after")
    def _two_to_compare(self) -> LinearRegression:
        if self.features == 1 and self.condition > 1:
            raise ValueError("one feature has one eigenvalue; say 'condition: 1' or take more features")
        return self

    def load(self, rng: np.random.Generator) -> Table:
        F = self.features
        j = np.arange(F)
        λ = self.condition ** -(j / max(F - 1, 1))
        w = np.where(j % 2 == 0, 1.0, -1.0)
        with one_thread():
            Q, _ = np.linalg.qr(rng.normal(size=(F, F)))
            x = np.empty((self.n, F))
            for rows in _blocks(self.n, F):
                x[rows] = rng.normal(size=x[rows].shape) * np.sqrt(λ) @ Q.T
            t = x @ w + self.noise * rng.normal(size=self.n)
            signal = float((λ * (Q.T @ w) ** 2).sum())
        best = signal / (signal + self.noise**2)
        note = f"no model has an expected mse below {self.noise**2:g} (or r2 above {best:.4f})"
        return Table(x, t, _features(F), None, notes=(note,))


class Function1d(RegressionFields, Generated):
    """One function of one input, to look at what a network makes of it.

        t = f(x) + noise ε,   x ~ U(-1, 1),   ε ~ N(0, 1)
        sine         sin 2πx
        step         0 for x < 0, else 1
        polynomial   4x³ - 3x
        absolute     |x|
        chirp        sin 4πx²   (slow in the middle, quick at the ends)

    The best possible mse is noise². The polynomial is Chebyshev's of degree 3.

    Source: A. Barron 1993, IEEE Transactions on Information Theory 39 (how well networks approximate functions).

        >>> table = Function1d(n=10, function="absolute", noise=0.0).load(np.random.default_rng(0))
        >>> bool((table.t == np.abs(table.x[:, 0])).all())
        True
    """

    name: Literal["function_1d"] = "function_1d"
    function: Literal["sine", "step", "polynomial", "absolute", "chirp"] = Field("sine", description="f")
    noise: NonNegative = Field(0.1, description="standard deviation of the noise on the target")

    def load(self, rng: np.random.Generator) -> Table:
        x = rng.uniform(-1, 1, self.n)
        t = self.values(x) + self.noise * rng.normal(size=self.n)
        return Table(x[:, None], t, ("x",), None, notes=(f"no model has an expected mse below {self.noise**2:g}",))

    def values(self, x: np.ndarray) -> np.ndarray:
        """f(x) of the chosen function."""
        functions = {
            "sine": np.sin(2 * np.pi * x),
            "step": np.where(x < 0, 0.0, 1.0),
            "polynomial": 4 * x**3 - 3 * x,
            "absolute": np.abs(x),
            "chirp": np.sin(4 * np.pi * x**2),
        }
        return functions[self.function]


def _even(n: int, classes: int) -> np.ndarray:
    """n classes in order, as many of each as can be."""
    return np.arange(n) * classes // n


def _blocks(n: int, features: int) -> Iterator[slice]:
    """The rows of a table, a few at a time, so that what is drawn for them does not take its memory again."""
    rows = max(1, BLOCK // (8 * features))
    for first in range(0, n, rows):
        yield slice(first, min(first + rows, n))


def _half_circles(t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    φ = rng.uniform(0, np.pi, len(t))
    x = np.where(t == 0, np.cos(φ), 1 - np.cos(φ)), np.where(t == 0, np.sin(φ), 0.5 - np.sin(φ))
    return np.stack(x, axis=1)


def _numbered(classes: int) -> tuple[str, ...]:
    return tuple(str(c) for c in range(classes))


def _features(count: int, word: str = "x") -> tuple[str, ...]:
    return tuple(f"{word}{i + 1}" for i in range(count))


def _refuse_too_few(n: int, classes: int, what: str) -> None:
    if classes > n:
        raise ValueError(f"n ({n}) is too small for {classes} {what}, each a class")
