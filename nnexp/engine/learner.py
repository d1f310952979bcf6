"""One training step: forward, loss, backward, penalties, update; all in place."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from nnexp.components.activations import Call, Sigmoid
from nnexp.components.clipping import Clipping
from nnexp.components.losses import ElementwiseLoss, Loss, MarginLoss, SoftmaxLoss, SoftTargets
from nnexp.components.optimizers import Minimizer
from nnexp.components.regularizers import Constraint, Penalty
from nnexp.engine import compiling
from nnexp.engine.augment import Mixed, Targets
from nnexp.engine.calls import run
from nnexp.engine.crew import Crew
from nnexp.engine.loops import elementwise, losses
from nnexp.engine.network import Network
from nnexp.engine.player import Player
from nnexp.engine.stages import ActivityStage
from nnexp.engine.steps import steps_of
from nnexp.engine.tape import Unplayable

LARGE = 1 << 25
"""Multiplications in a layer's product from which on its division by BLAS pays more than that of the batch."""
BLOCK = 1 << 20
"""Bytes of outputs whose loss is evaluated at once."""
EVALUATED = 512
"""Examples that go through the network at once in evaluation."""


class SoftmaxOutput:
    """y = softmax(z);  dz = y (dy - Σ y dy)."""

    def __init__(self, rows: int, outputs: int, dtype: np.dtype):
        self.y = np.empty((rows, outputs), dtype)
        self.first, self.s = np.zeros(rows, np.int64), np.empty(rows, dtype)  # the shift's by-product; nobody reads it

    def ahead(self, z: np.ndarray) -> list[Call]:
        """The calls that compute y of z."""
        shift = (losses.softmax_shift(), z, self.first, self.y, self.s)
        return [shift, (np.exp, self.y, self.y), (losses.softmax_divide(), self.y)]

    def back(self, d: np.ndarray) -> list[Call]:
        """The calls that turn the gradient by y into that by z, in place."""
        return [(losses.softmax_backward(), self.y, d)]


class SigmoidOutput:
    """y = sigmoid(z);  dz = y' dy."""

    def __init__(self, rows: int, outputs: int, dtype: np.dtype):
        self.f, self.c = Sigmoid(), np.zeros(1, dtype)
        self.y, self.e = np.empty((rows, outputs), dtype), np.empty((rows, outputs), dtype)
        self.column_sums = np.empty(outputs, dtype)

    def ahead(self, z: np.ndarray) -> list[Call]:
        """The calls that compute y of z."""
        return [*self.f.exponentials(z, self.e), (elementwise.apply(Sigmoid.value, 0), z, self.e, self.y, self.c)]

    def back(self, d: np.ndarray) -> list[Call]:
        """The calls that turn the gradient by y into that by z, in place."""
        return [(elementwise.apply_backward(Sigmoid.slope, 0), self.y, self.y, self.e, d, self.column_sums, self.c)]


OUTPUTS: dict[str, type[SoftmaxOutput] | type[SigmoidOutput]] = {"softmax": SoftmaxOutput, "sigmoid": SigmoidOutput}


class LossStage(ABC):
    """A loss for batches of one shape: its value, and in d its gradient by the outputs z, shape (B, O)."""

    def __init__(self, loss: Loss, rows: int, outputs: int, dtype: np.dtype):
        coefficients = loss.coefficients()
        self.c, self.count = np.array(coefficients or (0.0,), dtype), len(coefficients)
        self.d = np.empty((rows, outputs), dtype)
        self._arrays: tuple[Any, Any] = None, None
        self.before: list[Call] = []
        """The calls before the value's."""
        self.value: Call = ()
        """The call that returns the value."""
        self.after: list[Call] = []
        """The calls after it."""

    def connect(self, z: np.ndarray, t: np.ndarray) -> list[Call]:
        """All calls, for outputs that will lie in z (B, O), and encoded targets in t."""
        if z is not self._arrays[0] or t is not self._arrays[1]:
            self._arrays = z, t
            self.before, self.value, self.after = self._calls(z, t)
        return [*self.before, self.value, *self.after]

    @abstractmethod
    def _calls(self, z: np.ndarray, t: np.ndarray) -> tuple[list[Call], Call, list[Call]]:
        """Those before the value's, the value's, and those after it, which leave the gradient in d."""

    def __call__(self, z: np.ndarray, t: np.ndarray) -> float:
        """The loss of outputs z (B, O) with encoded targets t."""
        self.connect(z, t)
        run(self.before)
        function, *arguments = self.value
        value = function(*arguments)
        run(self.after)
        return value

    def weight(self, t: np.ndarray) -> float:
        """What a batch with targets t counts in the mean over several."""
        return float(len(t))


