"""Greedy pre-training: the hidden layers learn from the inputs alone, one after the other, before the first update."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nnexp.components.initializers import Initializer
from nnexp.components.losses import Mse
from nnexp.components.optimizers import Adam
from nnexp.components.pretraining import Autoencoder, Pretraining, Rbm
from nnexp.config.seeds import Seeds
from nnexp.engine.augment import Targets
from nnexp.engine.learner import EVALUATED, Learner
from nnexp.engine.loops import normalizations
from nnexp.engine.network import Layer, Network
from nnexp.engine.stages import LinearStage, WeightNormStage
from nnexp.engine.streams import stream

CHUNK = 512
"""Examples that go through the network at once."""


class Pretrainer:
    """Pre-trains the hidden layers of an initialized network on x (N, I). Iterate over `run()`."""

    def __init__(
        self, pretraining: Pretraining, network: Network, initializer: Initializer, x: np.ndarray, seed: int | Seeds
    ):
        self.pretraining, self.network, self.initializer = pretraining, network, initializer
        self.x, self.seed = x, seed
        self.errors: list[dict[str, Any]] = []
        """For each layer that is done the mean squared error of its inputs' reconstruction, before and after."""

    def run(self) -> Iterator[None]:
        """Yields after each update. Ends early where a layer's error is no longer finite."""
        size, epochs = self.pretraining.batch, self.pretraining.epochs
        for number, layer in enumerate(self.network.layers[:-1]):
            rng = stream(self.seed, "pretrain", number)
            x = inputs_of(self.network, number, self.x)
            model = self._model(number, layer, rng)
            before = _error(model, x)
            for _ in range(epochs):
                order = rng.permutation(len(x))
                for start in range(0, len(x) - size + 1, size):
                    model.step(x[order[start : start + size]])
                    yield
            model.hand_over()
            after = _error(model, x)
            self.errors.append({"layer": layer.name, "before": before, "after": after})
            del x, model  # before those of the next layer are made
            if not np.isfinite(after):
                return

    def _model(self, number: int, layer: Layer, rng: np.random.Generator) -> AutoencoderModel | RbmModel:
        if isinstance(self.pretraining, Autoencoder):
            return AutoencoderModel(self.pretraining, self.network, layer, self.initializer, rng)
        assert isinstance(self.pretraining, Rbm)
        gaussian = number == 0 and self.pretraining.visible == "gaussian"
        return RbmModel(self.pretraining, self.network, layer, gaussian, rng)


