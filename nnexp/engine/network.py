"""A network: all parameters in one vector, and for each batch shape a pass of stages over buffers allocated once.

Shapes: B examples in a batch, I inputs and O outputs of a layer, D parameters. A weight matrix is (I, O), so a layer
is x W + b.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnexp.components.activations import Activation
from nnexp.components.initializers import Initializer
from nnexp.components.normalizations import BatchNormalization, Normalization, StandardizingNormalization
from nnexp.components.regularizers import Noise
from nnexp.engine import loops
from nnexp.engine.streams import stream


@dataclass(frozen=True)
class Parameter:
    """One array's place in the parameter vector."""

    name: str
    shape: tuple[int, ...]
    is_weight: bool
    offset: int = 0

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def view(self, vector: np.ndarray) -> np.ndarray:
        """This parameter inside a vector of all parameters."""
        return vector[self.offset : self.offset + self.size].reshape(self.shape)


@dataclass(frozen=True)
class Layer:
    """A linear map with what follows it. The output layer has no activation, normalization or noise."""

    name: str
    inputs: int
    outputs: int
    activation: Activation | None
    normalization: StandardizingNormalization | None
    noises: tuple[Noise, ...]

    @property
    def has_bias(self) -> bool:
        """Batch normalization right behind the linear map would take a bias away again."""
        norm = self.normalization
        return not (norm is not None and norm.over == "batch" and norm.where == "before")

    def parameters(self) -> list[Parameter]:
        """Weight, bias, γ and β, without their offsets."""
        wide = (self.outputs,)
        found = [Parameter(f"{self.name}.weight", (self.inputs, self.outputs), True)]
        if self.has_bias:
            found.append(Parameter(f"{self.name}.bias", wide, False))
        if self.normalization is not None:
            found += [
                Parameter(f"{self.name}.gamma", wide, False),
                Parameter(f"{self.name}.beta", wide, False),
            ]
        return found


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


class Network:
    """Parameters, gradients and running statistics, each one vector, with named views; and passes over them."""

    def __init__(
        self,
        inputs: int,
        widths: Sequence[int],
        outputs: int,
        activation: Activation,
        normalization: Normalization,
        noises: Sequence[Noise],
        dtype: np.dtype,
        noise_rng: np.random.Generator | None = None,
    ):
        self.inputs, self.outputs, self.dtype = inputs, outputs, dtype
        self.noise_rng = noise_rng
        norm = normalization if isinstance(normalization, StandardizingNormalization) else None
        sizes = (inputs, *widths, outputs)
        self.layers = [
            Layer(f"hidden{i + 1}", sizes[i], sizes[i + 1], activation, norm, tuple(noises)) for i in range(len(widths))
        ] + [Layer("output", sizes[-2], outputs, None, None, ())]
        self.parameters = _laid_out([p for layer in self.layers for p in layer.parameters()])
        self.size = sum(p.size for p in self.parameters)
        self.weights = sum(p.size for p in self.parameters if p.is_weight)
        self.θ = np.zeros(self.size, dtype)
        self.g = np.zeros(self.size, dtype)
        self.value = {p.name: p.view(self.θ) for p in self.parameters}
        self.gradient = {p.name: p.view(self.g) for p in self.parameters}
        self.running: dict[str, np.ndarray] = {}
        for layer in self.layers:
            if isinstance(layer.normalization, BatchNormalization):
                self.running[f"{layer.name}.mean"] = np.zeros(layer.outputs, dtype)
                self.running[f"{layer.name}.var"] = np.ones(layer.outputs, dtype)
        self._buffers = {True: Buffers(dtype), False: Buffers(dtype)}
        self._passes: dict[tuple[int, bool], Pass] = {}

    def initialize(
        self, initializer: Initializer, seed: int, x: np.ndarray, legacy: np.random.RandomState | None = None
    ) -> None:
        """Draw all weights and biases from the seed's `init` stream, layer by layer; γ 1, β 0.

        x are training examples (B, I), for initializers that look at them; `legacy` is drawn from instead by
        initializers that say so.
        """
        rng: Any = legacy if initializer.legacy and legacy is not None else stream(seed, "init")
        for layer in self.layers:
            self.value[f"{layer.name}.weight"][:] = initializer.draw(rng, layer.inputs, layer.outputs)
            bias = initializer.draw_bias(rng, layer.inputs, layer.outputs)  # also without one: the next weights stay
            if layer.has_bias:
                self.value[f"{layer.name}.bias"][:] = bias
            if layer.normalization is not None:
                self.value[f"{layer.name}.gamma"][:] = 1
                self.value[f"{layer.name}.beta"][:] = 0
        if initializer.output_bias is not None:
            self.value["output.bias"][:] = initializer.output_bias
        if initializer.to_unit_variance:
            self._to_unit_variance(x)

    def _to_unit_variance(self, x: np.ndarray) -> None:
        """Divide each layer's weights by the standard deviation of its outputs without bias, layer after layer."""
        passed = self.over(len(x), training=False)
        for layer, stage in zip(self.layers, [s for s in passed.stages if isinstance(s, LinearStage)], strict=True):
            passed.forward(x)
            W = self.value[f"{layer.name}.weight"]
            std = float(np.std(np.dot(stage.x, W), dtype=np.float64))
            if std > 0:
                W /= std

    def over(self, rows: int, training: bool) -> Pass:
        """The pass for batches of `rows` examples. Ask for the largest shape first: smaller ones share its memory."""
        key = (rows, training)
        if key not in self._passes:
            self._buffers[training].rewind(rows)
            self._passes[key] = Pass(self, rows, training, self._buffers[training])
        return self._passes[key]

    @property
    def buffer_bytes(self) -> int:
        """Memory of the activations of all passes so far."""
        return sum(buffers.nbytes for buffers in self._buffers.values())