class ElementwiseLossStage(LossStage):
    """The mean over elements of a loss of z, or of a function of z."""

    def __init__(self, loss: ElementwiseLoss, rows: int, outputs: int, dtype: np.dtype):
        super().__init__(loss, rows, outputs, dtype)
        self.loop = losses.elementwise_loss(type(loss).value, type(loss).slope, self.count)
        through = loss.through()
        self.output = None if through == "linear" else OUTPUTS[through](rows, outputs, dtype)

    def _calls(self, z: np.ndarray, t: np.ndarray) -> tuple[list[Call], Call, list[Call]]:
        if self.output is None:
            return [], (self.loop, z, t, self.d, self.c), []
        value = self.loop, self.output.y, t, self.d, self.c
        return self.output.ahead(z), value, self.output.back(self.d)


class SoftmaxLossStage(LossStage):
    """The mean over examples of a loss on softmax(z) and the target's class."""

    def __init__(self, loss: SoftmaxLoss, rows: int, outputs: int, dtype: np.dtype):
        super().__init__(loss, rows, outputs, dtype)
        self.e, self.s = np.empty((rows, outputs), dtype), np.empty(rows, dtype)
        self.finish = losses.softmax_loss(type(loss).value, type(loss).slope, type(loss).factor, self.count)
        self.w = () if type(loss).factor is None else (loss.weights(outputs).astype(dtype),)

    def _calls(self, z: np.ndarray, t: np.ndarray) -> tuple[list[Call], Call, list[Call]]:
        before = [(losses.softmax_shift(), z, t, self.e, self.s), (np.exp, self.e, self.e)]
        return before, (self.finish, self.e, self.s, t, *self.w, self.d, self.c), []


class SoftTargetLossStage(LossStage):
    """The weighted mean over examples of a loss on softmax(z) and a distribution over the classes."""

    def __init__(self, loss: SoftmaxLoss, soft: SoftTargets, rows: int, outputs: int, dtype: np.dtype):
        super().__init__(loss, rows, outputs, dtype)
        self.e, self.s = np.empty((rows, outputs), dtype), np.empty(rows, dtype)
        self.tables = tuple(a.astype(dtype) for a in (soft.q, soft.mass, soft.weight, soft.floor))
        self.finish = losses.soft_target_loss(type(loss).value, type(loss).slope, self.count)

    def _calls(self, z: np.ndarray, t: np.ndarray) -> tuple[list[Call], Call, list[Call]]:
        before = [(losses.softmax_shift(), z, t, self.d, self.s), (np.exp, self.d, self.e)]
        return before, (self.finish, self.d, self.e, t, *self.tables, self.d, self.c), []

    def weight(self, t: np.ndarray) -> float:
        return float(np.sum(self.tables[2][t], dtype=np.float64))


class MarginLossStage(LossStage):
    """The mean over examples of a loss on the margins between the target's output and the others."""

    def __init__(self, loss: MarginLoss, rows: int, outputs: int, dtype: np.dtype):
        super().__init__(loss, rows, outputs, dtype)
        self.loop = losses.margin_loss(type(loss).value, type(loss).slope, self.count)

    def _calls(self, z: np.ndarray, t: np.ndarray) -> tuple[list[Call], Call, list[Call]]:
        return [], (self.loop, z, t, self.d, self.c), []


def loss_stage(loss: Loss, rows: int, outputs: int, dtype: np.dtype) -> LossStage:
    """The stage that computes `loss` for batches of `rows` examples."""
    if isinstance(loss, SoftmaxLoss):
        soft = loss.soft_targets(outputs)
        if soft is not None:
            return SoftTargetLossStage(loss, soft, rows, outputs, dtype)
        return SoftmaxLossStage(loss, rows, outputs, dtype)
    if isinstance(loss, MarginLoss):
        return MarginLossStage(loss, rows, outputs, dtype)
    assert isinstance(loss, ElementwiseLoss)
    return ElementwiseLossStage(loss, rows, outputs, dtype)


class Parameters(Protocol):
    """What holds parameters: θ (D,) and their gradient g (D,), the weights first."""

    θ: np.ndarray
    g: np.ndarray
    weights: int
    """How many of the parameters are weights."""
    size: int
    dtype: np.dtype


