"""Training from the first to the last epoch, as a stream of events; it can stop after any step and go on later."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from nnexp.components.schedules import Memory
from nnexp.engine.augment import Augmenter
from nnexp.engine.data import SPLITS, Batches
from nnexp.engine.experiment import OF_AN_EPOCH, Experiment
from nnexp.engine.pretrain import Pretrainer
from nnexp.engine.steps import QuasiNewtonSteps
from nnexp.engine.streams import legacy, stream

TICK = 0.1
"""Seconds between two ticks: how long an interruption may wait."""

LOOKS = 10
"""Looks at a target in an epoch, the one at its end included, where nothing else is said."""

INIT_EXAMPLES = 512
"""Training examples that an initializer may look at."""


@dataclass(frozen=True)
class Row:
    """A row of metrics.csv is due: with a whole number as its epoch at the end of one, or else within an epoch."""

    values: dict[str, float | int | None]

    @property
    def within(self) -> bool:
        """Whether it stands within an epoch, where nothing watches."""
        return isinstance(self.values["epoch"], float)


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


class Trainer:
    """Trains one experiment. Iterate over `run()`; between two events its `state()` can be saved and restored."""

    def __init__(self, experiment: Experiment):
        self.experiment = experiment
        config = experiment.config
        self.config = config
        self._set_up()
        self.learner.tells_penalty = config.monitor.objective
        total = self.batches.steps * config.stop.epochs
        self.total_steps = total if config.stop.steps is None else min(total, config.stop.steps)
        self.total_epochs = -(-self.total_steps // self.batches.steps)
        self.epoch = 0
        """The epoch that is under way, from 1; 0 before the first row."""
        self.position = 0
        """Batches of this epoch that are done."""
        self.loss_sum = 0.0
        self.penalty_sum = 0.0
        self.loss_rows = 0
        predictions = (len(experiment.data.train), self.network.outputs) if experiment.streams else (0, 0)
        self.predicted = np.empty(predictions, self.network.dtype)
        """The outputs for this epoch's examples, each before it was learned from."""
        target = config.stop.target
        self.look_every = 0
        if target is not None and not target.metric.startswith(OF_AN_EPOCH):
            self.look_every = target.every or -(-self.batches.steps // LOOKS)
        """Updates between two looks at the target within an epoch; 0: none."""
        self.reached: float | None = None
        """The value of the target's metric that was good enough."""
        self.memory = Memory()
        """What the schedule remembers."""
        self.last: dict[str, float] = {}
        """The last row's objective and prequential scores, where they are logged: part of the final scores."""
        self.scored: dict[str, dict[str, float]] = {}
        """The last row's scores of each split, until the next update."""
        self.pretrained: list[dict[str, Any]] = []
        """Each hidden layer's reconstruction error before and after pre-training, once all are pre-trained."""
        self.seconds = 0.0
        self.pace = TICK
        """Seconds that a step took last."""
        self.enough = False
        """Whether early stopping has had enough."""
        self.best_value = math.nan
        self.best_epoch = -1
        self.gain_epoch = -1
        """The last epoch that was better than the best before it by min_delta."""
        self.best: dict[str, np.ndarray] = {}
        self.outcome: Outcome | None = None

    def _set_up(self) -> None:
        """Network, learner and batches, as they are before the first update."""
        experiment, config, data = self.experiment, self.config, self.experiment.data
        self.noise_rng = stream(config.seeds, "dropout")
        self.network = experiment.network(self.noise_rng)
        drawn = experiment.legacy_streams
        generator = legacy(config.seeds.of(drawn[0])) if drawn else None
        some = stream(config.seeds, "init", 1).permutation(len(data.train))[:INIT_EXAMPLES]
        saved = config.initialization.saved()
        self.network.initialize(config.initialization, config.seeds, data.train.x[some], generator, saved)
        self.learner = experiment.learner(self.network)
        self.encoded = {name: experiment.encoded(data.split(name).t) for name in SPLITS}
        self.augmenter: Augmenter | None = None
        if config.augmentation:
            given = (config.augmentation, data.fitted, self.network.dtype, config.seeds)
            self.augmenter = Augmenter(*given, experiment.image)
        inputs = data.train.x if data.raw is None else data.raw
        self.batches = Batches(inputs, self.encoded["train"], config.batch, config.seeds, generator)
        self.learner.attach(inputs, self.encoded["train"])
        self.network.over(self.batches.rows, training=True)

    # -- the paragraph that describes training ---------------------------------------------------------------------

    def run(self) -> Iterator[Row | Tick]:
        """Train to the end. Yields a Row for epoch 0, each logged epoch and where one is due within an epoch.

        In between come Ticks; at the end `outcome` is set.
        """
        if self.epoch == 0:
            yield from self._pretrain()
            if self.outcome is not None:
                return
            yield self._row()
            if self.outcome is not None:
                return
        while not self.at_end:
            yield from self._train_epoch()
            if self.outcome is not None:
                return
            due = self.learner.t >= self.total_steps or self.epoch % self.config.monitor.every == 0
            if due or self._look():
                yield self._row()
                if self.outcome is not None:
                    return
            else:
                self._next_epoch()
        self._finish()

    @property
    def at_end(self) -> bool:
        """Whether no update is left: all are made, early stopping has had enough, or the target is reached."""
        return self.learner.t >= self.total_steps or self.enough or self.reached is not None

    @property
    def restores_best(self) -> bool:
        """Whether training ends with the parameters of the best epoch, as far as is known now."""
        return bool(self.best) and self.reached is None

    def _pretrain(self) -> Iterator[Tick]:
        """Pre-train the hidden layers, where the configuration says so. Its seconds are training seconds."""
        config = self.config
        if config.pretrain is None:
            return
        tick = perf_counter()
        x = self.experiment.data.train.x
        layers = Pretrainer(config.pretrain, self.network, config.initialization, x, config.seeds)
        for _ in layers.run():
            now = perf_counter()
            if now - tick > TICK:
                self.seconds += now - tick
                yield Tick(self.epoch, self.learner.t)
                tick = perf_counter()
        self.seconds += perf_counter() - tick
        last = layers.errors[-1]
        if last["after"] - last["after"] != 0:  # NaN or infinite
            what = f"the reconstruction error of {last['layer']} became {last['after']} in pre-training"
            self.outcome = Outcome("diverged", what, 0, 0)
            return
        self.pretrained = layers.errors

    def _train_epoch(self) -> Iterator[Row | Tick]:
        look_every, updates, tick = self.look_every, self.config.monitor.updates, perf_counter()
        start = tick
        for span in self.batches.indices(self.epoch, self.position):
            done, count = 0, len(span)
            while done < count and self.learner.t < self.total_steps:
                due, began = self._due(count - done), perf_counter()
                losses = self._advance(span[done : done + due])
                done += due
                if not np.isfinite(losses[-1]):
                    self.seconds += perf_counter() - start
                    self._diverge(f"the loss became {losses[-1]}")
                    return
                now = perf_counter()
                self.pace = (now - began) / len(losses)
                if self.learner.t >= self.total_steps:
                    break
                if look_every and self.position % look_every == 0 and self.position < self.batches.steps:
                    self.seconds += now - start
                    if self._look():
                        return
                    now = start = perf_counter()
                if updates and self.learner.t % updates == 0 and self.position < self.batches.steps:
                    self.seconds += now - start
                    yield self._row_within()
                    tick = start = perf_counter()
                elif now - tick > TICK:
                    self.seconds += now - start
                    yield Tick(self.epoch, self.learner.t)
                    tick = start = perf_counter()
        self.seconds += perf_counter() - start

    def _due(self, count: int) -> int:
        """How many of the next `count` batches can be trained on before anything has to be looked at."""
        if self.augmenter is not None or self.experiment.streams or self.config.monitor.objective:
            return 1
        due = min(count, self.total_steps - self.learner.t, max(1, round(TICK / max(self.pace, 1e-9))))
        if self.config.monitor.updates:
            due = min(due, self.config.monitor.updates - self.learner.t % self.config.monitor.updates)
        return min(due, self.look_every - self.position % self.look_every) if self.look_every else due

    def _advance(self, index: np.ndarray) -> np.ndarray:
        """Train on the K batches of the examples `index` (K, B), up to the first loss that is not finite."""
        x, t, rows = self.batches.x, self.batches.t, index.shape[1]
        self.scored = {}
        lrs = [self.lr(self.learner.t)] * len(index)
        if self.config.schedule.per == "step":
            lrs = [self.lr(self.learner.t + k) for k in range(len(index))]
        if self.experiment.streams:
            self.predicted[self.position] = self.learner.outputs(x[index[0]])[0]
        if self.augmenter is None:
            losses = self.learner.play(index, lrs)
        else:
            batch = self.augmenter(x[index[0]], t[index[0]], self.epoch, self.position)
            losses = np.array([self.learner.step(*batch, lrs[0])])
        if self.config.monitor.objective:
            self.penalty_sum += self.learner.told * rows
        for loss in losses.tolist():
            self.loss_sum += loss * rows
        self.position += len(losses)
        self.loss_rows += len(losses) * rows
        return losses

    def divide(self, threads: int) -> int:
        """Divide the work among threads, from now on. Returns how many of them a matrix product may take."""
        return self.learner.divide(threads, self.batches.rows)

    def _next_epoch(self) -> None:
        self.epoch += 1
        self.position, self.loss_sum, self.penalty_sum, self.loss_rows = 0, 0.0, 0.0, 0

    def lr(self, done: int) -> float:
        """The learning rate of the update that follows `done` updates."""
        schedule, base = self.config.schedule, self.config.optimizer.lr
        count, total = self._counted(done)
        return base * schedule.factor(count, total) * self.memory.scale

    def _counted(self, done: int) -> tuple[int, int]:
        """`done` updates, and all of them, in what the schedule counts."""
        if self.config.schedule.per == "step":
            return done, self.total_steps
        return done // self.batches.steps, self.total_epochs

    # -- what is seen on the way -----------------------------------------------------------------------------------

    def _row(self) -> Row:
        """Evaluate, and go on to the next epoch: the state while the row is handed out is that of its start."""
        gathered = self._epoch_scores()
        self.last = {key: value for key, value in gathered.items() if key != "batch_loss" and value is not None}
        self.scored = {split: self.score(split) for split in self.experiment.splits}
        row = self._measured(self.epoch, gathered, self.scored)
        self._watch(row)
        self._heed(row)
        target = self.config.stop.target
        if target is not None:
            self._judge(row[target.metric])
        self._check(row)
        self._next_epoch()
        return Row(row)

    def _row_within(self) -> Row:
        """Evaluate within an epoch, of which what was gathered is told so far. Training does not see it."""
        scored = {split: self.score(split) for split in self.experiment.splits}
        done = self.epoch - 1 + self.position / self.batches.steps
        return Row(self._measured(done, self._epoch_scores(), scored))

    def _measured(
        self, epoch: float, gathered: dict[str, float | None], scored: dict[str, dict[str, float]]
    ) -> dict[str, float | int | None]:
        """The columns of metrics.csv, after so many epochs."""
        row: dict[str, float | int | None] = {"epoch": epoch, "step": self.learner.t}
        row["lr"] = self.lr(max(self.learner.t - 1, 0))
        row |= gathered
        for scores in scored.values():
            row |= scores
        row |= self.extras()
        row["seconds"] = round(self.seconds, 6)
        return row

    def _epoch_scores(self) -> dict[str, float | None]:
        """What was gathered over the batches of this epoch so far: losses, and the scores of a stream's predictions."""
        n = self.loss_rows
        scores: dict[str, float | None] = {"batch_loss": self.loss_sum / n if n else None}
        if self.config.monitor.objective:
            scores["batch_objective"] = (self.loss_sum + self.penalty_sum) / n if n else None
        if self.experiment.streams and n:
            seen = self.batches.seen(self.epoch, n)
            t = self.experiment.data.train.t[seen]
            scores |= self._scores("prequential", self.predicted[:n], t, self.encoded["train"][seen])
        elif self.experiment.streams:
            scores |= {column: None for column in self.experiment.columns if column.startswith("prequential_")}
        return scores

    def extras(self) -> dict[str, float | int | None]:
        """What is logged beside the scores."""
        steps = self.learner.steps
        return {"evaluations": steps.evaluations} if isinstance(steps, QuasiNewtonSteps) else {}

    def score(self, split: str) -> dict[str, float]:
        """Loss and metrics of the present parameters on a split, in evaluation."""
        examples = self.experiment.data.split(split)
        return self._scores(split, self.learner.outputs(examples.x), examples.t, self.encoded[split])

    def rescore(self, split: str, drawn: Sequence[np.ndarray]) -> list[dict[str, float]]:
        """Loss and metrics on draws of a split's examples, each draw the numbers (M,) of its examples."""
        examples, encoded = self.experiment.data.split(split), self.encoded[split]
        z = self.learner.outputs(examples.x)
        return [self._scores(split, z[rows], examples.t[rows], encoded[rows]) for rows in drawn]

    def _scores(self, split: str, z: np.ndarray, t: np.ndarray, encoded: np.ndarray) -> dict[str, float]:
        """Loss and metrics of outputs z (N, O), where t (N,) are the targets as loaded and as the loss wants them."""
        experiment, data = self.experiment, self.experiment.data
        scores = {f"{split}_loss": self.learner.mean_loss(z, encoded)}
        if data.classes is not None:
            predicted = experiment.loss.decide(z)
        else:
            predicted = experiment.loss.predict(z) * data.target_scale + data.target_shift
        with np.errstate(all="ignore"):
            scores |= {f"{split}_{m.name}": m.measure(predicted, t) for m in experiment.metrics}
        return scores

    def _watch(self, row: dict[str, Any]) -> None:
        """Early stopping: remember the best epoch; it is enough when there was none for `patience` epochs.

        As in Keras, only what is better than the best by more than min_delta is the new best. In scikit-learn anything
        better is, but only a gain of at least min_delta ends the counting, which goes one epoch beyond `patience`.
        """
        stop = self.config.stop
        if stop.patience is None or row.get(stop.metric) is None:
            return
        value = row[stop.metric]
        sign = 1 if self.experiment.higher_is_better(stop.metric) else -1
        sklearn, first = stop.dialect == "sklearn", self.best_epoch < 0
        gain = sign * (value - self.best_value)
        if first or (gain >= stop.min_delta if sklearn else gain > stop.min_delta):
            self.gain_epoch = self.epoch
        if first or gain > (0.0 if sklearn else stop.min_delta):
            self.best_value, self.best_epoch = value, self.epoch
            if stop.restore_best:
                self.best = {k: v.copy() for k, v in self._arrays().items() if not k.startswith("slot.")}
        self.enough = self.epoch - self.gain_epoch >= stop.patience + sklearn

    def _heed(self, row: dict[str, Any]) -> None:
        """Show the schedule the metric that it watches, once its warm-up is over."""
        schedule = self.config.schedule
        value = None if schedule.watched is None or self.epoch == 0 else row[schedule.watched]
        if schedule.watched is not None and value is not None and self._counted(self.learner.t)[0] >= schedule.warmup:
            higher = self.experiment.higher_is_better(schedule.watched)
            self.memory = schedule.heed(self.memory, value, higher, self.config.optimizer.lr)

    def _look(self) -> bool:
        """Evaluate the target's metric between two rows. True when it is good enough."""
        target = self.config.stop.target
        if target is None:
            return False
        split = target.metric.partition("_")[0]
        scores = self.score(split) if split in SPLITS else self._epoch_scores()
        return self._judge(scores[target.metric])

    def _judge(self, value: float | int | None) -> bool:
        target = self.config.stop.target
        assert target is not None
        if value is not None and target.reached(value):
            self.reached = value
        return self.reached is not None

    def _check(self, row: dict[str, Any]) -> None:
        losses = {name: value for name, value in row.items() if name.endswith(("_loss", "_objective"))}
        bad = [name for name, value in losses.items() if value is not None and value - value != 0]
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
        if self.reached is not None:
            reason = f"{stop.target} reached ({self.reached:.4g}) at step {self.learner.t}, in epoch {epoch}"
        elif self.learner.t < self.total_steps:
            reason = f"stopped early: {stop.metric} no better since epoch {self.gain_epoch}"
        if stop.target is not None and self.reached is None:
            reason += f"; not reached: {stop.target}"
        if self.restores_best:
            for name, array in self._arrays().items():
                if name in self.best:
                    array[:] = self.best[name]
            self.scored = {}
            if self.best_epoch != epoch:
                reason += f"; parameters of epoch {self.best_epoch} restored"
        final: dict[str, float] = {}
        for split in SPLITS:
            if len(self.experiment.data.split(split)):
                final |= self.scored.get(split) or self.score(split)
        final |= self.last
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
            "gain_epoch": self.gain_epoch,
            "penalty_sum": self.penalty_sum,
            "reached": self.reached,
            "last": self.last,
            "pretrained": self.pretrained,
            "memory": asdict(self.memory),
            "noise": self.noise_rng.bit_generator.state,
        }
        best = {f"best.{name}": array for name, array in self.best.items()}
        done = self.predicted[: self.position]
        return {"numbers": np.array(json.dumps(numbers)), **self._arrays(), "predicted": done, **best}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state()`. Raises KeyError or ValueError where it belongs to another network.

        Pre-training that had not come to its end begins again, from the initial parameters.
        """
        numbers = json.loads(str(state["numbers"]))
        for name, array in self._arrays().items():
            if array.shape != state[name].shape:
                raise ValueError(f"{name} has {state[name].shape} values, not {array.shape}")
        if self.config.pretrain is not None and not numbers["pretrained"]:
            return
        for name, array in self._arrays().items():
            array[:] = state[name]
        self.best = {name.removeprefix("best."): array for name, array in state.items() if name.startswith("best.")}
        self.learner.t = numbers["t"]
        self.noise_rng.bit_generator.state = numbers["noise"]
        self.memory = Memory(**numbers["memory"])
        self.predicted[: len(state["predicted"])] = state["predicted"]
        for name in (
            "epoch",
            "position",
            "loss_sum",
            "loss_rows",
            "seconds",
            "enough",
            "best_value",
            "best_epoch",
            "gain_epoch",
            "penalty_sum",
            "reached",
            "last",
            "pretrained",
        ):
            setattr(self, name, numbers[name])