def _laid_out(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Offsets given: all weights first, so that a penalty is one slice of the vector, then biases, γ and β."""
    placed, offset = {}, 0
    for p in sorted(parameters, key=lambda p: not p.is_weight):
        placed[p.name] = Parameter(p.name, p.shape, p.is_weight, offset)
        offset += p.size
    return [placed[p.name] for p in parameters]


class Pass:
    """Forward and backward for one batch shape."""

    def __init__(self, network: Network, rows: int, training: bool, buffers: Buffers):
        self.rows = rows
        self.stages: list[Any] = []
        for number, layer in enumerate(network.layers):
            self._build(network, layer, buffers, training, first=number == 0)

    def _build(self, network: Network, layer: Layer, buffers: Buffers, training: bool, first: bool) -> None:
        value, gradient, name, norm = network.value, network.gradient, layer.name, layer.normalization
        bias = (value[f"{name}.bias"], gradient[f"{name}.bias"]) if layer.has_bias else None
        z = buffers.take(layer.outputs)
        back = None if first or not training else buffers.take(layer.inputs)
        self.stages.append(LinearStage(value[f"{name}.weight"], gradient[f"{name}.weight"], z, back))
        if norm is not None and norm.where == "before":
            if bias is not None:
                self.stages.append(BiasStage(z, *bias))
            z, bias = self._normalize(network, layer, z, buffers, training), None
        if layer.activation is None:
            assert bias is not None
            self.stages.append(BiasStage(z, *bias))
            return
        stage = ActivationStage(layer.activation, z, bias, buffers)
        self.stages.append(stage)
        y = stage.y
        if norm is not None and norm.where == "after":
            y = self._normalize(network, layer, y, buffers, training)
        if training:
            for noise in layer.noises:
                assert network.noise_rng is not None
                noisy = NoiseStage(noise, y, buffers, network.noise_rng)
                self.stages.append(noisy)
                y = noisy.y

    def _normalize(self, network: Network, layer: Layer, x: np.ndarray, buffers: Buffers, training: bool) -> np.ndarray:
        norm = layer.normalization
        assert norm is not None
        y = buffers.take(layer.outputs)
        γ, β = (network.value[f"{layer.name}.{name}"] for name in ("gamma", "beta"))
        gγ, gβ = (network.gradient[f"{layer.name}.{name}"] for name in ("gamma", "beta"))
        running = None
        if isinstance(norm, BatchNormalization):
            running = (network.running[f"{layer.name}.mean"], network.running[f"{layer.name}.var"])
        if running is not None and not training:
            self.stages.append(RunningNormalizationStage(norm, x, y, γ, β, running))
        else:
            x̂ = x if norm.where == "before" else buffers.take(layer.outputs)
            self.stages.append(NormalizationStage(norm, x, x̂, y, γ, β, gγ, gβ, running))
        return y

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The outputs z (B, O) for inputs x (B, I). The array is overwritten by the next call."""
        for stage in self.stages:
            x = stage.forward(x)
        return x

    def backward(self, d: np.ndarray) -> None:
        """Fill the network's gradient from d = dloss/dz (B, O), which is overwritten."""
        for stage in reversed(self.stages):
            d = stage.backward(d)


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


class ActivationStage:
    """y = f(z + b);  dz = f'(z + b) dy,  db = Σ_B dz."""

    def __init__(self, f: Activation, z: np.ndarray, bias: tuple[np.ndarray, np.ndarray] | None, buffers: Buffers):
        width = z.shape[1]
        self.f, self.z = f, z
        self.b = None if bias is None else bias[0]
        self.gb = np.empty(width, z.dtype) if bias is None else bias[1]
        coefficients = f.coefficients()
        self.c = np.array(coefficients or (0.0,), z.dtype)
        self.e = buffers.take(width) if f.transcends else z
        overwrites = "z" not in f.slope_reads
        if type(f).value is None:
            self.y = self.e = z if overwrites else self.e
        else:
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
        self.x, self.x̂, self.y, self.running = x, x̂, y, running
        self.γ, self.β, self.gγ, self.gβ = γ, β, gγ, gβ
        self.ε = x.dtype.type(norm.eps)
        self.momentum = norm.momentum if isinstance(norm, BatchNormalization) else 0.0
        count = x.shape[1] if norm.over == "batch" else x.shape[0]
        self.mean, self.var, self.r, self.mean_h, self.mean_hx = (np.empty(count, x.dtype) for _ in range(5))
        self.normalize = loops.normalize(type(norm).standard, norm.over)
        self.back = loops.normalize_backward(type(norm).backward, norm.over)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.normalize(self.x, self.x̂, self.y, self.γ, self.β, self.mean, self.var, self.r, self.ε)
        if self.running is not None:
            mean, var = self.running
            B = len(self.x)
            mean += self.momentum * (self.mean - mean)
            var += self.momentum * (self.var * (B / (B - 1)) - var)
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
    """y = x mask, with a mask drawn anew for each batch;  dx = dy mask."""

    def __init__(self, noise: Noise, x: np.ndarray, buffers: Buffers, rng: np.random.Generator):
        self.x, self.rng = x, rng
        self.u, self.y = buffers.take(x.shape[1]), buffers.take(x.shape[1])
        coefficients = noise.coefficients()
        self.c = np.array(coefficients, x.dtype)
        self.mask = loops.noise(type(noise).mask, len(coefficients))

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.rng.random(out=self.u, dtype=self.u.dtype)
        self.mask(self.u, self.x, self.y, self.c)
        return self.y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        np.multiply(dy, self.u, out=dy)
        return dy