class Descent(ABC):
    """An objective's parameters with the penalties on them, the limit on their gradient and their optimizer's state."""

    def __init__(
        self,
        parameters: Parameters,
        optimizer: Minimizer,
        penalties: Sequence[Penalty],
        clip: Clipping | None = None,
    ):
        self.optimizer, self.clip = optimizer, clip
        self.t = 0
        """Updates made so far."""
        self.tells_penalty, self.told = False, 0.0
        """Whether each step says what the penalties were before it, and what it said last."""
        self.g = parameters.g
        self.examples = np.empty((0, 0)), np.empty(0)
        """Inputs x (N, F) and targets t (N, ...) that `play` trains on."""
        self.steps = steps_of(optimizer, parameters.θ, parameters.g)
        self.slots = self.steps.slots
        self.penalties = [self._penalty(p, parameters) for p in penalties if p.strength > 0]
        self.limits: list[tuple[Callable[[np.ndarray], None], np.ndarray]] = []
        """What the parameters are brought back to after each update: a constraint's limit, and the weights it is on."""

    @staticmethod
    def _penalty(
        penalty: Penalty, parameters: Parameters
    ) -> tuple[Callable[..., None], tuple[np.ndarray, ...], Penalty]:
        """The penalty's loop with its arrays: what it is on, the gradient there, its coefficients."""
        c, end = penalty.coefficients(), parameters.weights if penalty.on == "weights" else parameters.size
        arrays = parameters.θ[:end], parameters.g[:end], np.array(c, parameters.dtype)
        return elementwise.penalty(type(penalty).slope, len(c)), arrays, penalty

    @abstractmethod
    def objective(self, x: np.ndarray, t: Targets) -> float:
        """The value at the present θ on a batch x with targets t; the gradient vector holds its gradient."""

    @abstractmethod
    def player(self, rows: int) -> Player | None:
        """What plays steps on batches of `rows` of the attached examples; None where only Python can make them."""

    def gradient(self, x: np.ndarray, t: Targets) -> float:
        """The objective on a batch, without penalties; the gradient vector holds its gradient, clipped, with them."""
        value = self.objective(x, t)
        if self.clip is not None:
            self.clip.limit(self.g)
        for slope, arrays, penalty in self.penalties:
            if penalty.per_example:
                arrays[2][:] = np.multiply(penalty.coefficients(), penalty.share(len(x)))
            slope(*arrays)
        return value

    def penalty(self, rows: int) -> float:
        """All penalties of the present weights, as a batch of `rows` examples sees them."""
        return sum(p.share(rows) * p.value(arrays[0]) for _, arrays, p in self.penalties)

    def total(self, x: np.ndarray, t: Targets) -> float:
        """The objective on a batch with penalties; the gradient vector holds the gradient of both."""
        return self.gradient(x, t) + self.penalty(len(x))

    def attach(self, x: np.ndarray, t: np.ndarray) -> None:
        """Train on the examples x (N, F) with targets t (N, ...)."""
        self.examples = x, t

    def play(self, index: np.ndarray, lrs: Sequence[float]) -> np.ndarray:
        """Steps at K learning rates on K batches, of the examples `index` (K, B), int64 in one piece.

        Returns the batches' losses before each step, without penalties, shape (K,), or fewer: up to the first that is
        not finite.
        """
        player = self.player(index.shape[1])
        if player is not None:
            return player.play(index, lrs)
        found: list[float] = []
        for examples, lr in zip(index, lrs, strict=True):
            found.append(self.step(self.examples[0][examples], self.examples[1][examples], lr))
            if not math.isfinite(found[-1]):
                break
        return np.array(found)

    def step(self, x: np.ndarray, t: Targets, lr: float) -> float:
        """One update at learning rate `lr`. Returns the batch's loss before it, without penalties."""
        value = self.gradient(x, t)
        if self.tells_penalty:
            self.told = self.penalty(len(x))
        self.t += 1
        self.steps.move(self, value, x, t, lr, self.t)
        for limit, W in self.limits:
            limit(W)
        return value


