"""nnexp and its peers behind one interface: each trains the same network on the same data from the same weights.

`benchmarks/peers.py` runs this file as a process of its own for each peer: python benchmarks/frameworks.py TASK.npz
It then answers each line on its input, `train`, with a line of JSON: seconds, and the mean loss of the last epoch.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module, metadata, util
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

CLASSES = 10
DROPOUT = 0.2
LEARNING_RATE = 0.001
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Work:
    """What is trained: ReLU layers of `hidden` units, cross-entropy, Adam, batches of `batch`, some epochs."""

    inputs: int
    hidden: tuple[int, ...]
    batch: int
    variant: str
    """plain, batch_norm (linear, norm, ReLU) or dropout (linear, ReLU, dropout)."""
    epochs: int

    def weights(self, seed: int = 0) -> list[np.ndarray]:
        """The initial weight matrices (I, O), He's normal distribution; biases begin at 0, gains at 1."""
        rng = np.random.default_rng(seed)
        widths = (self.inputs, *self.hidden, CLASSES)
        return [rng.normal(0, (2 / i) ** 0.5, (i, o)).astype(np.float32) for i, o in pairwise(widths)]


def digits(examples: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """The first examples of nnexp's own digits, standardized: x (N, 64) float32, t (N,)."""
    from nnexp.components.base import members
    from nnexp.components.datasets import Dataset

    table = members(Dataset)["digits"]().load(np.random.default_rng(0))
    x = (table.x - table.x.mean()) / table.x.std()
    return np.ascontiguousarray(x[:examples], np.float32), table.t[:examples].astype(np.int64)


def clouds(examples: int = 4096, inputs: int = 784, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Ten overlapping normal clouds, a tenth of the labels drawn anew: x (N, F) float32, t (N,)."""
    rng = np.random.default_rng(seed)
    t = rng.integers(CLASSES, size=examples)
    x = rng.normal(size=(examples, inputs)) + 0.15 * rng.normal(size=(CLASSES, inputs))[t]
    drawn = rng.random(examples) < 0.1
    t[drawn] = rng.integers(CLASSES, size=drawn.sum())
    return x.astype(np.float32), t.astype(np.int64)


def data_for(inputs: int) -> tuple[np.ndarray, np.ndarray]:
    """The examples for a network with so many inputs."""
    return digits() if inputs == 64 else clouds(inputs=inputs)


class Framework(ABC):
    """One framework with its settings, training one network again and again from the same beginning."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    """What must be importable; their versions are told."""
    distributions: ClassVar[tuple[str, ...]] = ()
    """The names of those packages where they are installed from, if others."""
    variants: ClassVar[tuple[str, ...]] = ("plain", "batch_norm", "dropout")

    @classmethod
    def missing(cls) -> list[str]:
        """The packages that are not installed."""
        return [name for name in cls.packages if util.find_spec(name) is None]

    @classmethod
    def versions(cls) -> dict[str, str]:
        return {name: metadata.version(name) for name in cls.distributions or cls.packages}

    @classmethod
    def choices(cls, cores: int) -> list[dict[str, Any]]:
        """The settings to try; the quickest is the framework's best."""
        return [{"threads": threads} for threads in sorted({1, min(cores, 2), cores})]

    @classmethod
    def environment(cls, settings: Mapping[str, Any]) -> dict[str, str]:
        """Environment variables that must stand before the framework is imported."""
        return dict.fromkeys(THREAD_VARIABLES, str(settings["threads"]))

    def __init__(
        self, work: Work, x: np.ndarray, t: np.ndarray, weights: list[np.ndarray], settings: Mapping[str, Any]
    ):
        """Build the network; x (N, F) float32 and t (N,) are the examples, N a multiple of the batch."""
        self.work, self.x, self.t, self.weights, self.settings = work, x, t, weights, settings
        self.seed = 0
        """Of the orders and the masks, from the next reset on."""
        self.build()

    @abstractmethod
    def build(self) -> None:
        """The network, not yet at its initial weights."""

    @abstractmethod
    def reset(self) -> None:
        """Back to the initial weights, and an optimizer that has seen nothing."""

    @abstractmethod
    def train(self) -> float:
        """All epochs. Returns the mean loss over the batches of the last one, each before its step."""

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The trained weights (I, O) and biases (O,) of each layer, without normalization."""
        raise NotImplementedError(f"{self.name} is not part of the sweeps")


class Nnexp(Framework):
    """nnexp's Trainer, without scores beside the loss."""

    name = "nnexp"
    packages = ("nnexp", "numba", "numpy")

    @classmethod
    def versions(cls) -> dict[str, str]:
        from nnexp import __version__  # also of a checkout that is not installed

        return {"nnexp": __version__, **{name: metadata.version(name) for name in cls.packages[1:]}}

    def build(self) -> None:
        import threadpoolctl

        from nnexp.config.load import load_data
        from nnexp.engine.data import Data, Split
        from nnexp.engine.experiment import Experiment

        work = self.work
        config = {
            "dataset": {"name": "digits", "validation": 0, "test": 0, "preprocessing": []},
            "architecture": {"name": "mlp", "hidden": list(work.hidden)},
            "normalization": "batch" if work.variant == "batch_norm" else "none",
            "regularization": [{"name": "dropout", "rate": DROPOUT}] if work.variant == "dropout" else [],
            "optimizer": {"name": "adam", "lr": LEARNING_RATE},
            "batch": {"name": "mini", "size": work.batch},
            "stop": work.epochs,
            "monitor": {"every": work.epochs, "train": False},
            "threads": self.settings["threads"],
        }
        train, none = Split(self.x, self.t), Split(self.x[:0], self.t[:0])
        features = tuple(f"x{i}" for i in range(work.inputs))
        classes = tuple(str(c) for c in range(CLASSES))
        data = Data(train, none, none, features, classes, (), 0.0, 1.0, "", ())
        self.experiment = Experiment(load_data(config, "benchmarks/frameworks.py").config, data)
        threadpoolctl.threadpool_limits(1, user_api="blas")
        np.seterr(all="ignore")
        self.experiment.rehearse()

    def reset(self) -> None:
        import threadpoolctl

        from nnexp.engine.trainer import Trainer

        trainer = Trainer(self.experiment)
        threadpoolctl.threadpool_limits(trainer.divide(self.settings["threads"]), user_api="blas")
        value = trainer.network.value
        for name in value:
            value[name][...] = name.endswith(".gamma")
        for layer, weight in zip(trainer.network.layers, self.weights, strict=True):
            value[f"{layer.name}.weight"][:] = weight
        self.events = trainer.run()
        next(self.events)  # the row of epoch 0

    def train(self) -> float:
        from nnexp.engine.trainer import Row

        row = next(event for event in self.events if isinstance(event, Row))
        return row.values["batch_loss"] or 0.0


class Sklearn(Framework):
    """scikit-learn's MLPClassifier, which has neither batch normalization nor dropout."""

    name = "scikit-learn"
    packages = ("sklearn",)
    distributions = ("scikit-learn",)
    variants = ("plain",)

    def build(self) -> None:
        from sklearn.neural_network import MLPClassifier

        warnings.simplefilter("ignore")  # that it has not converged
        work = self.work
        self.model = MLPClassifier(
            work.hidden,
            alpha=0.0,
            batch_size=work.batch,
            learning_rate_init=LEARNING_RATE,
            max_iter=1,
            tol=0.0,
            n_iter_no_change=work.epochs + 1,
            warm_start=True,
            random_state=0,
        )
        self.model.fit(self.x, self.t)
        self.model.max_iter = work.epochs

    def reset(self) -> None:
        # fit() begins a new optimizer, and with warm_start goes on from these
        self.model.coefs_ = [weight.copy() for weight in self.weights]
        self.model.intercepts_ = [np.zeros(weight.shape[1], np.float32) for weight in self.weights]
        self.model.loss_curve_ = []
        self.model.random_state = self.seed

    def train(self) -> float:
        self.model.fit(self.x, self.t)
        return self.model.loss_curve_[-1]

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return list(zip(self.model.coefs_, self.model.intercepts_, strict=True))


class Torch(Framework):
    """PyTorch as it is written down, with the fused Adam; an epoch's examples are gathered at once."""

    name = "torch"
    packages = ("torch",)
    compiled: ClassVar[bool] = False

    def build(self) -> None:
        import torch
        from torch import nn

        torch.set_num_threads(self.settings["threads"])
        torch.manual_seed(0)
        self.torch, work = torch, self.work
        layers: list[nn.Module] = []
        widths = (work.inputs, *work.hidden)
        for i, o in pairwise(widths):
            layers.append(nn.Linear(i, o, bias=work.variant != "batch_norm"))
            layers += [nn.BatchNorm1d(o)] if work.variant == "batch_norm" else []
            layers.append(nn.ReLU())
            layers += [nn.Dropout(DROPOUT)] if work.variant == "dropout" else []
        layers.append(nn.Linear(widths[-1], CLASSES))
        self.model = nn.Sequential(*layers)
        self.xs, self.ts = torch.from_numpy(self.x), torch.from_numpy(self.t)
        self.objective = self._loss
        if self.compiled:
            self.objective = torch.compile(self._loss, fullgraph=True, dynamic=False)

    def _loss(self, x: Any, t: Any) -> Any:
        return self.torch.nn.functional.cross_entropy(self.model(x), t)

    def reset(self) -> None:
        nn = self.torch.nn
        self.torch.manual_seed(self.seed)
        linear = [layer for layer in self.model if isinstance(layer, nn.Linear)]
        with self.torch.no_grad():
            for layer, weight in zip(linear, self.weights, strict=True):
                layer.weight.copy_(self.torch.from_numpy(weight).T)
                if layer.bias is not None:
                    layer.bias.zero_()
        for layer in self.model:
            if isinstance(layer, nn.BatchNorm1d):
                layer.reset_running_stats()
                layer.reset_parameters()
        self.optimizer = self.torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE, fused=True)

    def train(self) -> float:
        objective, optimizer, size = self.objective, self.optimizer, self.work.batch
        for _ in range(self.work.epochs):
            order = self.torch.randperm(len(self.xs))
            losses = []
            for x, t in zip(self.xs[order].split(size), self.ts[order].split(size), strict=True):
                optimizer.zero_grad()
                loss = objective(x, t)
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
            last = self.torch.stack(losses).mean().item()
        return last

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        linear = [layer for layer in self.model if isinstance(layer, self.torch.nn.Linear)]
        return [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in linear]


class TorchCompiled(Torch):
    """PyTorch with forward, loss and backward compiled, and the fused Adam."""

    name = "torch.compile"
    compiled = True


class Jax(Framework):
    """JAX: one jitted scan over the batches of an epoch, with donated buffers; the order comes from NumPy."""

    name = "jax"
    packages = ("jax", "jaxlib")

    @classmethod
    def environment(cls, settings: Mapping[str, Any]) -> dict[str, str]:
        # NPROC is what XLA takes for the number of cores; its flag for one Eigen thread is without effect here
        return {**super().environment(settings), "JAX_PLATFORMS": "cpu", "NPROC": str(settings["threads"])}

    def build(self) -> None:
        import jax

        jax.config.update("jax_default_prng_impl", "rbg")  # dropout's bits; threefry is slower on a CPU
        self.jax = jax
        self.epoch = jax.jit(make_epoch(self.work), donate_argnums=0)
        self.xs, self.ts = jax.numpy.asarray(self.x), jax.numpy.asarray(self.t, jax.numpy.int32)

    def reset(self) -> None:
        self.state = initial_state(self.work, self.weights, self.seed)
        self.rng = np.random.default_rng(self.seed)
        self.jax.block_until_ready(self.state)

    def train(self) -> float:
        for _ in range(self.work.epochs):
            order = self.rng.permutation(len(self.x)).astype(np.int32)
            self.state, loss = self.epoch(self.state, order, self.xs, self.ts, LEARNING_RATE)
        return float(loss)

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(np.asarray(layer["W"]), np.asarray(layer["b"])) for layer in self.state["θ"]]


