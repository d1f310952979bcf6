"""A network: all parameters in one vector, and for each batch shape a pass of stages over buffers allocated once.

Shapes: B examples in a batch, I inputs and O outputs of a layer, D parameters. A weight matrix is (I, O), so a layer
is x W + b.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from nnexp.components.activations import Activation, Call, ElementwiseActivation, RowActivation
from nnexp.components.initializers import Initializer
from nnexp.components.normalizations import (
    BatchNormalization,
    NoNormalization,
    Normalization,
    StandardizingNormalization,
    WeightNormalization,
)
from nnexp.components.regularizers import Activity, Noise
from nnexp.config.seeds import Seeds
from nnexp.engine.calls import run
from nnexp.engine.stages import (
    ActivationStage,
    ActivityStage,
    BiasStage,
    Buffers,
    ForkStage,
    JitterStage,
    JoinStage,
    LearnedActivationStage,
    LinearStage,
    NoiseStage,
    NormalizationStage,
    RowActivationStage,
    RunningNormalizationStage,
    Stage,
    TwoWayStage,
    WeightNormStage,
)
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
    activation: Activation | None = None
    normalization: Normalization = field(default_factory=NoNormalization)
    noises: tuple[Noise, ...] = ()
    activities: tuple[Activity, ...] = ()

    @property
    def mapped(self) -> int:
        """The width of the linear map's outputs: several pre-activations a unit where the activation wants them."""
        return self.outputs * (self.activation.inputs_per_unit if self.activation is not None else 1)

    @property
    def norm(self) -> StandardizingNormalization | None:
        """The normalization, where it is a layer of its own."""
        return self.normalization if isinstance(self.normalization, StandardizingNormalization) else None

    @property
    def normalized(self) -> int:
        """How many features that layer has."""
        return self.mapped if self.norm is not None and self.norm.where == "before" else self.outputs

    @property
    def has_gain(self) -> bool:
        """Whether the weights are a direction, with a length of its own for each unit."""
        return isinstance(self.normalization, WeightNormalization)

    @property
    def has_bias(self) -> bool:
        """Batch normalization right behind the linear map would take a bias away again."""
        return not (self.norm is not None and self.norm.over == "batch" and self.norm.where == "before")

    def parameters(self) -> list[Parameter]:
        """Weight, bias, the gain, γ and β, and what the activation learns, without their offsets."""
        found = [Parameter(f"{self.name}.weight", (self.inputs, self.mapped), True)]
        if self.has_bias:
            found.append(Parameter(f"{self.name}.bias", (self.mapped,), False))
        if self.has_gain:
            found.append(Parameter(f"{self.name}.gain", (self.mapped,), False))
        if self.norm is not None:
            found.append(Parameter(f"{self.name}.gamma", (self.normalized,), False))
            if self.norm.centred:
                found.append(Parameter(f"{self.name}.beta", (self.normalized,), False))
        if self.activation is not None and self.activation.learned is not None:
            count = self.mapped if self.activation.learned == "unit" else 1
            found.append(Parameter(f"{self.name}.activation", (count,), False))
        return found