class Learner(Descent):
    """A network with its loss, its penalties and its optimizer's state."""

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimizer: Minimizer,
        penalties: Sequence[Penalty],
        clip: Clipping | None = None,
        constraints: Sequence[Constraint] = (),
    ):
        super().__init__(network, optimizer, penalties, clip)
        self.network, self.loss = network, loss
        weights = [network.value[p.name] for p in network.parameters if p.is_weight] if constraints else []
        self.limits = [(one.limit, W) for one in constraints for W in weights]
        self._stages: dict[int, LossStage] = {}
        self._crew: Crew | None = None
        """The other threads that a batch is divided among."""
        self._players: dict[int, Player | None] = {}

    def penalty(self, rows: int) -> float:
        """All penalties: of the present weights, and of the activations that the last batch of `rows` examples left."""
        stages = self.network.over(rows, training=True).stages
        return super().penalty(rows) + sum(stage.value() for stage in stages if isinstance(stage, ActivityStage))

    def loss_over(self, rows: int) -> LossStage:
        """The loss for batches of `rows` examples."""
        if rows not in self._stages:
            self._stages[rows] = self.new_loss(rows)
        return self._stages[rows]

    def new_loss(self, rows: int) -> LossStage:
        """A stage of its own for the loss of `rows` examples."""
        return loss_stage(self.loss, rows, self.network.outputs, self.network.dtype)

    @property
    def separable(self) -> bool:
        """Whether a batch's gradient is the mean of what its examples would give by themselves."""
        norms = [layer.norm for layer in self.network.layers]
        together = any(norm is not None and norm.over == "batch" for norm in norms)
        soft = self.loss.soft_targets(self.network.outputs) if isinstance(self.loss, SoftmaxLoss) else None
        return not together and (soft is None or np.ptp(soft.weight) == 0)

    def divide(self, threads: int, rows: int) -> int:
        """Divide each batch of `rows` of the attached examples among threads, if that can be done and pays.

        Returns how many threads a matrix product may take: one where batches are divided, else `threads`.
        """
        self.dismiss()
        large = rows * self.network.weights >= LARGE * len(self.network.layers)
        if threads == 1 or large or not self.separable or self._new_player(1) is None:
            return threads
        self._crew = Crew(threads - 1)
        return 1

    def dismiss(self) -> None:
        """End the threads that batches are divided among."""
        self._players.clear()
        if self._crew is not None:
            self._crew.dismiss()
        self._crew = None

    def player(self, rows: int) -> Player | None:
        if rows not in self._players:
            self._players[rows] = self._new_player(rows)
        return self._players[rows]

    def _new_player(self, rows: int) -> Player | None:
        if compiling.plain():
            return None
        try:
            return Player(self, *self.examples, rows, self._crew)
        except Unplayable:
            return None

    def objective(self, x: np.ndarray, t: Targets) -> float:
        passed = self.network.over(len(x), training=True)
        stage = self.loss_over(len(x))
        z = passed.forward(x)
        value = self._mixed(stage, z, t) if isinstance(t, Mixed) else stage(z, t)
        passed.backward(stage.d)
        return value

    @staticmethod
    def _mixed(stage: LossStage, z: np.ndarray, t: Mixed) -> float:
        """λ loss(first) + (1 - λ) loss(second), and its gradient in the stage's d."""
        value = t.λ * stage(z, t.first)
        d = stage.d * t.λ
        value += (1 - t.λ) * stage(z, t.second)
        stage.d *= 1 - t.λ
        stage.d += d
        return value

    def outputs(self, x: np.ndarray, chunk: int = EVALUATED) -> np.ndarray:
        """The network's outputs (N, O) in evaluation, in chunks of one size whatever the batch mode."""
        if not self.network.rows_by_themselves:
            chunk = max(len(x), 1)
        z = np.empty((len(x), self.network.outputs), self.network.dtype)
        for start in range(0, len(x), chunk):
            part = x[start : start + chunk]
            z[start : start + chunk] = self.network.over(len(part), training=False).forward(part)
        return z

    def mean_loss(self, z: np.ndarray, t: np.ndarray) -> float:
        """The loss of outputs z (N, O) with targets t, without penalties; of many, a few rows at a time."""
        rows = max(1, BLOCK // (self.network.outputs * self.network.dtype.itemsize))
        values, weights = [], []
        for start in range(0, len(z), rows):
            # targets that may only be read are copied, for numba would compile another loop for them
            some, targets = z[start : start + rows], np.require(t[start : start + rows], requirements="W")
            stage = self.new_loss(len(some))
            values.append(stage(some, targets))
            weights.append(stage.weight(targets))
        if len(values) == 1:
            return values[0]
        return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)