class AutoencoderModel:
    """A network inputs -> layer -> inputs, whose hidden layer is like one of another network."""

    def __init__(
        self,
        pretraining: Autoencoder,
        target: Network,
        layer: Layer,
        initializer: Initializer,
        rng: np.random.Generator,
    ):
        assert layer.activation is not None
        self.pretraining, self.target, self.layer, self.rng = pretraining, target, layer, rng
        shape = (layer.inputs, (layer.outputs,), layer.inputs)
        self.network = Network(*shape, layer.activation, layer.normalization, (), target.dtype, rng)
        for own, theirs in self._pairs():
            own[:] = theirs
        # drawn also where it is tied: the order of the batches stays
        self.network.value["output.weight"][:] = initializer.draw(rng, layer.outputs, layer.inputs)
        kind = TiedLearner if pretraining.tied else Learner
        self.learner = kind(self.network, Mse(), Adam(lr=pretraining.lr), ())

    def _pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Each array of the hidden layer, here and in the other network."""
        for own, theirs in ((self.network.value, self.target.value), (self.network.running, self.target.running)):
            for name, array in own.items():
                layer, _, what = name.partition(".")
                if layer != "output":
                    yield array, theirs[f"{self.layer.name}.{what}"]

    def step(self, x: np.ndarray) -> None:
        """One update on a batch x (B, I)."""
        given = x
        if self.pretraining.noise:
            given = self.pretraining.damaged(x, self.rng.random(x.shape, x.dtype.type))
        self.learner.step(given, x, self.pretraining.lr)

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """What comes out for x (N, I) in evaluation."""
        return self.learner.outputs(x)

    def hand_over(self) -> None:
        """Give the layer its parameters and running statistics."""
        for own, theirs in self._pairs():
            theirs[:] = own


class TiedLearner(Learner):
    """A learner of a network with one hidden layer whose output weights V are the transpose of the hidden W.

    V stands in the network as ever, a copy without a gradient of its own: it goes to W's, so the optimizer lets V be.
    """

    def _tie(self) -> None:
        value = self.network.value
        W = v = value["hidden1.weight"]
        if "hidden1.gain" in value:
            W, self.r = np.empty_like(v), np.empty_like(value["hidden1.gain"])
            normalizations.weights_of()(v, value["hidden1.gain"], W, self.r)
        value["output.weight"][:] = W.T

    def objective(self, x: np.ndarray, t: Targets) -> float:
        self._tie()
        loss = super().objective(x, t)
        value, gradient = self.network.value, self.network.gradient
        dW = np.ascontiguousarray(gradient["output.weight"].T)
        if "hidden1.gain" in value:
            by_gain = np.empty_like(self.r)
            weights = value["hidden1.weight"], value["hidden1.gain"], self.r
            normalizations.weights_backward()(dW, *weights, dW, by_gain)
            gradient["hidden1.gain"] += by_gain
        gradient["hidden1.weight"] += dW
        gradient["output.weight"][:] = 0
        return loss

    def outputs(self, x: np.ndarray, chunk: int = EVALUATED) -> np.ndarray:
        self._tie()
        return super().outputs(x, chunk)


class RbmModel:
    """A restricted Boltzmann machine whose hidden units are a layer of a network."""

    def __init__(self, pretraining: Rbm, target: Network, layer: Layer, gaussian: bool, rng: np.random.Generator):
        self.pretraining, self.target, self.layer = pretraining, target, layer
        self.gaussian, self.rng = gaussian, rng
        self.W = target.value[f"{layer.name}.weight"].copy()
        self.a = np.zeros(layer.inputs, target.dtype)
        self.b = target.value[f"{layer.name}.bias"].copy()
        self.moving = [np.zeros_like(array) for array in (self.W, self.a, self.b)]
        self.chains: np.ndarray | None = None
        """Where persistent chains are, shape (B, I); None before the first batch, or for ever."""

    def step(self, x: np.ndarray) -> None:
        """One update on a batch x (B, I)."""
        μ, η = self.pretraining.momentum, self.pretraining.lr
        if self.pretraining.persistent and self.chains is None:
            self.chains = x.copy()
        g = self.pretraining.contrast(x, self.W, self.a, self.b, self.gaussian, self.rng, self.chains)
        for array, m, dm in zip((self.W, self.a, self.b), self.moving, g, strict=True):
            m *= μ
            m += η * dm
            array += m

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """The mean of v given the hidden probabilities of x (N, I)."""
        return Rbm.visible_mean(Rbm.hidden(x, self.W, self.b), self.W, self.a, self.gaussian)

    def hand_over(self) -> None:
        """Give the layer its weights and bias."""
        self.target.value[f"{self.layer.name}.weight"][:] = self.W
        self.target.value[f"{self.layer.name}.bias"][:] = self.b
        self.target.take_length(self.layer)


def inputs_of(network: Network, number: int, x: np.ndarray) -> np.ndarray:
    """What the linear map of layer `number` (from 0) sees of x (N, I) in evaluation, as an array of its own."""
    chunk = CHUNK if network.rows_by_themselves else max(len(x), 1)
    inputs = np.empty((len(x), network.layers[number].inputs), x.dtype)
    for start in range(0, len(x), chunk):
        part = x[start : start + chunk]
        stages = network.over(len(part), training=False).stages
        maps = [i for i, stage in enumerate(stages) if isinstance(stage, LinearStage | WeightNormStage)]
        for stage in stages[: maps[number]]:
            part = stage.forward(part)
        inputs[start : start + chunk] = part
    return inputs


def _error(model: AutoencoderModel | RbmModel, x: np.ndarray) -> float:
    off = model.reconstruct(x)
    off -= x
    return float(np.mean(np.square(off, out=off), dtype=np.float64))