class Network:
    """Parameters, gradients and running statistics, each one vector, with named views; and passes over them.

    `activation` is one for all hidden layers, or one for each; `shortcut` the number of hidden layers that a shortcut
    skips, None for no shortcuts.
    """

    def __init__(
        self,
        inputs: int,
        widths: Sequence[int],
        outputs: int,
        activation: Activation | Sequence[Activation],
        normalization: Normalization,
        noises: Sequence[Noise],
        dtype: np.dtype,
        noise_rng: np.random.Generator | None = None,
        shortcut: int | None = None,
        activities: Sequence[Activity] = (),
    ):
        self.inputs, self.outputs, self.dtype = inputs, outputs, dtype
        self.noise_rng, self.shortcut = noise_rng, shortcut
        each = [activation] * len(widths) if isinstance(activation, Activation) else list(activation)
        sizes = (inputs, *widths, outputs)
        self.layers = [
            Layer(f"hidden{i}", *ends, f, normalization, tuple(noises), tuple(activities))
            for i, (ends, f) in enumerate(zip(pairwise(sizes[:-1]), each, strict=True), 1)
        ] + [Layer("output", sizes[-2], outputs)]
        self.parameters = _laid_out([p for layer in self.layers for p in layer.parameters()])
        self.size = sum(p.size for p in self.parameters)
        self.weights = sum(p.size for p in self.parameters if p.is_weight)
        self.θ = np.zeros(self.size, dtype)
        self.g = np.zeros(self.size, dtype)
        self.value = {p.name: p.view(self.θ) for p in self.parameters}
        self.gradient = {p.name: p.view(self.g) for p in self.parameters}
        self.running: dict[str, np.ndarray] = {}
        for layer in self.layers:
            if isinstance(layer.norm, BatchNormalization):
                self.running[f"{layer.name}.mean"] = np.zeros(layer.normalized, dtype)
                self.running[f"{layer.name}.var"] = np.ones(layer.normalized, dtype)
        self.composed = {
            p.name: np.empty(p.shape, dtype) for x in self.layers if x.has_gain for p in x.parameters()[:1]
        }
        """With weight normalization, the weights that each pass makes of direction and length."""
        self._buffers = {True: Buffers(dtype), False: Buffers(dtype)}
        self._passes: dict[tuple[int, bool], Pass] = {}

    @property
    def joins(self) -> list[str]:
        """The names of the layers at whose end a shortcut ends."""
        every, hidden = self.shortcut, [layer.name for layer in self.layers[:-1]]
        return hidden[every::every] if every is not None else []

    @property
    def rows_by_themselves(self) -> bool:
        """Whether in evaluation an example's outputs do not depend on the others that are evaluated with it."""
        norms = [layer.norm for layer in self.layers]
        return not any(isinstance(norm, BatchNormalization) and norm.evaluate == "batch" for norm in norms)

    def initialize(
        self,
        initializer: Initializer,
        seed: int | Seeds,
        x: np.ndarray,
        legacy: np.random.RandomState | None = None,
        saved: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Draw all weights and biases from the seed's `init` stream, layer by layer.

        γ is 1, β 0, the gain of weight normalization such that the weights stay as they are drawn.

        x are training examples (B, I), for initializers that look at them; `legacy` is drawn from instead by
        initializers that say so. The arrays of a `saved` model take the place of what is drawn.
        """
        rng: Any = legacy if initializer.legacy and legacy is not None else stream(seed, "init")
        for layer in self.layers:
            self.value[f"{layer.name}.weight"][:] = initializer.draw(rng, layer.inputs, layer.mapped)
            bias = initializer.draw_bias(rng, layer.inputs, layer.mapped)  # also without one: the next weights stay
            if layer.has_bias:
                self.value[f"{layer.name}.bias"][:] = bias
            if layer.norm is not None:
                self.value[f"{layer.name}.gamma"][:] = 1
            f = layer.activation
            if isinstance(f, ElementwiseActivation) and f.learned is not None:
                self.value[f"{layer.name}.activation"][:] = f.coefficients()[0]
            self.take_length(layer)
        if saved is not None:
            for name, array in self.kept().items():
                array[:] = saved[name]
        if initializer.output_bias is not None:
            self.value["output.bias"][:] = initializer.output_bias
        if initializer.to_unit_variance:
            self._to_unit_variance(x)

    def kept(self) -> dict[str, np.ndarray]:
        """What a saved model holds of the network, by name: parameters and running statistics."""
        return {**self.value, **{f"running.{name}": array for name, array in self.running.items()}}

    def take_length(self, layer: Layer) -> None:
        """Make the gain of weight normalization, where there is one, the length of the weights."""
        if layer.has_gain:
            v = self.value[f"{layer.name}.weight"]
            self.value[f"{layer.name}.gain"][:] = np.sqrt(np.sum(np.square(v), axis=0))

    def _to_unit_variance(self, x: np.ndarray) -> None:
        """Divide each layer's weights by the standard deviation of its outputs without bias, layer after layer."""
        passed = self.over(len(x), training=False)
        linear = [s for s in passed.stages if isinstance(s, LinearStage | WeightNormStage)]
        for layer, stage in zip(self.layers, linear, strict=True):
            passed.forward(x)
            std = float(np.std(np.dot(stage.x, stage.W), dtype=np.float64))
            if std > 0:
                self.value[f"{layer.name}.weight"] /= std
                self.take_length(layer)

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
        return sum(buffers.nbytes for buffers in self._buffers.values()) + sum(W.nbytes for W in self.composed.values())


def _laid_out(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Offsets given: all weights first, so that a penalty is one slice of the vector, then biases, γ and β."""
    placed, offset = {}, 0
    for p in sorted(parameters, key=lambda p: not p.is_weight):
        placed[p.name] = Parameter(p.name, p.shape, p.is_weight, offset)
        offset += p.size
    return [placed[p.name] for p in parameters]


class Pass:
    """Forward and backward for one batch shape."""

    def __init__(
        self,
        network: Network,
        rows: int,
        training: bool,
        buffers: Buffers,
        gradient: Mapping[str, np.ndarray] | None = None,
        noise_rng: np.random.Generator | None = None,
    ):
        """Gradients and noise are the network's own where no others are given."""
        self.rows, self.network, self.training, self.buffers = rows, network, training, buffers
        self.gradient = network.gradient if gradient is None else gradient
        self.noise_rng = network.noise_rng if noise_rng is None else noise_rng
        self.stages: list[Stage] = []
        joins, fork = list(network.joins), None
        self.x = y = buffers.take(network.inputs)
        for number, layer in enumerate(network.layers):
            y = self._build(layer, y, first=number == 0)
            if fork is not None and layer.name in joins:
                join = JoinStage(fork, y, buffers)
                self.stages.append(join)
                y = join.y
                joins.remove(layer.name)
            if joins and (number == 0 or layer.name in network.joins):
                fork = ForkStage(y, buffers)
                self.stages.append(fork)
        self.z = y
        self.ahead = [call for stage in self.stages for call in stage.ahead]
        self.dz: np.ndarray | None = None
        self.back: list[Call] = []

    def _build(self, layer: Layer, x: np.ndarray, first: bool) -> np.ndarray:
        """Append the stages of a layer that reads x. Returns the array that its last stage hands on."""
        value, gradient, buffers = self.network.value, self.gradient, self.buffers
        name, norm, f = layer.name, layer.norm, layer.activation
        weight, bias = f"{name}.weight", None
        if layer.has_bias:
            bias = (value[f"{name}.bias"], gradient[f"{name}.bias"])
        z = buffers.take(layer.mapped)
        back = None if first or not self.training else buffers.take(layer.inputs)
        if layer.has_gain:
            gain = f"{name}.gain"
            parts = (value[weight], value[gain], gradient[weight], gradient[gain])
            own = self.gradient is not self.network.gradient  # another thread composes its weights at the same time
            W = np.empty_like(value[weight]) if own else self.network.composed[weight]
            self.stages.append(WeightNormStage(x, *parts, W, z, back))
        else:
            self.stages.append(LinearStage(x, value[weight], gradient[weight], z, back))
        if norm is not None and norm.where == "before":
            if bias is not None:
                self.stages.append(BiasStage(z, *bias))
            z, bias = self._normalize(layer, z), None
        if f is None:
            assert bias is not None
            self.stages.append(BiasStage(z, *bias))
            return z
        y = self._activate(layer, f, z, bias)
        for activity in layer.activities if self.training else ():
            self.stages.append(ActivityStage(activity, y))
        if norm is not None and norm.where == "after":
            y = self._normalize(layer, y)
        for noise in layer.noises if self.training else ():
            assert self.noise_rng is not None
            noisy = NoiseStage(noise, y, buffers, self.noise_rng)
            self.stages.append(noisy)
            y = noisy.y
        return y

    def _activate(
        self, layer: Layer, f: Activation, z: np.ndarray, bias: tuple[np.ndarray, np.ndarray] | None
    ) -> np.ndarray:
        stage: ActivationStage | LearnedActivationStage | RowActivationStage
        if isinstance(f, RowActivation):
            if bias is not None:
                self.stages.append(BiasStage(z, *bias))
            stage = RowActivationStage(f, z, self.buffers)
        else:
            assert isinstance(f, ElementwiseActivation)
            if self.training and type(f).spread is not None:
                if bias is not None:
                    self.stages.append(BiasStage(z, *bias))
                assert self.noise_rng is not None
                self.stages.append(JitterStage(f, z, self.buffers, self.noise_rng))
                bias = None
            if f.learned is None:
                stage = ActivationStage(f, z, bias, self.buffers)
            else:
                key = f"{layer.name}.activation"
                learned = (self.network.value[key], self.gradient[key])
                stage = LearnedActivationStage(f, z, bias, learned, self.buffers)
        self.stages.append(stage)
        return stage.y

    def _normalize(self, layer: Layer, x: np.ndarray) -> np.ndarray:
        network, norm, name = self.network, layer.norm, layer.name
        assert norm is not None
        y = self.buffers.take(layer.normalized)
        γ, gγ = network.value[f"{name}.gamma"], self.gradient[f"{name}.gamma"]
        β, gβ = np.zeros_like(γ), np.zeros_like(γ)
        if norm.centred:
            β, gβ = network.value[f"{name}.beta"], self.gradient[f"{name}.beta"]
        running = None
        if isinstance(norm, BatchNormalization):
            running = (network.running[f"{name}.mean"], network.running[f"{name}.var"])
            if not self.training:
                if norm.evaluate == "running":
                    self.stages.append(RunningNormalizationStage(norm, x, y, γ, β, running))
                    return y
                running = None
        x̂ = x if norm.where == "before" else self.buffers.take(layer.normalized)
        self.stages.append(NormalizationStage(norm, x, x̂, y, γ, β, gγ, gβ, running))
        return y

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The outputs z (B, O) for inputs x (B, I). The array is overwritten by the next call."""
        if x is not self.x:
            np.copyto(self.x, x)
        run(self.ahead)
        return self.z

    def connect(self, dz: np.ndarray) -> list[Call]:
        """The calls that fill the gradient from dz = dloss/dz (B, O), which they overwrite."""
        if dz is not self.dz:
            self.dz, self.back, d = dz, [], dz
            for stage in reversed(self.stages):
                assert isinstance(stage, TwoWayStage)  # as all are in training
                d = stage.connect(d)
                self.back += stage.back
        return self.back

    def backward(self, d: np.ndarray) -> None:
        """Fill the gradient from d = dloss/dz (B, O), which is overwritten."""
        run(self.connect(d))
