"""Stages: what a pass over a network is made of, each a forward and a backward step on buffers given to it.

Shapes: B examples in a batch, I inputs and O outputs of a layer. A stage's `forward` takes the array that the stage in
front of it returned, and `backward` the gradient by what it returned itself, which it may overwrite.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnexp.components.activations import ElementwiseActivation, RowActivation
from nnexp.components.normalizations import BatchNormalization, StandardizingNormalization
from nnexp.components.regularizers import Activity, Noise
from nnexp.engine import loops


class Buffers:
    """Arrays of B rows, handed out in order. A pass with fewer rows gets the first rows of the same arrays."""

    def __init__(self, dtype: np.dtype):
        self.dtype = dtype
        self.arrays: list[np.ndarray] = []
        self.rows = 0
        self.next = 0

    def rewind(self, rows: int) -> None:
        """Start again for a pass of `rows` rows; more rows than before throw the old arrays away."""
        if rows > self.rows:
            self.rows, self.arrays = rows, []
        self.next = 0
        self._wanted = rows

    def take(self, width: int) -> np.ndarray:
        """The next array, shape (rows, width)."""
        if self.next == len(self.arrays):
            self.arrays.append(np.empty((self.rows, width), self.dtype))
        array = self.arrays[self.next]
        assert array.shape[1] == width
        self.next += 1
        return array[: self._wanted]

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays)


class LinearStage:
    """z = x W;  dW = xᵀ dz,  dx = dz Wᵀ (not for the first layer: nobody needs it)."""

    def __init__(self, W: np.ndarray, gW: np.ndarray, z: np.ndarray, dx: np.ndarray | None):
        self.W, self.gW, self.z, self.dx, self.WT = W, gW, z, dx, W.T
        self.x = z

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return np.dot(x, self.W, out=self.z)

    def backward(self, dz: np.ndarray) -> np.ndarray:
        np.dot(self.x.T, dz, out=self.gW)
        if self.dx is None:
            return dz
        return np.dot(dz, self.WT, out=self.dx)


class BiasStage:
    """z = z + b;  db = Σ_B dz."""

    def __init__(self, z: np.ndarray, b: np.ndarray, gb: np.ndarray):
        self.z, self.b, self.gb = z, b, gb
        self.add, self.sum = loops.add_bias(), loops.column_sums()

    def forward(self, z: np.ndarray) -> np.ndarray:
        self.add(z, self.b)
        return z

    def backward(self, d: np.ndarray) -> np.ndarray:
        self.sum(d, self.gb)
        return d


class WeightNormStage:
    """z = x W with W = g v/‖v‖, computed anew in each pass from the parameters v and g."""

    def __init__(
        self,
        v: np.ndarray,
        g: np.ndarray,
        gv: np.ndarray,
        gg: np.ndarray,
        W: np.ndarray,
        z: np.ndarray,
        dx: np.ndarray | None,
    ):
        """W (I, O) is written in each forward pass; all passes over a layer may have the same."""
        self.v, self.g, self.gv, self.gg = v, g, gv, gg
        self.W, self.r = W, np.empty_like(g)
        self.linear = LinearStage(self.W, gv, z, dx)
        self.compose, self.back = loops.weights_of(), loops.weights_backward()

    @property
    def x(self) -> np.ndarray:
        return self.linear.x

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.compose(self.v, self.g, self.W, self.r)
        return self.linear.forward(x)

    def backward(self, dz: np.ndarray) -> np.ndarray:
        dx = self.linear.backward(dz)
        self.back(self.gv, self.v, self.g, self.r, self.gv, self.gg)
        return dx


class ActivationStage:
    """y = f(z + b);  dz = f'(z + b) dy,  db = Σ_B dz."""

    def __init__(
        self, f: ElementwiseActivation, z: np.ndarray, bias: tuple[np.ndarray, np.ndarray] | None, buffers: Buffers
    ):
        width = z.shape[1]
        self.f, self.z = f, z
        self.b = None if bias is None else bias[0]
        self.gb = np.empty(width, z.dtype) if bias is None else bias[1]
        coefficients = f.coefficients()
        self.c = np.array(coefficients or (0.0,), z.dtype)
        overwrites = "z" not in f.slope_reads
        if type(f).value is None:
            self.y = self.e = z if overwrites else buffers.take(width)
        else:
            self.e = buffers.take(width) if f.transcends else z
            self.y = z if overwrites else buffers.take(width)
        n = len(coefficients)
        value = type(f).value
        self.apply = None if value is None else loops.apply(value, n)
        self.apply_biased = None if value is None or f.transcends else loops.apply_biased(value, n)
        self.back = loops.apply_backward(type(f).slope, n)
        self.add = loops.add_bias()

    def forward(self, z: np.ndarray) -> np.ndarray:
        if self.b is not None:
            if self.apply_biased is not None:
                self.apply_biased(self.z, self.b, self.y, self.c)
                return self.y
            self.add(self.z, self.b)
        if self.f.transcends:
            self.f.transcend(self.z, self.e)
        if self.apply is not None:
            self.apply(self.z, self.e, self.y, self.c)
        return self.y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.back(self.z, self.y, self.e, dy, self.gb, self.c)
        return dy