def initial_state(work: Work, weights: list[np.ndarray], seed: int) -> dict[str, Any]:
    """Parameters, Adam's moments, running statistics and the generator of a network in JAX."""
    import jax
    import jax.numpy as jnp

    norm = work.variant == "batch_norm"
    layers = []
    for number, weight in enumerate(weights):
        layer = {"W": jnp.array(weight)}
        if norm and number < len(work.hidden):
            layer |= {"γ": jnp.ones(weight.shape[1]), "β": jnp.zeros(weight.shape[1])}
        else:
            layer["b"] = jnp.zeros(weight.shape[1])
        layers.append(layer)
    zeros = [jax.tree.map(jnp.zeros_like, layers) for _ in range(2)]
    running = [(jnp.zeros(width), jnp.ones(width)) for width in work.hidden] if norm else []
    return {
        "θ": layers,
        "m": zeros[0],
        "v": zeros[1],
        "t": jnp.zeros(()),
        "running": running,
        "key": jax.random.key(seed),
    }


def make_epoch(work: Work) -> Any:
    """(state, order (N,), x, t, η) -> (state, mean loss): one epoch as a scan over its batches, not yet jitted."""
    import jax
    import jax.numpy as jnp

    def loss(θ: Any, running: Any, key: Any, x: Any, t: Any) -> Any:
        told = []
        for number, layer in enumerate(θ[:-1]):
            x = x @ layer["W"]
            if work.variant == "batch_norm":
                mean, var = x.mean(0), x.var(0)
                x = (x - mean) * jax.lax.rsqrt(var + 1e-5) * layer["γ"] + layer["β"]
                unbiased = var * (len(x) / (len(x) - 1))
                old = running[number]
                told.append((0.9 * old[0] + 0.1 * mean, 0.9 * old[1] + 0.1 * unbiased))
            else:
                x = x + layer["b"]
            x = jax.nn.relu(x)
            if work.variant == "dropout":
                key, drawn = jax.random.split(key)
                x = jnp.where(jax.random.bernoulli(drawn, 1 - DROPOUT, x.shape), x / (1 - DROPOUT), 0)
        z = x @ θ[-1]["W"] + θ[-1]["b"]
        chosen = jnp.take_along_axis(z, t[:, None], 1)[:, 0]
        return (jax.nn.logsumexp(z, axis=1) - chosen).mean(), (told, key)

    def epoch(state: Any, order: Any, x: Any, t: Any, η: Any) -> Any:
        def step(state: Any, rows: Any) -> Any:
            given = state["θ"], state["running"], state["key"], x[rows], t[rows]
            (value, (running, key)), g = jax.value_and_grad(loss, has_aux=True)(*given)
            count = state["t"] + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state["m"], g)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state["v"], g)
            rate, root = η / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
            θ = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + 1e-8), state["θ"], m, v)
            return {"θ": θ, "m": m, "v": v, "t": count, "running": running, "key": key}, value

        state, losses = jax.lax.scan(step, state, order.reshape(-1, work.batch))
        return state, losses.mean()

    return epoch


