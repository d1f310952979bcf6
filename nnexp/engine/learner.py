"""One training step: forward, loss, backward, penalties, update; all in place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from nnexp.components.clipping import Clipping
from nnexp.components.losses import ElementwiseLoss, Loss, SoftmaxLoss
from nnexp.components.optimizers import Minimizer
from nnexp.components.regularizers import Penalty
from nnexp.engine import loops
from nnexp.engine.network import Network
from nnexp.engine.steps import steps_of


class ElementwiseLossStage:
    """The mean over elements of a loss, and its gradient."""

    def __init__(self, loss: ElementwiseLoss, rows: int, outputs: int, dtype: np.dtype):
        self.d = np.empty((rows, outputs), dtype)
        self.loop = loops.elementwise_loss(type(loss).value, type(loss).slope)

    def __call__(self, z: np.ndarray, t: np.ndarray) -> float:
        return self.loop(z, t, self.d)


class SoftmaxLossStage:
    """The mean over examples of a loss on softmax(z), and its gradient by the logits z."""

    def __init__(self, loss: SoftmaxLoss, rows: int, outputs: int, dtype: np.dtype):
        self.d, self.e = np.empty((rows, outputs), dtype), np.empty((rows, outputs), dtype)
        self.s = np.empty(rows, dtype)
        self.shift = loops.softmax_shift()
        self.finish = loops.softmax_loss(type(loss).value, type(loss).slope)

    def __call__(self, z: np.ndarray, t: np.ndarray) -> float:
        self.shift(z, t, self.e, self.s)
        np.exp(self.e, out=self.e)
        return self.finish(self.e, self.s, t, self.d)


def loss_stage(loss: Loss, rows: int, outputs: int, dtype: np.dtype) -> ElementwiseLossStage | SoftmaxLossStage:
    """The stage that computes `loss` for batches of `rows` examples."""
    if isinstance(loss, SoftmaxLoss):
        return SoftmaxLossStage(loss, rows, outputs, dtype)
    assert isinstance(loss, ElementwiseLoss)
    return ElementwiseLossStage(loss, rows, outputs, dtype)


class Parameters(Protocol):
    """What holds parameters: θ (D,) and their gradient g (D,), the weights first."""

    θ: np.ndarray
    g: np.ndarray
    weights: int
    """How many of the parameters are weights."""
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
        self.g = parameters.g
        self.steps = steps_of(optimizer, parameters.θ, parameters.g)
        self.slots = self.steps.slots
        self._weights = parameters.θ[: parameters.weights], parameters.g[: parameters.weights]
        self._penalties = [
            (loops.penalty(type(p).slope), np.array([p.strength], parameters.dtype), p)
            for p in penalties
            if p.strength > 0
        ]

    @abstractmethod
    def objective(self, x: np.ndarray, t: np.ndarray) -> float:
        """The value at the present θ on a batch x with targets t; the gradient vector holds its gradient."""

    def gradient(self, x: np.ndarray, t: np.ndarray) -> float:
        """The objective on a batch, without penalties; the gradient vector holds its gradient, clipped, with them."""
        value = self.objective(x, t)
        if self.clip is not None:
            self.clip.limit(self.g)
        for slope, strength, _ in self._penalties:
            slope(*self._weights, strength)
        return value

    def penalty(self, rows: int) -> float:
        """All penalties of the present weights, as a batch of `rows` examples sees them."""
        return sum(p.value(self._weights[0]) for _, _, p in self._penalties)

    def total(self, x: np.ndarray, t: np.ndarray) -> float:
        """The objective on a batch with penalties; the gradient vector holds the gradient of both."""
        return self.gradient(x, t) + self.penalty(len(x))

    def step(self, x: np.ndarray, t: np.ndarray, lr: float) -> float:
        """One update at learning rate `lr`. Returns the batch's loss before it, without penalties."""
        value = self.gradient(x, t)
        self.t += 1
        self.steps.move(self, value, x, t, lr, self.t)
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
    ):
        super().__init__(network, optimizer, penalties, clip)
        self.network, self.loss = network, loss
        self._stages: dict[int, ElementwiseLossStage | SoftmaxLossStage] = {}

    def loss_over(self, rows: int) -> ElementwiseLossStage | SoftmaxLossStage:
        """The loss for batches of `rows` examples."""
        if rows not in self._stages:
            self._stages[rows] = loss_stage(self.loss, rows, self.network.outputs, self.network.dtype)
        return self._stages[rows]

    def objective(self, x: np.ndarray, t: np.ndarray) -> float:
        passed = self.network.over(len(x), training=True)
        stage = self.loss_over(len(x))
        value = stage(passed.forward(x), t)
        passed.backward(stage.d)
        return value

    def outputs(self, x: np.ndarray, chunk: int = 512) -> np.ndarray:
        """The network's outputs (N, O) in evaluation, in chunks of one size whatever the batch mode."""
        z = np.empty((len(x), self.network.outputs), self.network.dtype)
        for start in range(0, len(x), chunk):
            part = x[start : start + chunk]
            z[start : start + chunk] = self.network.over(len(part), training=False).forward(part)
        return z

    def mean_loss(self, z: np.ndarray, t: np.ndarray) -> float:
        """The loss of outputs z (N, O) with targets t, without penalties."""
        return loss_stage(self.loss, len(z), self.network.outputs, self.network.dtype)(z, t)