class LearnedActivationStage:
    """y = f(z + b, a) with learned numbers a: dz = f'(z + b) dy,  db = Σ_B dz,  da = Σ_B dy ∂f/∂a."""

    def __init__(
        self,
        f: ElementwiseActivation,
        z: np.ndarray,
        bias: tuple[np.ndarray, np.ndarray] | None,
        learned: tuple[np.ndarray, np.ndarray],
        buffers: Buffers,
    ):
        width = z.shape[1]
        self.f, self.z = f, z
        self.b = None if bias is None else bias[0]
        self.gb = np.empty(width, z.dtype) if bias is None else bias[1]
        self.given, self.given_gradient = learned
        self.a, self.da = np.empty(width, z.dtype), np.empty(width, z.dtype)
        self.e = buffers.take(width) if f.transcends else z
        self.y = z if "z" not in f.slope_reads else buffers.take(width)
        self.add = loops.add_bias()
        value, slope_by = type(f).value, type(f).slope_by
        assert value is not None
        assert slope_by is not None
        self.apply = loops.apply_learned(value)
        self.back = loops.apply_learned_backward(type(f).slope, slope_by)

    def forward(self, z: np.ndarray) -> np.ndarray:
        if self.b is not None:
            self.add(self.z, self.b)
        self.a[:] = self.given
        if self.f.transcends:
            self.f.transcend_learned(self.z, self.a, self.e)
        self.apply(self.z, self.e, self.y, self.a)
        return self.y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.back(self.z, self.y, self.e, dy, self.gb, self.a, self.da)
        if len(self.given) == 1:
            self.given_gradient[0] = np.sum(self.da)
        else:
            self.given_gradient[:] = self.da
        return dy