class Keras(Framework):
    """Keras's fit with jit_compile; the backend and the steps a call are chosen by trying."""

    name = "keras"
    packages = ("keras",)

    @classmethod
    def missing(cls) -> list[str]:
        backends = [name for name in ("jax", "torch") if util.find_spec(name)]
        return super().missing() or ([] if backends else ["jax or torch, a backend for keras"])

    @classmethod
    def choices(cls, cores: int) -> list[dict[str, Any]]:
        found = []
        for choice in super().choices(cores):
            if util.find_spec("jax"):
                found += [choice | {"backend": "jax", "steps_per_execution": steps} for steps in (1, 8)]
            if util.find_spec("torch"):
                found.append(choice | {"backend": "torch", "steps_per_execution": 1})
        return found

    @classmethod
    def environment(cls, settings: Mapping[str, Any]) -> dict[str, str]:
        base = Jax if settings["backend"] == "jax" else Framework
        return {**base.environment(settings), "KERAS_BACKEND": settings["backend"]}

    def build(self) -> None:
        import keras

        if self.settings["backend"] == "torch":
            import torch

            torch.set_num_threads(self.settings["threads"])
        keras.utils.set_random_seed(0)
        work, norm = self.work, self.work.variant == "batch_norm"
        layers: list[Any] = [keras.Input((work.inputs,))]
        for width in work.hidden:
            layers.append(keras.layers.Dense(width, use_bias=not norm))
            layers += [keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)] if norm else []
            layers.append(keras.layers.ReLU())
            layers += [keras.layers.Dropout(DROPOUT)] if work.variant == "dropout" else []
        layers.append(keras.layers.Dense(CLASSES))
        self.model = keras.Sequential(layers)
        self.model.compile(
            optimizer=keras.optimizers.Adam(LEARNING_RATE, epsilon=1e-8),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=True,
            steps_per_execution=self.settings["steps_per_execution"],
        )
        self.model.optimizer.build(self.model.trainable_variables)
        self.moments = [
            (variable, variable.numpy())
            for variable in self.model.optimizer.variables
            if variable is not self.model.optimizer.learning_rate
        ]
        self.initial = self.model.get_weights()
        dense = [layer for layer in self.model.layers if isinstance(layer, keras.layers.Dense)]
        kernels = {id(layer.kernel): weight for layer, weight in zip(dense, self.weights, strict=True)}
        self.initial = [kernels.get(id(one), old) for one, old in zip(self.model.weights, self.initial, strict=True)]

    def reset(self) -> None:
        self.model.set_weights(self.initial)
        for variable, value in self.moments:
            variable.assign(value)

    def train(self) -> float:
        work = self.work
        told = self.model.fit(self.x, self.t, batch_size=work.batch, epochs=work.epochs, shuffle=True, verbose=0)
        return told.history["loss"][-1]


