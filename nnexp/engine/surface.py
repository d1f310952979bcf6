"""Training on a surface: θ itself is the parameter, an update is an epoch, and the path is logged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnexp.components.batching import FullBatch
from nnexp.components.clipping import Clipping
from nnexp.components.optimizers import Minimizer
from nnexp.components.surfaces import Surface
from nnexp.config.schema import ExperimentConfig
from nnexp.engine.augment import Targets
from nnexp.engine.data import Batches, Data, Loaded, Split
from nnexp.engine.experiment import Experiment, Unfit
from nnexp.engine.learner import Descent
from nnexp.engine.streams import stream
from nnexp.engine.trainer import Trainer
from nnexp.errors import Misfit

LOGGED = 10
"""Coordinates of θ that are logged, from the first on."""


@dataclass(frozen=True)
class Reading:
    """A number that is logged beside the loss."""

    name: str
    higher_is_better: bool = False


DISTANCE, GRADIENT_NORM = Reading("distance"), Reading("gradient_norm")
READINGS = (DISTANCE, GRADIENT_NORM)
"""How far the nearest global minimum is, where one is known, and the length of the gradient."""


class Position:
    """θ on a surface and the gradient there, as a network has them."""

    def __init__(self, θ: np.ndarray):
        self.θ, self.g, self.dtype, self.size = θ, np.zeros_like(θ), θ.dtype, len(θ)
        self.weights = 0
        self.value, self.gradient = {"theta": self.θ}, {"theta": self.g}
        self.running: dict[str, np.ndarray] = {}


class SurfaceDescent(Descent):
    """A position on a surface and its optimizer's state; normal noise on each gradient is drawn from `rng`."""

    def __init__(
        self,
        position: Position,
        surface: Surface,
        optimizer: Minimizer,
        clip: Clipping | None,
        rng: np.random.Generator,
    ):
        super().__init__(position, optimizer, (), clip)
        self.position, self.surface, self.rng = position, surface, rng

    def player(self, rows: int) -> None:
        return None

    def objective(self, x: np.ndarray, t: Targets) -> float:
        θ, g, noise = self.position.θ, self.position.g, self.surface.noise
        g[:] = self.surface.gradient(θ)
        if noise > 0:
            g += (noise * self.rng.normal(size=len(g))).astype(g.dtype)
        return float(self.surface.value(θ))


class SurfaceExperiment(Experiment):
    """A configuration whose `dataset` is a surface: complete, and known to fit together."""

    why_no_validation: ClassVar = "a surface has no examples to validate on"

    def __init__(self, config: ExperimentConfig, data: Data | None = None):
        """Raises Unfit with every key that means nothing on a surface or does not fit it."""
        assert isinstance(config.dataset, Surface)
        self.config, self.surface = config, config.dataset
        self.data = data or self.prepare(config)
        known = len(self.surface.minima()) > 0
        self.metrics = [reading for reading in READINGS if known or reading is not DISTANCE]  # type: ignore[misc]
        self.penalties, self.noises = [], []
        misfits = list(self._misfits())
        if misfits:
            raise Unfit(misfits)

    @staticmethod
    def prepare(config: ExperimentConfig, loaded: Loaded | None = None) -> Data:
        """One empty example: an update looks at nothing but θ."""
        text = config.dataset.model_dump_json()
        empty = Split(np.empty((0, 0)), np.empty(0))
        one = Split(np.empty((1, 0)), np.zeros(1))
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return Data(one, empty, empty, (), None, (), 0.0, 1.0, digest, ())

    @property
    def chance(self) -> dict[str, float]:
        return {}

    @property
    def examples(self) -> int | None:
        return None

    @property
    def extras(self) -> list[str]:
        return [*super().extras, *(f"theta{i + 1}" for i in range(min(self.surface.size(), LOGGED)))]

    def _misfits(self) -> Iterator[Misfit]:
        config, surface = self.config, self.surface
        assert surface.keys is not None
        for key, field in type(config).model_fields.items():
            if key not in surface.keys and getattr(config, key) != field.default:
                yield Misfit(
                    key,
                    f"{surface.label()} is a surface, on which θ itself is the parameter; '{key}' means nothing there, "
                    "so leave it out",
                )
        if config.monitor.updates is not None:
            yield Misfit("monitor.updates", "on a surface each update is an epoch, and has its row; use monitor.every")
        if config.optimizer.searches and surface.noise > 0:
            yield Misfit("dataset.noise", f"{config.optimizer.label()} compares losses, which noise does not go with")
        yield from self._misfits_of_training()

    def rehearse(self) -> None:
        """Load or compile the optimizer's loop, by a step that goes nowhere."""
        data = self.data.train
        self.descent(Position(self.start()), np.random.default_rng(0)).step(data.x, data.t, 0.0)

    def start(self) -> np.ndarray:
        """θ at step 0, shape (D,)."""
        surface = self.surface
        scatter = surface.scatter * stream(self.config.seeds, "init").normal(size=surface.size())
        return (surface.first() + scatter).astype(self.config.precision)

    def descent(self, position: Position, rng: np.random.Generator) -> SurfaceDescent:
        """What moves a position; noise is drawn from `rng`."""
        return SurfaceDescent(position, self.surface, self.config.optimizer, self.config.clip, rng)


class SurfaceTrainer(Trainer):
    """Goes down a surface, one update an epoch."""

    experiment: SurfaceExperiment
    position: int

    def _set_up(self) -> None:
        experiment, config, data = self.experiment, self.config, self.experiment.data
        self.noise_rng = stream(config.seeds, "noise")
        self.point = Position(experiment.start())
        self.network = self.point  # type: ignore[assignment]
        self.learner = experiment.descent(self.point, self.noise_rng)  # type: ignore[assignment]
        self.batches = Batches(data.train.x, data.train.t, FullBatch(shuffle="never"), config.seeds)
        self.learner.attach(self.batches.x, self.batches.t)
        self.encoded = {}
        self.augmenter = None

    def divide(self, threads: int) -> int:
        return threads

    def score(self, split: str) -> dict[str, float]:
        """Loss, distance to the nearest minimum and length of the gradient at θ, without noise."""
        surface, θ = self.experiment.surface, self.point.θ
        values = {
            "loss": float(surface.value(θ)),
            "distance": surface.distance(θ),
            "gradient_norm": float(np.linalg.norm(surface.gradient(θ))),
        }
        names = ["loss", *(reading.name for reading in self.experiment.metrics)]
        return {f"{split}_{name}": values[name] for name in names}

    def extras(self) -> dict[str, float | int | None]:
        return super().extras() | {f"theta{i + 1}": float(θ) for i, θ in enumerate(self.point.θ[:LOGGED])}


def kind_of(config: ExperimentConfig) -> type[Experiment]:
    """The kind of experiment that a configuration describes."""
    return SurfaceExperiment if isinstance(config.dataset, Surface) else Experiment


def trainer_of(experiment: Experiment) -> Trainer:
    """What trains an experiment, at its beginning."""
    return SurfaceTrainer(experiment) if isinstance(experiment, SurfaceExperiment) else Trainer(experiment)
