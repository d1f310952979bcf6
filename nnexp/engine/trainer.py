"""Training from the first to the last epoch, as a stream of events; it can stop after any step and go on later."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, ClassVar

import numpy as np

from nnexp.components.datasets import Dataset
from nnexp.components.metrics import metrics_for
from nnexp.components.normalizations import StandardizingNormalization
from nnexp.components.regularizers import Noise, Penalty
from nnexp.config.schema import ExperimentConfig
from nnexp.engine.data import SPLITS, Batches, Data, prepare
from nnexp.engine.learner import Learner
from nnexp.engine.network import Network
from nnexp.engine.steps import QuasiNewtonSteps
from nnexp.engine.streams import stream
from nnexp.errors import Misfit, did_you_mean

TICK = 0.1
"""Seconds between two ticks: how long an interruption may wait."""


INIT_EXAMPLES = 512
"""Training examples that an initializer may look at."""


@dataclass(frozen=True)
class Row:
    """A row of metrics.csv is due."""

    values: dict[str, float | int | None]


@dataclass(frozen=True)
class Tick:
    """Some time has passed; the trainer stands between two steps, where its state can be saved."""

    epoch: int
    step: int


@dataclass(frozen=True)
class Outcome:
    """How training ended: `finished` or `diverged`, with what the final parameters score on every split."""

    status: str
    reason: str
    epoch: int
    step: int
    final: dict[str, float] = field(default_factory=dict)


class Experiment:
    """A configuration together with its data: complete, and known to fit together."""

    why_no_validation: ClassVar[str] = "dataset.validation is 0"

    def __init__(self, config: ExperimentConfig, data: Data | None = None):
        """Load the data and fill what depends on them. Raises Unfit with every misfit, or InputError."""
        try:
            data = data or self.prepare(config)
        except Misfit as misfit:
            raise Unfit([misfit]) from None
        if config.loss is None:
            name = "cross_entropy" if data.classes is not None else "mse"
            config = ExperimentConfig.model_validate({**config.model_dump(), "loss": name})
        assert config.loss is not None
        self.config, self.data, self.loss = config, data, config.loss
        self.metrics = metrics_for(data.task)
        self.penalties = [r for r in config.regularization if isinstance(r, Penalty)]
        self.noises = [r for r in config.regularization if isinstance(r, Noise)]
        misfits = list(self._misfits())
        if misfits:
            raise Unfit(misfits)

    @staticmethod
    def prepare(config: ExperimentConfig) -> Data:
        """The data of a configuration. Raises Misfit or InputError."""
        assert isinstance(config.dataset, Dataset)
        return prepare(config.dataset, config.seed, config.precision)

    @property
    def n_classes(self) -> int | None:
        return None if self.data.classes is None else len(self.data.classes)

    @property
    def splits(self) -> list[str]:
        """The splits that are evaluated for each row."""
        return [
            *(["train"] if self.config.monitor.train else []),
            *(["validation"] if len(self.data.validation) else []),
        ]

    @property
    def columns(self) -> list[str]:
        """The columns of metrics.csv."""
        names = ["loss", *(metric.name for metric in self.metrics)]
        scores = [f"{split}_{name}" for split in self.splits for name in names]
        return ["epoch", "step", "lr", "batch_loss", *scores, *self.extras, "seconds"]

    @property
    def extras(self) -> list[str]:
        """The columns that are no scores."""
        return ["evaluations"] if self.config.optimizer.searches else []

    def higher_is_better(self, column: str) -> bool:
        """Whether a column such as validation_accuracy is to be large."""
        return any(column.endswith(f"_{metric.name}") and metric.higher_is_better for metric in self.metrics)

    def _misfits(self) -> Iterator[Misfit]:
        config, n = self.config, len(self.data.train)
        rows = 0
        bias = config.initialization.output_bias
        try:
            outputs = self.loss.outputs(self.n_classes)
            if isinstance(bias, tuple) and len(bias) != outputs:
                yield Misfit("initialization.output_bias", f"{len(bias)} numbers for {outputs} outputs")
        except Misfit as misfit:
            yield misfit
        try:
            rows = config.batch.rows(n)
        except Misfit as misfit:
            yield misfit
        norm = config.normalization
        if rows and isinstance(norm, StandardizingNormalization) and norm.over == "batch":
            if rows == 1:
                yield Misfit("normalization", "batch normalization needs batches of at least 2 examples; use layer")
            elif config.batch.sizes(n)[1] == 1:
                yield Misfit(
                    "batch",
                    f"the last of the {n} training examples is a batch of its own, which batch normalization cannot "
                    f"use; say 'drop_last: true' or another size than {rows}",
                )
        if rows and rows != n and config.optimizer.searches:
            yield Misfit("batch", f"{config.optimizer.label()} compares losses of all examples; say batch: full")
        if self.noises and config.optimizer.searches:
            noise = self.noises[0].label()
            yield Misfit("regularization", f"{config.optimizer.label()} compares losses, which {noise} would change")
        yield from self._misfits_of_training()

    def _misfits_of_training(self) -> Iterator[Misfit]:
        """What does not go together whatever is trained."""
        config, optimizer = self.config, self.config.optimizer
        if not optimizer.scales_with_lr and config.schedule.label() != "constant":
            yield Misfit("schedule", f"{optimizer.label()} finds its own step sizes, so a schedule has no effect on it")
        if optimizer.searches and config.clip is not None:
            yield Misfit("clip", f"{optimizer.label()} learns the curvature from gradients, which clipping would bend")
        stop, known = config.stop, [name for name in self.columns[3:-1] if name not in self.extras]
        names = ["loss", *(metric.name for metric in self.metrics)]
        possible = ["batch_loss", *(f"{split}_{name}" for split in ("train", "validation") for name in names)]
        if stop.metric not in possible:
            guess = did_you_mean(stop.metric, possible) or f"; one of {', '.join(known)}"
            yield Misfit("stop.metric", f"'{stop.metric}' is not logged{guess}")
        elif stop.patience is not None and stop.metric not in known:
            why = "monitor.train is false" if stop.metric.startswith("train_") else self.why_no_validation
            yield Misfit(
                "stop.patience",
                f"'{stop.metric}' is not logged, for {why}; set stop.metric to one of {', '.join(known)}",
            )

    def trainer(self) -> Trainer:
        """What trains this experiment, at its beginning."""
        return Trainer(self)

    def network(self, rng: np.random.Generator) -> Network:
        """The network, not yet initialized; noise draws from `rng`."""
        return Network(
            self.data.train.x.shape[1],
            self.config.architecture.widths(),
            self.loss.outputs(self.n_classes),
            self.config.activation,
            self.config.normalization,
            self.noises,
            np.dtype(self.config.precision),
            rng,
        )

    def learner(self, network: Network) -> Learner:
        return Learner(network, self.loss, self.config.optimizer, self.penalties, self.config.clip)

    def encoded(self, t: np.ndarray) -> np.ndarray:
        """Targets as the loss wants them."""
        if self.data.classes is None:
            t = (t - self.data.target_shift) / self.data.target_scale
        return self.loss.encode(t, self.n_classes, np.dtype(self.config.precision))

    def rehearse(self) -> None:
        """Load or compile every loop that this experiment needs, by one step of a network with one unit a layer."""
        config = self.config
        dtype = np.dtype(config.precision)
        outputs = self.loss.outputs(self.n_classes)
        widths = (1,) * min(len(config.architecture.widths()), 2)
        rng = np.random.default_rng(0)
        net = Network(1, widths, outputs, config.activation, config.normalization, self.noises, dtype, rng)
        learner = self.learner(net)
        x, t = np.zeros((2, 1), dtype), self.encoded(self.data.train.t[:2])
        learner.step(x, t, 0.0)
        learner.outputs(x)


class Unfit(Exception):
    """A valid configuration whose parts or data do not go together; `misfits` says where."""

    def __init__(self, misfits: list[Misfit]):
        super().__init__("; ".join(f"{m.path}: {m.message}" for m in misfits))
        self.misfits = misfits


class Trainer:
    """Trains one experiment. Iterate over `run()`; between two events its `state()` can be saved and restored."""

    def __init__(self, experiment: Experiment):
        self.experiment = experiment
        config = experiment.config
        self.config = config
        self._set_up()
        total = self.batches.steps * config.stop.epochs
        self.total_steps = total if config.stop.steps is None else min(total, config.stop.steps)
        self.total_epochs = -(-self.total_steps // self.batches.steps)
        self.epoch = 0
        """The epoch that is under way, from 1; 0 before the first row."""
        self.position = 0
        """Batches of this epoch that are done."""
        self.loss_sum = 0.0
        self.loss_rows = 0
        self.seconds = 0.0
        self.enough = False
        """Whether early stopping has had enough."""
        self.best_value = math.nan
        self.best_epoch = -1
        self.best: dict[str, np.ndarray] = {}
        self.outcome: Outcome | None = None

    def _set_up(self) -> None:
        """Network, learner and batches, as they are before the first update."""
        experiment, config, data = self.experiment, self.config, self.experiment.data
        self.noise_rng = stream(config.seed, "dropout")
        self.network = experiment.network(self.noise_rng)
        self.network.initialize(config.initialization, config.seed, data.train.x[:INIT_EXAMPLES])
        self.learner = experiment.learner(self.network)
        self.batches = Batches(data.train.x, experiment.encoded(data.train.t), config.batch, config.seed)
        self.network.over(self.batches.rows, training=True)
        self.encoded = {name: experiment.encoded(data.split(name).t) for name in SPLITS}

    # -- the paragraph that describes training ---------------------------------------------------------------------

    def run(self) -> Iterator[Row | Tick]:
        """Train to the end. Yields a Row for epoch 0 and each logged epoch, and Ticks in between; sets `outcome`."""
        if self.epoch == 0:
            yield self._row()
            if self.outcome is not None:
                return
        while self.learner.t < self.total_steps and not self.enough:
            yield from self._train_epoch()
            if self.outcome is not None:
                return
            if self.learner.t >= self.total_steps or self.epoch % self.config.monitor.every == 0:
                yield self._row()
                if self.outcome is not None:
                    return
            else:
                self._next_epoch()
        self._finish()

    def _train_epoch(self) -> Iterator[Tick]:
        batching, step, total = self.batches, self.learner.step, self.total_steps
        tick = start = perf_counter()
        for x, t in batching.epoch(self.epoch, self.position):
            loss = step(x, t, self.lr(self.learner.t))
            self.position += 1
            self.loss_sum += loss * len(x)
            self.loss_rows += len(x)
            if loss - loss != 0:  # NaN or infinite
                self.seconds += perf_counter() - start
                self._diverge(f"the loss became {loss}")
                return
            if self.learner.t >= total:
                break
            now = perf_counter()
            if now - tick > TICK:
                self.seconds += now - start
                yield Tick(self.epoch, self.learner.t)
                tick = start = perf_counter()
        self.seconds += perf_counter() - start

    def _next_epoch(self) -> None:
        self.epoch += 1
        self.position, self.loss_sum, self.loss_rows = 0, 0.0, 0

    def lr(self, done: int) -> float:
        """The learning rate of the update that follows `done` updates."""
        schedule, base = self.config.schedule, self.config.optimizer.lr
        if schedule.per == "step":
            return base * schedule.factor(done, self.total_steps)
        return base * schedule.factor(done // self.batches.steps, self.total_epochs)

    # -- what is seen on the way -----------------------------------------------------------------------------------

    def _row(self) -> Row:
        """Evaluate, and go on to the next epoch: the state while the row is handed out is that of its start."""
        row: dict[str, float | int | None] = {"epoch": self.epoch, "step": self.learner.t}
        row["lr"] = self.lr(max(self.learner.t - 1, 0))
        row["batch_loss"] = self.loss_sum / self.loss_rows if self.loss_rows else None
        for split in self.experiment.splits:
            row |= self.score(split)
        row |= self.extras()
        row["seconds"] = round(self.seconds, 6)
        self._watch(row)
        self._check(row)
        self._next_epoch()
        return Row(row)

    def extras(self) -> dict[str, float | int | None]:
        """What is logged beside the scores."""
        steps = self.learner.steps
        return {"evaluations": steps.evaluations} if isinstance(steps, QuasiNewtonSteps) else {}

    def score(self, split: str) -> dict[str, float]:
        """Loss and metrics of the present parameters on a split, in evaluation."""
        experiment, data = self.experiment, self.experiment.data
        examples = data.split(split)
        z = self.learner.outputs(examples.x)
        scores = {f"{split}_loss": self.learner.mean_loss(z, self.encoded[split])}
        if data.classes is not None:
            predicted = experiment.loss.decide(z)
        else:
            predicted = z[:, 0].astype(np.float64) * data.target_scale + data.target_shift
        with np.errstate(all="ignore"):
            scores |= {f"{split}_{m.name}": m.measure(predicted, examples.t) for m in experiment.metrics}
        return scores

    def _watch(self, row: dict[str, Any]) -> None:
        """Early stopping: remember the best epoch; it is enough when there was none for `patience` epochs."""
        stop = self.config.stop
        if stop.patience is None or row.get(stop.metric) is None:
            return
        value = row[stop.metric]
        sign = 1 if self.experiment.higher_is_better(stop.metric) else -1
        if self.best_epoch < 0 or sign * (value - self.best_value) > stop.min_delta:
            self.best_value, self.best_epoch = value, self.epoch
            if stop.restore_best:
                self.best = {k: v.copy() for k, v in self._arrays().items() if not k.startswith("slot.")}
        self.enough = self.epoch - self.best_epoch >= stop.patience

    def _check(self, row: dict[str, Any]) -> None:
        bad = [
            name for name, value in row.items() if name.endswith("_loss") and value is not None and value - value != 0
        ]
        if bad:
            self._diverge(f"{bad[0]} became {row[bad[0]]}")

    def _diverge(self, what: str) -> None:
        epoch = -(-self.learner.t // self.batches.steps)
        self.outcome = Outcome("diverged", f"{what} at step {self.learner.t}", epoch, self.learner.t)

    def _finish(self) -> None:
        stop, epoch = self.config.stop, self.epoch - 1
        reason = f"{epoch} epoch{'s' if epoch != 1 else ''}"
        if self.learner.t == stop.steps:
            reason = f"stopped at stop.steps, in epoch {epoch}"
        if self.learner.t < self.total_steps:
            reason = f"stopped early: {stop.metric} no better since epoch {self.best_epoch}"
        if self.best:
            for name, array in self._arrays().items():
                if name in self.best:
                    array[:] = self.best[name]
            if self.best_epoch != epoch:
                reason += f"; parameters of epoch {self.best_epoch} restored"
        final: dict[str, float] = {}
        for split in SPLITS:
            if len(self.experiment.data.split(split)):
                final |= self.score(split)
        if any(name.endswith("_loss") and value - value != 0 for name, value in final.items()):
            self._diverge("a final loss is not finite")
            return
        self.outcome = Outcome("finished", reason, epoch, self.learner.t, final)

    # -- going on later ----------------------------------------------------------------------------------------------

    def _arrays(self) -> dict[str, np.ndarray]:
        """The arrays that training changes, by name; views, not copies."""
        running = {f"running.{name}": array for name, array in self.network.running.items()}
        slots = {f"slot.{name}": array for name, array in self.learner.slots.items()}
        return {"parameters": self.network.θ, **running, **slots}

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the rest of training depends on, as arrays (one of them JSON text)."""
        numbers = {
            "epoch": self.epoch,
            "position": self.position,
            "t": self.learner.t,
            "loss_sum": self.loss_sum,
            "loss_rows": self.loss_rows,
            "seconds": self.seconds,
            "enough": self.enough,
            "best_value": self.best_value,
            "best_epoch": self.best_epoch,
            "noise": self.noise_rng.bit_generator.state,
        }
        best = {f"best.{name}": array for name, array in self.best.items()}
        return {"numbers": np.array(json.dumps(numbers)), **self._arrays(), **best}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state()`. Raises KeyError or ValueError where it belongs to another network."""
        numbers = json.loads(str(state["numbers"]))
        for name, array in self._arrays().items():
            if array.shape != state[name].shape:
                raise ValueError(f"{name} has {state[name].shape} values, not {array.shape}")
            array[:] = state[name]
        self.best = {name.removeprefix("best."): array for name, array in state.items() if name.startswith("best.")}
        self.learner.t = numbers["t"]
        self.noise_rng.bit_generator.state = numbers["noise"]
        for name in (
            "epoch",
            "position",
            "loss_sum",
            "loss_rows",
            "seconds",
            "enough",
            "best_value",
            "best_epoch",
        ):
            setattr(self, name, numbers[name])