FRAMEWORKS: dict[str, type[Framework]] = {one.name: one for one in (Nnexp, Torch, TorchCompiled, Jax, Keras, Sklearn)}
"""In the order of the tables' columns."""


def save_task(
    path: Path, name: str, work: Work, settings: Mapping[str, Any], data: tuple[np.ndarray, np.ndarray]
) -> None:
    """What a process of its own is to do, on data x (N, F) and t (N,), as a file."""
    x, t = data
    told = json.dumps({"name": name, "work": asdict(work), "settings": dict(settings)})
    weights = {f"W{number:02}": weight for number, weight in enumerate(work.weights())}
    np.savez(path, x=x, t=t, told=np.array(told), **weights)


def serve(path: Path) -> None:
    """Train once, and again for each line on the standard input, until there is none."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints is not an answer
    with np.load(path) as file:
        arrays = dict(file)
    told = json.loads(str(arrays["told"]))
    work = Work(**{**told["work"], "hidden": tuple(told["work"]["hidden"])})
    kind = FRAMEWORKS[told["name"]]
    for package in kind.packages:
        import_module(package)
    started = time.perf_counter()
    weights = [arrays[name] for name in sorted(arrays) if name.startswith("W")]
    framework = kind(work, arrays["x"], arrays["t"], weights, told["settings"])
    while True:
        framework.reset()
        begun = time.perf_counter()
        loss = framework.train()
        ended = time.perf_counter()
        answer = {"seconds": ended - begun, "loss": loss, "since_start": ended - started}
        print(json.dumps(answer), file=answers, flush=True)
        if sys.stdin.readline().strip() != "train":
            return


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
