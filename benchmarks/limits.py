"""How close a training step comes to the machine's limits, and where the rest goes: python benchmarks/limits.py

For each of five networks (Adam, cross-entropy, float32, reshuffled each epoch), on one thread and on all cores:

- the step, as training makes it: whole epochs without evaluation, divided by their steps; and the same with all its
  calls made by Python instead of played from a tape;
- the matrix products that it cannot do without (forward, and both gradients but for the input gradient of the first
  layer), alone, on arrays of the same shapes, by NumPy: on one BLAS thread, or on as many as there are cores;
- a profile by part: the calls of a step on one thread, played part by part, each over and over. `rest` is what the step
  takes beyond their sum: permutations, coefficients, Python, and caches that the parts take from each other;
- the optimizer's pass beside the memory that it moves, as a share of what copying arrays of that size reaches.

All figures of a network are measured in turn, `--repeat` times; they are medians, in microseconds.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from nnexp.components.activations import Call
from nnexp.config.load import load_data
from nnexp.engine.experiment import Experiment
from nnexp.engine.steps import ElementwiseSteps
from nnexp.engine.tape import PRODUCTS, Tape
from nnexp.engine.trainer import Trainer

NETWORKS = {
    "64-32-10": ([32], 32),
    "64-128-128-10": ([128, 128], 64),
    "784-256-256-10": ([256, 256], 128),
    "784-8x128-10": ([128] * 8, 64),
    "784-3x1024-10": ([1024] * 3, 256),
}
PARTS = ("gather", "products", "forward", "loss", "backward", "optimizer")


def trainer_of(name: str, normalization: str, dropout: float) -> Trainer:
    """A trainer in its first epoch, on digits or on 6,144 drawn examples of 784 features."""
    hidden, batch = NETWORKS[name]
    split = {"validation": 0, "test": 0}
    data = {"name": "blobs", "n": 6144, "features": 784, "centers": 10, **split}
    config = {
        "dataset": {"name": "digits", **split} if name.startswith("64-") else data,
        "architecture": {"name": "mlp", "hidden": hidden},
        "normalization": normalization,
        "regularization": [{"name": "dropout", "rate": dropout}] if dropout else [],
        "batch": {"name": "mini", "size": batch, "drop_last": True},
        "optimizer": {"name": "adam", "lr": 1e-5},
        "threads": 1,
    }
    experiment = Experiment(load_data(config, "benchmarks/limits.py").config)
    experiment.rehearse()
    trainer = Trainer(experiment)
    trainer.epoch = 1
    return trainer


def products(name: str, trainer: Trainer) -> Callable[[], None]:
    """The matrix products of one step on arrays of their own."""
    rng = np.random.default_rng(0)
    hidden, batch = NETWORKS[name]
    layers = []
    for inputs, outputs in pairwise((trainer.network.inputs, *hidden, trainer.network.outputs)):
        sizes = (batch, inputs), (inputs, outputs), (batch, outputs)
        x, w, d = (rng.normal(size=size).astype("f4") for size in sizes)
        layers.append((x, w, d, np.empty_like(d), np.empty_like(w), np.empty_like(x)))

    def run() -> None:
        for x, w, _, z, _, _ in layers:
            np.dot(x, w, out=z)
        for number in range(len(layers) - 1, -1, -1):
            x, w, d, _, dw, dx = layers[number]
            np.dot(x.T, d, out=dw)
            if number:
                np.dot(d, w.T, out=dx)

    return run


def parts_of(trainer: Trainer) -> dict[str, Tape]:
    """A step's calls by what they are for, each as a tape of its own, on the arrays that a real step left."""
    learner = trainer.learner
    learner.play(next(trainer.batches.indices(1))[:1], [0.0])
    assert isinstance(learner.steps, ElementwiseSteps)
    learner.steps.coefficients[:] = learner.steps.table([0.0], learner.t)[0]  # so that the parameters stay as they are
    player = trainer.learner.player(trainer.batches.rows)
    assert player is not None
    calls: dict[str, list[Call]] = {part: [] for part in PARTS}
    for part, some in player.parts[0].items():
        for call in some:
            calls["products" if call[0] in PRODUCTS else part].append(call)
    return {part: Tape(some) for part, some in calls.items()}


def epoch(trainer: Trainer) -> int:
    """An epoch of training without its evaluation. Returns the number of steps."""
    for span in trainer.batches.indices(trainer.epoch):
        trainer._advance(span)
    trainer.epoch, trainer.position = trainer.epoch + 1, 0
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


def copy_rate(parameters: int, budget: float) -> float:
    """Bytes a second that copying reaches between arrays of so many float32, read and write counted."""
    a, b = np.ones(parameters, "f4"), np.empty(parameters, "f4")
    return 2 * a.nbytes / min(seconds(partial(np.copyto, b, a), budget / 10) for _ in range(5))


def measured(name: str, cores: int, args: argparse.Namespace) -> dict[str, Any]:
    """One network's row."""
    one, many, called = (trainer_of(name, args.normalization, args.dropout) for _ in range(3))
    called.learner.player = lambda rows: None  # type: ignore[method-assign]
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        blas = many.divide(cores)
    alone, tapes = products(name, one), parts_of(one)
    steps = max(1, round(args.budget / 4 / max(seconds(alone, 0.01), 1e-7)))
    rounds = []
    for _ in range(args.repeat):
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            times = {
                "step": seconds(partial(epoch, one), args.budget),
                "by Python": seconds(partial(epoch, called), args.budget),
                "alone": seconds(alone, args.budget),
            }
            for part, tape in tapes.items():
                blank = np.zeros((steps if part == "products" else 10 * steps, 1))
                times[part] = seconds(partial(tape.play, (), blank), args.budget / 2)
        with threadpoolctl.threadpool_limits(blas, user_api="blas"):
            times["step, all cores"] = seconds(partial(epoch, many), args.budget)
        with threadpoolctl.threadpool_limits(cores, user_api="blas"):
            times["alone, all cores"] = seconds(alone, args.budget)
        rounds.append(times)
    many.divide(1)
    row = {key: statistics.median(times[key] for times in rounds) * 1e6 for key in rounds[0]}
    row["rest"] = row["step"] - sum(row[part] for part in PARTS)
    size, slots = one.network.size, len(one.learner.slots)
    moved = size * 4 * (3 + 2 * slots)  # θ and the slots are read and written, the gradient is read
    row["share of copy"] = moved / (row["optimizer"] * 1e-6) / copy_rate(size, args.budget)
    return row


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--budget", type=float, default=0.2, help="seconds for each figure of a round")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS, metavar="NAME")
    parser.add_argument("--normalization", default="none")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--csv", type=Path, help="where the figures go, too")
    args = parser.parse_args()
    cores = os.cpu_count() or 1
    keys = ("step", "by Python", "alone", "step, all cores", "alone, all cores", *PARTS, "rest")
    print(f"microseconds; {cores} cores; the profile is of one thread")
    print(f"{'':15} {'one thread':^32} {'all cores':^17}")
    head = " ".join(f"{word:>9}" for word in ("step", "by Python", "products", "step", "products", *PARTS, "rest"))
    print(f"{'network':15} {'ratio':>5} {head} {'of copy':>8}")
    rows = []
    for name in args.networks:
        row = measured(name, cores, args)
        rows.append({"network": name, **row})
        figures = " ".join(f"{row[key]:9.1f}" for key in keys)
        print(f"{name:15} {row['step'] / row['alone']:5.2f} {figures} {row['share of copy']:8.0%}", flush=True)
    if args.csv:
        with args.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
