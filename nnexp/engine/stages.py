"""Stages: what a pass over a network is made of, each a list of calls on fixed arrays for either direction.

Shapes: B examples in a batch, I inputs and O outputs of a layer. A stage reads x and hands on y; once it was told where
the gradient by y will be, `dy`, which it may overwrite, it leaves the gradient by x in `dx`. A call is a function with
its arguments, so that a whole step is one list: run by Python, call after call, or played from a tape (tape.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from nnexp.components.activations import Call, ElementwiseActivation, RowActivation
from nnexp.components.normalizations import BatchNormalization, StandardizingNormalization
from nnexp.components.regularizers import Activity, Noise
from nnexp.engine.calls import Draw, product, product_by_transposed, product_of_transposed, run
from nnexp.engine.loops import elementwise, normalizations


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


class Stage:
    """A list of calls forward: all that a stage of evaluation needs."""

    def __init__(self, x: np.ndarray, y: np.ndarray, ahead: list[Call]):
        self.x, self.y = x, y
        self.ahead = ahead
        """The calls that compute y from x."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """y for x, shape (B, I). The array is overwritten by the next call."""
        if x is not self.x:
            np.copyto(self.x, x)
        run(self.ahead)
        return self.y


class TwoWayStage(Stage, ABC):
    """A stage with a list of calls backward, too."""

    def __init__(self, x: np.ndarray, y: np.ndarray, ahead: list[Call]):
        super().__init__(x, y, ahead)
        self.dy: np.ndarray | None = None
        self.dx = x
        self.back: list[Call] = []
        """The calls that compute dx, and the gradients of parameters, from dy."""

    def connect(self, dy: np.ndarray) -> np.ndarray:
        """Fill `back` for a gradient that will lie in dy, shape of y. Returns dx, where that by x will lie."""
        self.dy = dy
        self.dx, self.back = self.backwards(dy)
        return self.dx

    @abstractmethod
    def backwards(self, dy: np.ndarray) -> tuple[np.ndarray, list[Call]]:
        """dx, and the calls that fill it."""

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """dx for dy, which may be overwritten, as dx is by the next call."""
        if dy is not self.dy:
            self.connect(dy)
        run(self.back)
        return self.dx


class LinearStage(TwoWayStage):
    """z = x W;  dW = xᵀ dz,  dx = dz Wᵀ (not for the first layer: nobody needs it)."""

    def __init__(self, x: np.ndarray, W: np.ndarray, gW: np.ndarray, z: np.ndarray, dx: np.ndarray | None):
        super().__init__(x, z, [(product, x, W, z)])
        self.W, self.gW, self.into = W, gW, dx

    def backwards(self, dy: np.ndarray) -> tuple[np.ndarray, list[Call]]:
        by_weights = (product_of_transposed, self.x, dy, self.gW)
        if self.into is None:
            return dy, [by_weights]
        return self.into, [by_weights, (product_by_transposed, dy, self.W, self.into)]


class BiasStage(TwoWayStage):
    """z = z + b;  db = Σ_B dz."""

    def __init__(self, z: np.ndarray, b: np.ndarray, gb: np.ndarray):
        super().__init__(z, z, [(elementwise.add_bias(), z, b)])
        self.gb = gb

    def backwards(self, dy: np.ndarray) -> tuple[np.ndarray, list[Call]]:
        return dy, [(elementwise.column_sums(), dy, self.gb)]


class WeightNormStage(TwoWayStage):
    """z = x W with W = g v/‖v‖, computed anew in each pass from the parameters v and g."""

    def __init__(
        self,
        x: np.ndarray,
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
        self.linear = LinearStage(x, self.W, gv, z, dx)
        super().__init__(x, z, [(normalizations.weights_of(), v, g, self.W, self.r), *self.linear.ahead])

    def backwards(self, dy: np.ndarray) -> tuple[np.ndarray, list[Call]]:
        dx, calls = self.linear.backwards(dy)
        return dx, [*calls, (normalizations.weights_backward(), self.gv, self.v, self.g, self.r, self.gv, self.gg)]


class ActivationStage(TwoWayStage):
    """y = f(z + b);  dz = f'(z + b) dy,  db = Σ_B dz."""

    def __init__(
        self, f: ElementwiseActivation, z: np.ndarray, bias: tuple[np.ndarray, np.ndarray] | None, buffers: Buffers
    ):
        width = z.shape[1]
        self.f, self.z = f, z
        b = None if bias is None else bias[0]
        self.gb = np.empty(width, z.dtype) if bias is None else bias[1]
        coefficients = f.coefficients()
        self.c, n = np.array(coefficients or (0.0,), z.dtype), len(coefficients)
        overwrites, value = "z" not in f.slope_reads, type(f).value
        self.e = buffers.take(width) if f.transcends and not (value is None and overwrites) else z
        y = self.e if value is None else z if overwrites else buffers.take(width)
        super().__init__(z, y, [])
        if b is not None and value is not None and not f.transcends:
            if y is z:
                self.ahead = [(elementwise.apply_biased_over(value, n), z, b, self.c)]
            else:
                self.ahead = [(elementwise.apply_biased(value, n), z, b, y, self.c)]
            return
        self.ahead = [] if b is None else [(elementwise.add_bias(), z, b)]
        self.ahead += f.exponentials(z, self.e)
        if value is not None:
            self.ahead.append((elementwise.apply(value, n), z, self.e, y, self.c))

    def backwards(self, dy: np.ndarray) -> tuple[np.ndarray, list[Call]]:
        back = elementwise.apply_backward(type(self.f).slope, len(self.f.coefficients()))
        return dy, [(back, self.z, self.y, self.e, dy, self.gb, self.c)]


