"""How close a training step comes to the machine's limits, and where the rest goes: python benchmarks/limits.py

Three tables over the five networks of benchmarks/networks.py (Adam, cross-entropy, float32, reshuffled each epoch), for
one BLAS thread and for all cores:

- the step as training makes it, beside the matrix products that it cannot do without (forward, and both gradients but
  for the input gradient of the first layer);
- the optimizer's pass beside the memory that it must move, as a share of what a copy of arrays of that size reaches;
- a profile by part: what each part takes when it is called alone, over and over, on the arrays of a real step. `rest`
  is what the whole step takes beyond the sum: Python between the parts, and caches that the parts take from each other.

All figures of a network are measured in turn, `--repeat` times; they are medians, in microseconds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import threadpoolctl

from benchmarks.networks import NETWORKS, Shape, experiment_of
from nnexp.engine.stages import LinearStage
from nnexp.engine.trainer import Trainer

PARTS = ("gather", "products", "forward", "loss", "backward", "optimizer")


def products(shape: Shape) -> Callable[[], None]:
    """The matrix products of one step on arrays of its own."""
    rng = np.random.default_rng(0)
    layers = []
    for inputs, outputs in pairwise(shape.widths):
        sizes = (shape.batch, inputs), (inputs, outputs), (shape.batch, outputs)
        x, w, d = (rng.normal(size=size).astype("f4") for size in sizes)
        layers.append((x, w, w.T, d, np.empty_like(d), np.empty_like(w), np.empty_like(x)))

    def run() -> None:
        for x, w, _, _, z, _, _ in layers:
            np.dot(x, w, out=z)
        for number in range(len(layers) - 1, -1, -1):
            x, _, wt, d, _, dw, dx = layers[number]
            np.dot(x.T, d, out=dw)
            if number:
                np.dot(d, wt, out=dx)

    return run


def parts_of(trainer: Trainer) -> dict[str, Callable[[], Any]]:
    """What a step consists of, each as a call on the arrays that a real step left."""
    learner, batches = trainer.learner, trainer.batches
    x, t = (array.copy() for array in next(iter(batches.epoch(1))))
    learner.step(x, t, 1e-5)
    passed, loss = learner.network.over(len(x), training=True), learner.loss_over(len(x))
    z = passed.forward(x)
    loss(z, t)
    linear = [stage for stage in passed.stages if isinstance(stage, LinearStage)]
    others = [stage for stage in passed.stages if not isinstance(stage, LinearStage)]
    inputs = {stage: stage.x for stage in linear}
    errors = {stage: np.ones_like(stage.z) for stage in linear}
    ones = {stage: np.ones_like(stage.forward(getattr(stage, "z", getattr(stage, "x", None)))) for stage in others}

    def multiply() -> None:
        for stage in linear:
            stage.forward(inputs[stage])
        for stage in linear:
            stage.backward(errors[stage])

    def forward() -> None:
        for stage in others:
            stage.forward(stage.z if hasattr(stage, "z") else stage.x)

    def backward() -> None:
        for stage in others:
            stage.backward(ones[stage])

    return {
        "gather": partial(_epoch, trainer, batches.steps),
        "products": multiply,
        "forward": forward,
        "loss": partial(loss, z, t),
        "backward": backward,
        "optimizer": partial(learner.steps.move, learner, 0.0, x, t, 1e-5, 1),
    }


def _epoch(trainer: Trainer, steps: int) -> int:
    """Gather all batches of an epoch."""
    for _ in trainer.batches.epoch(1):
        pass
    return steps


def whole(trainer: Trainer) -> int:
    """An epoch of training without its evaluation. Returns the number of steps."""
    for x, t in trainer.batches.epoch(1):
        trainer.learner.step(x, t, 1e-5)
    return trainer.batches.steps


def seconds(work: Callable[[], Any], budget: float) -> float:
    """The mean time of a call, or of what it counts, over about `budget` seconds."""
    count, spent = 0, 0.0
    while spent < budget:
        started = time.perf_counter()
        done = work()
        spent += time.perf_counter() - started
        count += done if isinstance(done, int) else 1
    return spent / count


def copy_rate(parameters: int) -> float:
    """Bytes a second that copying reaches between arrays of so many float32, read and write counted."""
    a, b = np.ones(parameters, "f4"), np.empty(parameters, "f4")
    return 2 * a.nbytes / min(seconds(partial(np.copyto, b, a), 0.02) for _ in range(5))


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--budget", type=float, default=0.2, help="seconds for each figure of a round")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--threads", nargs="*", type=int, default=sorted({1, os.cpu_count() or 1}))
    parser.add_argument("--normalization", default="none")
    parser.add_argument("--dropout", type=float, default=0.0)
    args = parser.parse_args()
    head = f"{'network':20} {'thr':>3} {'step':>8} {'products':>8} {'ratio':>6}"
    print(head + "".join(f"{part:>10}" for part in (*PARTS, "rest")) + f"{'of copy':>9}")
    for name in args.networks:
        for threads in args.threads:
            with threadpoolctl.threadpool_limits(threads, user_api="blas"):
                experiment = experiment_of(NETWORKS[name], args.normalization, args.dropout)
                experiment.rehearse()
                trainer = Trainer(experiment)
                alone = products(NETWORKS[name])
                work: dict[str, Callable[[], Any]] = {
                    "step": partial(whole, trainer),
                    "alone": alone,
                    **parts_of(trainer),
                }
                rounds = [{key: seconds(call, args.budget) for key, call in work.items()} for _ in range(args.repeat)]
            µs = {key: statistics.median(one[key] for one in rounds) * 1e6 for key in work}
            rest = µs["step"] - sum(µs[part] for part in PARTS)
            size, slots = trainer.network.size, len(trainer.learner.slots)
            moved = size * 4 * (3 + 2 * slots)  # θ and the slots are read and written, the gradient is read
            share = moved / (µs["optimizer"] * 1e-6) / copy_rate(size)
            line = f"{name:20} {threads:3} {µs['step']:8.1f} {µs['alone']:8.1f} {µs['step'] / µs['alone']:6.2f}"
            print(line + "".join(f"{µs[part]:10.1f}" for part in PARTS) + f"{rest:10.1f} {share:8.0%}", flush=True)


if __name__ == "__main__":
    main()