class RowActivationStage:
    """y = f(z) for whole rows, which may be of another width."""

    def __init__(self, f: RowActivation, z: np.ndarray, buffers: Buffers):
        self.f, self.z = f, z
        self.y, self.dz = buffers.take(z.shape[1] // f.inputs_per_unit), buffers.take(z.shape[1])

    def forward(self, z: np.ndarray) -> np.ndarray:
        self.f.forward(self.z, self.y)
        return self.y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.f.backward(self.z, self.y, dy, self.dz)
        return self.dz


class JitterStage:
    """z ← z + n spread(z), in training, with n ~ N(0, 1) drawn anew for each batch."""

    def __init__(self, f: ElementwiseActivation, z: np.ndarray, buffers: Buffers, rng: np.random.Generator):
        spread, slope = type(f).spread, type(f).spread_slope
        assert spread is not None
        assert slope is not None
        self.z, self.n, self.rng = z, buffers.take(z.shape[1]), rng
        self.loop = loops.jitter(spread, slope)

    def forward(self, z: np.ndarray) -> np.ndarray:
        self.rng.standard_normal(out=self.n, dtype=self.n.dtype)
        self.loop(self.n, self.z)
        return z

    def backward(self, dz: np.ndarray) -> np.ndarray:
        np.multiply(dz, self.n, out=dz)
        return dz


class ActivityStage:
    """Hands the activations on, and adds a penalty's derivative by them to their gradient."""

    def __init__(self, activity: Activity, y: np.ndarray):
        self.y, self.activity = y, activity
        self.c = np.array([activity.strength / len(y)], y.dtype)
        self.add = loops.activity(activity.slopes()[activity.kind])

    def value(self) -> float:
        """The penalty of the activations that the last pass left."""
        return self.activity.value(self.y)

    def forward(self, y: np.ndarray) -> np.ndarray:
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.add(self.y, dy, self.c)
        return dy


class ForkStage:
    """Where a shortcut begins: x goes on, and is remembered for its end;  dx = dy + the shortcut's gradient."""

    def __init__(self, x: np.ndarray, buffers: Buffers):
        self.x, self.shortcut = x, buffers.take(x.shape[1])

    def forward(self, x: np.ndarray) -> np.ndarray:
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        np.add(dy, self.shortcut, out=dy)
        return dy


class JoinStage:
    """Where a shortcut ends: y = x + what the fork remembers; the gradient goes both ways."""

    def __init__(self, fork: ForkStage, x: np.ndarray, buffers: Buffers):
        self.fork, self.x, self.y = fork, x, buffers.take(x.shape[1])

    def forward(self, x: np.ndarray) -> np.ndarray:
        return np.add(self.x, self.fork.x, out=self.y)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.fork.shortcut[:] = dy
        return dy


class NormalizationStage:
    """y = γ x̂ + β with statistics of this batch or example; batch normalization also keeps running ones."""

    def __init__(
        self,
        norm: StandardizingNormalization,
        x: np.ndarray,
        x̂: np.ndarray,
        y: np.ndarray,
        γ: np.ndarray,
        β: np.ndarray,
        gγ: np.ndarray,
        gβ: np.ndarray,
        running: tuple[np.ndarray, np.ndarray] | None,
    ):
        self.norm, self.x, self.x̂, self.y, self.running = norm, x, x̂, y, running
        self.γ, self.β, self.gγ, self.gβ = γ, β, gγ, gβ
        self.ε = x.dtype.type(norm.eps)
        B, O = x.shape
        count = O if norm.over == "batch" else B * norm.groups_of(O)
        self.mean, self.var, self.r, self.mean_h, self.mean_hx = (np.empty(count, x.dtype) for _ in range(5))
        self.normalize = loops.normalize(type(norm).standard, norm.over, norm.centred)
        self.back = loops.normalize_backward(type(norm).backward, norm.over)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.normalize(self.x, self.x̂, self.y, self.γ, self.β, self.mean, self.var, self.r, self.ε)
        if self.running is not None:
            assert isinstance(self.norm, BatchNormalization)
            mean, var = self.running
            momentum, share = self.norm.momentum, self.norm.running_share(len(self.x))
            mean += momentum * (self.mean - mean)
            var += momentum * (self.var * share - var)
        return self.y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.back(self.x̂, dy, self.γ, self.r, self.gγ, self.gβ, self.mean_h, self.mean_hx)
        return dy


class RunningNormalizationStage:
    """y = γ x̂ + β with the running statistics of training: batch normalization in evaluation."""

    def __init__(
        self,
        norm: StandardizingNormalization,
        x: np.ndarray,
        y: np.ndarray,
        γ: np.ndarray,
        β: np.ndarray,
        running: tuple[np.ndarray, np.ndarray],
    ):
        self.x, self.y, self.γ, self.β, self.running = x, y, γ, β, running
        self.ε = norm.eps
        self.normalize = loops.normalize_given(type(norm).standard)

    def forward(self, x: np.ndarray) -> np.ndarray:
        mean, var = self.running
        r = (1 / np.sqrt(var + self.ε)).astype(self.x.dtype)
        self.normalize(self.x, self.y, self.γ, self.β, mean, r)
        return self.y


class NoiseStage:
    """y = x mask + shift, drawn anew for each batch;  dx = dy mask."""

    def __init__(self, noise: Noise, x: np.ndarray, buffers: Buffers, rng: np.random.Generator):
        self.x = x
        self.draw: Any = rng.random if noise.draws == "uniform" else rng.standard_normal
        self.u, self.y = buffers.take(x.shape[1]), buffers.take(x.shape[1])
        coefficients = noise.coefficients()
        self.c = np.array(coefficients, x.dtype)
        self.apply = loops.noise(type(noise).mask, type(noise).shift, len(coefficients))

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.draw(out=self.u, dtype=self.u.dtype)
        self.apply(self.u, self.x, self.y, self.c)
        return self.y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        np.multiply(dy, self.u, out=dy)
        return dy
