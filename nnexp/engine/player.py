"""Plays training steps from tapes, many in a row, on one thread or with each batch divided among several.

Where a batch is divided, each thread goes forward and backward with its own rows, activations and gradient vector; the
threads meet, each adds up and updates its own part of the parameters, and they meet again. A thread's matrix products
are made with one BLAS thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from nnexp.components.activations import Call
from nnexp.components.regularizers import Penalty
from nnexp.engine.crew import Crew
from nnexp.engine.loops import elementwise
from nnexp.engine.network import Pass
from nnexp.engine.stages import Buffers
from nnexp.engine.steps import ElementwiseSteps
from nnexp.engine.tape import Meeting, Tape, Unplayable

if TYPE_CHECKING:
    from nnexp.engine.learner import Learner


class Player:
    """Plays a learner's steps on batches of one size."""

    def __init__(self, learner: Learner, x: np.ndarray, t: np.ndarray, rows: int, crew: Crew | None):
        """For batches of `rows` of the examples x (N, F) with encoded targets t (N, ...). `crew` are other threads.

        Raises Unplayable where a step is not made of compiled calls alone.
        """
        threads = 1 if crew is None or rows <= crew.size else crew.size + 1
        if learner.tells_penalty or learner.clip is not None or learner.limits:
            raise Unplayable("Python between the calls")
        if not isinstance(learner.steps, ElementwiseSteps):
            raise Unplayable("the optimizer")
        self.learner, self.steps = learner, learner.steps
        self.crew = crew if threads > 1 else None
        # the first thread has the most rows, and with them the most random numbers to draw
        self._cuts = [-(-rows * k // threads) for k in range(threads + 1)]
        self._weights = np.array([(end - start) / rows for start, end in pairwise(self._cuts)])
        network, bounds = learner.network, [learner.network.size * k // threads for k in range(threads + 1)]
        gradients = [network.g, *(np.zeros_like(network.g) for _ in range(threads - 1))]
        meetings = [Meeting(threads), Meeting(threads)] if threads > 1 else []
        self._rngs: list[np.random.Generator] = []
        self._tapes: list[Tape] = []
        self.parts: list[dict[str, list[Call]]] = []
        """The calls of a step by what they are for, in their order; one for each thread."""
        for k, (start, end) in enumerate(pairwise(self._cuts)):
            passed = network.over(rows, training=True) if threads == 1 else self._share(end - start, gradients[k], k)
            loss, target = learner.new_loss(end - start), np.zeros((end - start, *t.shape[1:]), t.dtype)
            index = np.zeros(end - start, np.int64)
            own = slice(*bounds[k : k + 2])
            parts: dict[str, list[Call]] = {
                "gather": [(elementwise.take(2), x, index, passed.x), (elementwise.take(t.ndim), t, index, target)],
                "forward": passed.ahead,
                "loss": loss.connect(passed.z, target),
                "backward": passed.connect(loss.d),
                "meet": [meeting.place() for meeting in meetings[:1]],
                "add": self._summed(gradients, own),
                "optimizer": self._moved(own, rows),
                "meet again": [meeting.place() for meeting in meetings[1:]],
            }
            self.parts.append(parts)
            calls = [call for part in parts.values() for call in part]
            self._tapes.append(Tape(calls, loss.value, (index, self.steps.coefficients)))

    def _share(self, rows: int, g: np.ndarray, k: int) -> Pass:
        """The pass of thread k, with buffers, gradient and random numbers of its own."""
        network = self.learner.network
        buffers = Buffers(network.dtype)
        buffers.rewind(rows)
        rng = network.noise_rng
        if rng is not None and k > 0:
            rng = np.random.Generator(type(rng.bit_generator)(0))
            self._rngs.append(rng)
        gradient = {p.name: p.view(g) for p in network.parameters}
        return Pass(network, rows, True, buffers, gradient, rng)

    def _summed(self, gradients: Sequence[np.ndarray], part: slice) -> list[Call]:
        """The threads' gradients, weighted by their shares of the batch, added up in the first."""
        first, *others = gradients
        calls: list[Call] = []
        for k, g in enumerate(others, 1):
            c = np.array([self._weights[0] if k == 1 else 1.0, self._weights[k]], first.dtype)
            calls.append((elementwise.mix(), first[part], g[part], c))
        return calls

    def _moved(self, part: slice, rows: int) -> list[Call]:
        """Penalties and update of a part of the parameters."""
        calls: list[Call] = []
        for slope, (w, g, c), penalty in self.learner.penalties:
            own = slice(part.start, min(part.stop, len(w)))
            if own.start < own.stop:
                calls.append((slope, w[own], g[own], self._shared(penalty, c, rows)))
        return [*calls, self.steps.call(part)]

    @staticmethod
    def _shared(penalty: Penalty, c: np.ndarray, rows: int) -> np.ndarray:
        """A penalty's coefficients for a batch of `rows` examples."""
        share = penalty.share(rows) if penalty.per_example else 1.0
        return np.multiply(penalty.coefficients(), share).astype(c.dtype)

    def play(self, index: np.ndarray, lrs: Sequence[float]) -> np.ndarray:
        """Steps on the batches of the examples `index` (K, B), int64 in one piece, at K learning rates.

        Returns the batches' losses before each step, shape (K,), or fewer: up to the first that is not finite.
        """
        coefficients = self.steps.table(lrs, self.learner.t)
        values = np.zeros((len(lrs), len(self._tapes)))
        c = coefficients.ctypes.data, coefficients.strides[0]
        rows = ((index.ctypes.data + start * index.itemsize, index.strides[0]) for start in self._cuts[:-1])
        sources = [(each, c) for each in rows]
        self._scatter()
        jobs = [partial(tape.play, sources[k], values, k) for k, tape in enumerate(self._tapes)]
        if self.crew is not None:
            self.crew.begin(jobs[1:])
        done = jobs[0]()
        if self.crew is not None:
            self.crew.finish()
        self.learner.t += done
        return values[:done] @ self._weights

    def _scatter(self) -> None:
        """Set the other threads' generators far ahead of the first, by multiples of a jump that no run comes to."""
        rng = self.learner.network.noise_rng
        for k, other in enumerate(self._rngs, 1):
            assert rng is not None
            other.bit_generator.state = rng.bit_generator.jumped(k).state  # type: ignore[attr-defined]
