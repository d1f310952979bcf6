"""Surfaces: functions on which θ itself is the parameter, so that an optimizer's path can be seen and checked.

θ has D coordinates, two on most. What is known of a surface in closed form stands on it: its minima and its saddles.
`value` also takes many points at once, θ (D, ...), for pictures.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from nnexp.components.base import NonNegative, Positive, default
from nnexp.components.grounds import TrainingGround

Point = Annotated[tuple[float, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)]
Coordinates = Annotated[int, Field(ge=1, le=100_000)]


def begins(*θ: float) -> Any:
    """The field for the start of a surface, with its usual start."""
    return Field(θ, description="θ at step 0")


class Surface(TrainingGround):
    """A function f(θ) to be minimized, without examples: one update is an epoch."""

    keys: ClassVar = frozenset(
        {"name", "seed", "streams", "plugins", "dataset", "optimizer", "schedule", "clip", "stop", "monitor"}
        | {"precision", "threads"}
    )
    precision: ClassVar = "float64"

    start: Point | None = Field(None, description="θ at step 0; null: the surface's own start")
    scatter: NonNegative = Field(
        0.0, description="standard deviation of normal noise on the start, drawn from the seed"
    )
    noise: NonNegative = Field(
        0.0, description="standard deviation of normal noise on each coordinate of each gradient, drawn from the seed"
    )

    @model_validator(mode="after")
    def _one_number_a_coordinate(self) -> Surface:
        if self.start is not None and len(self.start) != self.size():
            count = f"{len(self.start)} number{'s' if len(self.start) != 1 else ''}"
            raise ValueError(f"'start' has {count}, but θ has {self.size()} here")
        return self

    @default
    def size(self) -> int:
        """D, the number of coordinates."""
        return 2

    @default
    def first(self) -> np.ndarray:
        """θ at step 0, shape (D,), without scatter."""
        assert self.start is not None
        return np.array(self.start)

    @abstractmethod
    def value(self, θ: np.ndarray) -> Any:
        """f at θ (D,), a number; or at θ (D, ...), shape (...)."""

    @abstractmethod
    def gradient(self, θ: np.ndarray) -> np.ndarray:
        """The derivatives of f at θ (D,), shape (D,)."""

    @default
    def minima(self) -> np.ndarray:
        """The known global minima, shape (K, D); K is 0 where f has no lower bound."""
        return np.empty((0, self.size()))

    @default
    def saddles(self) -> np.ndarray:
        """The known saddles, shape (K, D)."""
        return np.empty((0, self.size()))

    @default
    def distance(self, θ: np.ndarray) -> float:
        """From θ (D,) to the nearest global minimum; infinite where there is none."""
        return float(np.min(np.linalg.norm(self.minima() - θ, axis=1), initial=np.inf))


class Quadratic(Surface):
    """A bowl whose directions curve differently: the harder, the larger the ratio of the curvatures.

        f = 1/2 Σ λ_i u_i²,   u = θ, or with `rotated` the cosine transform of θ

    Along u_i the gradient is λ_i u_i, and plain descent converges for η < 2/λ_max, at best by (κ - 1)/(κ + 1) a step.
    The λ are spread evenly on a logarithmic scale from 1 to κ, or are those of `spectrum`: negative ones make a saddle,
    zeros a valley. A rotation (the orthonormal DCT-II) changes nothing for sgd and momentum, but everything for methods
    that scale each coordinate by itself. The start is u = (1, ..., 1).

    Source: A.-L. Cauchy 1847; the rate in B. Polyak 1964, USSR Computational Mathematics 4.

        >>> f = Quadratic(spectrum=[1, 4])
        >>> float(f.value(np.array([1.0, 1.0]))), f.gradient(np.array([1.0, 1.0])).tolist()
        (2.5, [1.0, 4.0])
    """

    alternatives: ClassVar = (("spectrum",), ("dimension", "condition"))

    name: Literal["quadratic"] = "quadratic"
    dimension: Coordinates | None = Field(None, description="D; 2 where nothing is given")
    condition: Annotated[float, Field(ge=1)] | None = Field(
        None, description="κ, the ratio of the largest curvature to the smallest; 10 where nothing is given"
    )
    spectrum: Annotated[Point, Field(min_length=1, max_length=100_000)] | None = Field(
        None, description="λ, the curvature of each direction, in place of the other two"
    )
    rotated: bool = Field(False, description="turn the directions away from the axes")

    @model_validator(mode="before")
    @classmethod
    def _one_way_to_say_it(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given = {key for key in ("dimension", "condition", "spectrum") if data.get(key) is not None}
        if "spectrum" in given and len(given) > 1:
            raise ValueError("give either 'spectrum' or 'dimension' and 'condition', not both")
        usual = {} if "spectrum" in given else {"dimension": 2, "condition": 10.0}
        return {**data, **{key: value for key, value in usual.items() if key not in given}}

    @property
    def λ(self) -> np.ndarray:
        """The curvatures, shape (D,)."""
        if self.spectrum is not None:
            return np.array(self.spectrum)
        assert self.dimension is not None
        assert self.condition is not None
        return np.geomspace(1.0, self.condition, self.dimension) if self.dimension > 1 else np.ones(1)

    def size(self) -> int:
        return self.dimension or len(self.spectrum or ())

    def _turned(self, θ: np.ndarray, back: bool = False) -> np.ndarray:
        if not self.rotated:
            return θ
        from scipy.fft import dct, idct

        return (idct if back else dct)(θ, axis=0, norm="ortho")

    def first(self) -> np.ndarray:
        return np.array(self.start) if self.start is not None else self._turned(np.ones(self.size()), back=True)

    def value(self, θ: np.ndarray) -> Any:
        u = self._turned(θ)
        return 0.5 * np.tensordot(self.λ.astype(u.dtype), u * u, 1)

    def gradient(self, θ: np.ndarray) -> np.ndarray:
        return self._turned(self.λ.astype(θ.dtype) * self._turned(θ), back=True)

    def minima(self) -> np.ndarray:
        return np.zeros((int((self.λ >= 0).all()), self.size()))

    def saddles(self) -> np.ndarray:
        return np.zeros((int((self.λ > 0).any() and (self.λ < 0).any()), self.size()))

    def distance(self, θ: np.ndarray) -> float:
        return float(np.linalg.norm(self._turned(θ)[self.λ > 0])) if len(self.minima()) else np.inf


class Rosenbrock(Surface):
    """A curved valley with a flat floor: its floor is found at once, its minimum slowly.

        f = (a - x)² + b (y - x²)²,   minimum 0 at (a, a²)

    At the minimum the curvatures are in the ratio 2508 (with a = 1, b = 100).

    Source: H. Rosenbrock 1960, The Computer Journal 3.

        >>> round(float(Rosenbrock().value(np.array([-1.2, 1.0]))), 6)
        24.2
    """

    name: Literal["rosenbrock"] = "rosenbrock"
    start: Point = begins(-1.2, 1.0)
    a: float = Field(1.0, description="x at the minimum")
    b: Positive = Field(100.0, description="how steep the valley's walls are")

    def value(self, θ: np.ndarray) -> Any:
        x, y = θ
        return (self.a - x) ** 2 + self.b * (y - x**2) ** 2

    def gradient(self, θ: np.ndarray) -> np.ndarray:
        x, y = θ
        return np.stack((2 * (x - self.a) - 4 * self.b * x * (y - x**2), 2 * self.b * (y - x**2)))

    def minima(self) -> np.ndarray:
        return np.array([[self.a, self.a**2]])


class Beale(Surface):
    """Flat plains, steep corners and one minimum between them.

        f = (1.5 - x + x y)² + (2.25 - x + x y²)² + (2.625 - x + x y³)²,   minimum 0 at (3, 1/2), saddle at (0, 1)

    Source: E. Beale 1958, technical report 25, Princeton University; J. Moré, B. Garbow and K. Hillstrom 1981, ACM TOMS
    7, problem 5 (and its start).

        >>> float(Beale().value(np.array([3.0, 0.5]))), float(Beale().value(np.array([0.0, 1.0])))
        (0.0, 14.203125)
    """

    name: Literal["beale"] = "beale"
    start: Point = begins(1.0, 1.0)

    def value(self, θ: np.ndarray) -> Any:
        x, y = θ
        return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2

    def gradient(self, θ: np.ndarray) -> np.ndarray:
        x, y = θ
        r = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
        dx = r[0] * (y - 1) + r[1] * (y**2 - 1) + r[2] * (y**3 - 1)
        dy = r[0] * x + r[1] * 2 * x * y + r[2] * 3 * x * y**2
        return np.stack((2 * dx, 2 * dy))

    def minima(self) -> np.ndarray:
        return np.array([[3.0, 0.5]])

    def saddles(self) -> np.ndarray:
        return np.array([[0.0, 1.0]])


class Himmelblau(Surface):
    """Four minima of the same depth: which one is found depends on the start and on the optimizer.

        f = (x² + y - 11)² + (x + y² - 7)²,   minima 0 at (3, 2) and, for k = 0, 1, 2, at
        x_k = 2 √(16/3) cos(arccos(23/2 (3/16)^(3/2)) / 3 - 2πk/3) - 1,   y_k = 11 - x_k²

    Four saddles lie between them, and a maximum at (-0.27, -0.92), near the usual start.

    Source: D. Himmelblau 1972, Applied Nonlinear Programming. The x_k solve x³ + 3 x² - 13 x - 38 = 0.

        >>> Himmelblau().minima().round(3).tolist()
        [[3.0, 2.0], [3.584, -1.848], [-2.805, 3.131], [-3.779, -3.283]]
    """

    name: Literal["himmelblau"] = "himmelblau"
    start: Point = begins(0.0, 0.0)

    def value(self, θ: np.ndarray) -> Any:
        x, y = θ
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

    def gradient(self, θ: np.ndarray) -> np.ndarray:
        x, y = θ
        a, b = x**2 + y - 11, x + y**2 - 7
        return np.stack((4 * x * a + 2 * b, 2 * a + 4 * y * b))

    def minima(self) -> np.ndarray:
        third = np.arccos(23 / 2 * (3 / 16) ** 1.5) / 3
        x = np.append(3.0, 2 * np.sqrt(16 / 3) * np.cos(third - 2 * np.pi * np.arange(3) / 3) - 1)
        return np.stack((x, 11 - x**2), axis=1)

    def saddles(self) -> np.ndarray:
        return np.array(
            [
                [0.08667750455539636, 2.884254701174776],
                [-0.12796134673068008, -1.9537149802445763],
                [-3.0730257507643897, -0.08135304428796751],
                [3.385154183607021, 0.07385187983774928],
            ]
        )


class Rastrigin(Surface):
    """A bowl with a lattice of dimples: a local minimum near every point of whole numbers, the global one at 0.

        f = A D + Σ (θ_i² - A cos 2π θ_i),   minimum 0 at 0

    `distance` is to the global minimum; most paths end in a dimple short of it.

    Source: L. Rastrigin 1974, Systems of Extremal Control (in Russian), with A = 10.

        >>> f = Rastrigin()
        >>> round(float(f.value(np.array([1.0, 0.0]))), 6), round(float(f.value(np.array([0.5, 0.0]))), 6)
        (1.0, 20.25)
    """

    name: Literal["rastrigin"] = "rastrigin"
    dimension: Coordinates = Field(2, description="D")
    amplitude: NonNegative = Field(10.0, description="A, half the depth of a dimple")

    def size(self) -> int:
        return self.dimension

    def first(self) -> np.ndarray:
        return np.array(self.start) if self.start is not None else np.full(self.dimension, 2.2)

    def value(self, θ: np.ndarray) -> Any:
        return np.sum(θ**2 + self.amplitude * (1 - np.cos(2 * np.pi * θ)), axis=0)

    def gradient(self, θ: np.ndarray) -> np.ndarray:
        return 2 * θ + 2 * np.pi * self.amplitude * np.sin(2 * np.pi * θ)

    def minima(self) -> np.ndarray:
        return np.zeros((1, self.dimension))


class Saddle(Surface):
    """The plainest saddle: a valley along x, a ridge along y, and no lower bound.

        f = x² - y²,   saddle at 0

    The start lies almost on the ridge. How long an optimizer stays near the saddle is what can be seen here; after that
    y grows without end, and the loss falls below 0.

    Source: Y. Dauphin et al. 2014, NIPS (why saddles are what slows training down).

        >>> Saddle().gradient(np.array([1.0, 0.5])).tolist()
        [2.0, -1.0]
    """

    name: Literal["saddle"] = "saddle"
    start: Point = begins(1.0, 0.001)

    def value(self, θ: np.ndarray) -> Any:
        x, y = θ
        return x**2 - y**2

    def gradient(self, θ: np.ndarray) -> np.ndarray:
        x, y = θ
        return np.stack((2 * x, -2 * y))

    def saddles(self) -> np.ndarray:
        return np.zeros((1, 2))


class MonkeySaddle(Surface):
    """A saddle with a third dip for the tail, where gradient and curvature vanish together.

        f = x³ - 3 x y²,   saddle at 0, where all second derivatives are 0

    There is no lower bound: three ways lead down, along -x and at 60° to either side of x.

    Source: D. Hilbert and S. Cohn-Vossen 1932, Anschauliche Geometrie.

        >>> f = MonkeySaddle()
        >>> [round(float(f.value(np.array([np.cos(φ), np.sin(φ)]))), 6) for φ in (0.0, np.pi / 3)]
        [1.0, -1.0]
    """

    name: Literal["monkey_saddle"] = "monkey_saddle"
    start: Point = begins(1.0, 0.001)

    def value(self, θ: np.ndarray) -> Any:
        x, y = θ
        return x**3 - 3 * x * y**2

    def gradient(self, θ: np.ndarray) -> np.ndarray:
        x, y = θ
        return np.stack((3 * x**2 - 3 * y**2, -6 * x * y))

    def saddles(self) -> np.ndarray:
        return np.zeros((1, 2))


class DoubleWell(Surface):
    """Two equal minima with a pass between them.

        f = (x² - 1)² + y²,   minima 0 at (±1, 0), saddle 1 at 0

    With `noise` an optimizer may cross the pass.

    Source: G. Duffing 1918, Erzwungene Schwingungen (the potential in x).

        >>> f = DoubleWell()
        >>> [float(f.value(np.array(θ))) for θ in ([1.0, 0.0], [0.0, 0.0], [0.0, 2.0])]
        [0.0, 1.0, 5.0]
    """

    name: Literal["double_well"] = "double_well"
    start: Point = begins(0.01, 1.0)

    def value(self, θ: np.ndarray) -> Any:
        x, y = θ
        return (x**2 - 1) ** 2 + y**2

    def gradient(self, θ: np.ndarray) -> np.ndarray:
        x, y = θ
        return np.stack((4 * x * (x**2 - 1), 2 * y))

    def minima(self) -> np.ndarray:
        return np.array([[-1.0, 0.0], [1.0, 0.0]])

    def saddles(self) -> np.ndarray:
        return np.zeros((1, 2))


class ProductOfWeights(Surface):
    """The smallest deep linear network: two weights in a row that are to multiply to 1.

        f = (1 - w₁ w₂)²,   minima 0 on the hyperbola w₁ w₂ = 1, saddle 1 at 0

    Small weights start near the saddle, where both gradients are small. The curvature at a minimum, w₁² + w₂² times 2,
    is least where both weights are 1.

    Source: A. Saxe, J. McClelland and S. Ganguli 2014, ICLR (arXiv 1312.6120).

        >>> f = ProductOfWeights()
        >>> f.gradient(np.array([1.0, 0.5])).tolist(), round(f.distance(np.array([2.0, 2.0])), 4)
        ([-0.5, -1.0], 1.4142)
    """

    name: Literal["w1w2"] = "w1w2"
    start: Point = begins(1.0, -0.9)

    def value(self, θ: np.ndarray) -> Any:
        w1, w2 = θ
        return (1 - w1 * w2) ** 2

    def gradient(self, θ: np.ndarray) -> np.ndarray:
        w1, w2 = θ
        error = 1 - w1 * w2
        return np.stack((-2 * w2 * error, -2 * w1 * error))

    def minima(self) -> np.ndarray:
        """Those nearest to 0, of a whole hyperbola."""
        return np.array([[1.0, 1.0], [-1.0, -1.0]])

    def saddles(self) -> np.ndarray:
        return np.zeros((1, 2))

    def distance(self, θ: np.ndarray) -> float:
        # The nearest (w, 1/w) has w⁴ - w₁ w³ + w₂ w - 1 = 0; what is not a root of it is only farther away.
        w1, w2 = (float(w) for w in θ)
        if not (np.isfinite(w1) and np.isfinite(w2)):
            return np.inf
        w = np.roots([1.0, -w1, 0.0, w2, -1.0]).real
        w = w[w != 0]
        return float(np.min(np.hypot(w - w1, 1 / w - w2)))