class LearnedActivationStage(TwoWayStage):
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
        self.gb = np.empty(width, z.dtype) if bias is None else bias[1]
        self.given, self.given_gradient = learned
        self.a, self.da = np.empty(width, z.dtype), np.empty(width, z.dtype)
        self.e = buffers.take(width) if f.transcends else z
        y = z if "z" not in f.slope_reads else buffers.take(width)
        value = type(f).value
        assert value is not None
        ahead: list[Call] = [] if bias is None else [(elementwise.add_bias(), z, bias[0])]
        ahead.append((elementwise.broadcast(), self.given, self.a))
        ahead += f.exponentials_learned(z, self.a, self.e)
        super().__init__(z, y, [*ahead, (elementwise.apply_learned(value), z, self.e, y, self.a)])

    def backwards(self, dy: np.ndarray) -> tuple[np.ndarray, list[Call]]:
        slope_by = type(self.f).slope_by
        assert slope_by is not None
        back = elementwise.apply_learned_backward(type(self.f).slope, slope_by)
        calls = [(back, self.z, self.y, self.e, dy, self.gb, self.a, self.da)]
        return dy, [*calls, (elementwise.collect(), self.da, self.given_gradient)]


class RowActivationStage(TwoWayStage):
    """y = f(z) for whole rows, which may be of another width."""

    def __init__(self, f: RowActivation, z: np.ndarray, buffers: Buffers):
        self.f, self.z, y = f, z, buffers.take(z.shape[1] // f.inputs_per_unit)
        self.dz = buffers.take(z.shape[1])
        super().__init__(z, y, [(f.forward, z, y)])

    def backwards(self, dy: np.ndarray) -> tuple[np.ndarray, list[Call]]:
        return self.dz, [(self.f.backward, self.z, self.y, dy, self.dz)]


class JitterStage(TwoWayStage):
    """z ← z + n spread(z), in training, with n ~ N(0, 1) drawn anew for each batch."""

    def __init__(self, f: ElementwiseActivation, z: np.ndarray, buffers: Buffers, rng: np.random.Generator):
        spread, slope = type(f).spread, type(f).spread_slope
        assert spread is not None
        assert slope is not None
        self.n = buffers.take(z.shape[1])
        super().__init__(z, z, [(Draw(rng, "normal"), self.n), (elementwise.jitter(spread, slope), self.n, z)])

    def backwards(self, dy: np.ndarray) -> tuple[np.ndarray, list[Call]]:
        return dy, [(np.multiply, dy, self.n, dy)]


class ActivityStage(TwoWayStage):
    """Hands the activations on, and adds a penalty's derivative by them to their gradient."""

    def __init__(self, activity: Activity, y: np.ndarray):
        super().__init__(y, y, [])
        self.activity = activity
        self.c = np.array([activity.strength / len(y)], y.dtype)

    def value(self) -> float:
        """The penalty of the activations that the last pass left."""
        return self.activity.value(self.y)

    def backwards(self, dy: np.ndarray) -> tuple[np.ndarray, list[Call]]:
        slope = self.activity.slopes()[self.activity.kind]
        return dy, [(elementwise.activity(slope), self.y, dy, self.c)]


class ForkStage(TwoWayStage):
    """Where a shortcut begins: x goes on, and is remembered for its end;  dx = dy + the shortcut's gradient."""

    def __init__(self, x: np.ndarray, buffers: Buffers):
        super().__init__(x, x, [])
        self.shortcut = buffers.take(x.shape[1])

    def backwards(self, dy: np.ndarray) -> tuple[np.ndarray, list[Call]]:
        return dy, [(np.add, dy, self.shortcut, dy)]


class JoinStage(TwoWayStage):
    """Where a shortcut ends: y = x + what the fork remembers; the gradient goes both ways."""

    def __init__(self, fork: ForkStage, x: np.ndarray, buffers: Buffers):
        y = buffers.take(x.shape[1])
        super().__init__(x, y, [(np.add, x, fork.x, y)])
        self.fork = fork

    def backwards(self, dy: np.ndarray) -> tuple[np.ndarray, list[Call]]:
        return dy, [(np.positive, dy, self.fork.shortcut)]


class NormalizationStage(TwoWayStage):
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
        self.norm, self.x̂, self.γ, self.β, self.gγ, self.gβ = norm, x̂, γ, β, gγ, gβ
        B, O = x.shape
        count = O if norm.over == "batch" else B * norm.groups_of(O)
        mean, var, self.r, self.mean_h, self.mean_hx = (np.empty(count, x.dtype) for _ in range(5))
        normalize = normalizations.normalize(type(norm).standard, norm.over, norm.centred)
        ε = np.array([norm.eps], x.dtype)
        ahead: list[Call] = [(normalize, x, x̂, y, γ, β, mean, var, self.r, ε)]
        if running is not None:
            assert isinstance(norm, BatchNormalization)
            share = np.array([norm.running_share(B)], x.dtype)
            momentum = np.array([norm.momentum], x.dtype)
            ahead.append((normalizations.follow(), running[0], mean, momentum, np.ones(1, x.dtype)))
            ahead.append((normalizations.follow(), running[1], var, momentum, share))
        super().__init__(x, y, ahead)

    def backwards(self, dy: np.ndarray) -> tuple[np.ndarray, list[Call]]:
        back = normalizations.normalize_backward(type(self.norm).backward, self.norm.over)
        return dy, [(back, self.x̂, dy, self.γ, self.r, self.gγ, self.gβ, self.mean_h, self.mean_hx)]


class RunningNormalizationStage(Stage):
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
        mean, var = running
        self.var, self.r, self.ε = var, np.empty_like(var), norm.eps
        normalize = normalizations.normalize_given(type(norm).standard)
        super().__init__(x, y, [(self._invert,), (normalize, x, y, γ, β, mean, self.r)])

    def _invert(self) -> None:
        self.r[:] = 1 / np.sqrt(self.var + self.ε)


class NoiseStage(TwoWayStage):
    """y = x mask + shift, drawn anew for each batch;  dx = dy mask."""

    def __init__(self, noise: Noise, x: np.ndarray, buffers: Buffers, rng: np.random.Generator):
        self.u, y = buffers.take(x.shape[1]), buffers.take(x.shape[1])
        coefficients = noise.coefficients()
        self.c = np.array(coefficients, x.dtype)
        apply = elementwise.noise(type(noise).mask, type(noise).shift, len(coefficients))
        super().__init__(x, y, [(Draw(rng, noise.draws), self.u), (apply, self.u, x, y, self.c)])

    def backwards(self, dy: np.ndarray) -> tuple[np.ndarray, list[Call]]:
        return dy, [(np.multiply, dy, self.u, dy)]
