"""One training step: forward, loss, backward, penalties, update; all in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nnexp.components.clipping import Clipping
from nnexp.components.losses import ElementwiseLoss, Loss, SoftmaxLoss
from nnexp.components.optimizers import Optimizer
from nnexp.components.regularizers import Constraint, Penalty
from nnexp.engine import loops
from nnexp.engine.network import Network


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


class Learner:
    """A network with its loss, its penalties and its optimizer's state."""

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimizer: Optimizer,
        penalties: Sequence[Penalty],
        clip: Clipping | None = None,
        constraints: Sequence[Constraint] = (),
    ):
        self.network, self.loss, self.optimizer, self.clip = network, loss, optimizer, clip
        self.t = 0
        """Updates made so far."""
        start = optimizer.start()
        slots, rule = optimizer.kernel()
        self.slots = {name: np.full_like(network.θ, start.get(name, 0.0)) for name in slots}
        self._state = tuple(self.slots.values())
        self._c = np.zeros(len(optimizer.coefficients(1.0, 1)), network.dtype)
        self._update = loops.update(rule, len(self.slots), len(self._c))
        self._penalties = [self._penalty(p) for p in penalties if p.strength > 0]
        weights = [network.value[p.name] for p in network.parameters if p.is_weight] if constraints else []
        self._limits = [(one.limit, W) for one in constraints for W in weights]
        self._stages: dict[int, ElementwiseLossStage | SoftmaxLossStage] = {}

    def _penalty(self, penalty: Penalty) -> tuple[Callable[..., None], tuple[np.ndarray, ...], Penalty]:
        """The penalty's loop with its arrays: what it is on, the gradient there, its coefficients."""
        network, c = self.network, penalty.coefficients()
        end = network.weights if penalty.on == "weights" else network.size
        loop = loops.penalty(type(penalty).slope, len(c))
        return loop, (network.θ[:end], network.g[:end], np.array(c, network.dtype)), penalty

    def loss_over(self, rows: int) -> ElementwiseLossStage | SoftmaxLossStage:
        """The loss for batches of `rows` examples."""
        if rows not in self._stages:
            self._stages[rows] = loss_stage(self.loss, rows, self.network.outputs, self.network.dtype)
        return self._stages[rows]

    def gradient(self, x: np.ndarray, t: np.ndarray) -> float:
        """The loss of a batch x (B, I) with targets t; the network's gradient vector holds its gradient, clipped."""
        passed = self.network.over(len(x), training=True)
        stage = self.loss_over(len(x))
        value = stage(passed.forward(x), t)
        passed.backward(stage.d)
        if self.clip is not None:
            self.clip.limit(self.network.g)
        for slope, arrays, penalty in self._penalties:
            if penalty.per_example:
                arrays[2][:] = np.multiply(penalty.coefficients(), penalty.share(len(x)))
            slope(*arrays)
        return value

    def penalty(self, rows: int) -> float:
        """All penalties of the present weights, as a batch of `rows` examples sees them."""
        return sum(p.share(rows) * p.value(arrays[0]) for _, arrays, p in self._penalties)

    def step(self, x: np.ndarray, t: np.ndarray, lr: float) -> float:
        """One update at learning rate `lr`. Returns the batch's loss before it, without penalties."""
        value = self.gradient(x, t)
        self.t += 1
        self._c[:] = self.optimizer.coefficients(lr, self.t)
        self._update(self.network.θ, self.network.g, *self._state, self._c)
        for limit, W in self._limits:
            limit(W)
        return value

    def outputs(self, x: np.ndarray, chunk: int = 512) -> np.ndarray:
        """The network's outputs (N, O) in evaluation, in chunks of one size whatever the batch mode."""
        if not self.network.rows_by_themselves:
            chunk = max(len(x), 1)
        z = np.empty((len(x), self.network.outputs), self.network.dtype)
        for start in range(0, len(x), chunk):
            part = x[start : start + chunk]
            z[start : start + chunk] = self.network.over(len(part), training=False).forward(part)
        return z

    def mean_loss(self, z: np.ndarray, t: np.ndarray) -> float:
        """The loss of outputs z (N, O) with targets t, without penalties."""
        return loss_stage(self.loss, len(z), self.network.outputs, self.network.dtype)(z, t)
