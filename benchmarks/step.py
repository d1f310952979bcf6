"""How long one training step takes, beside its matrix products alone: python benchmarks/step.py

A step is what training does with a batch: forward, loss, backward, optimizer. One BLAS thread; float32; Adam. Each
figure is the median over `--repeat` rounds of many steps, the two measured in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import threadpoolctl

from nnexp.config.load import load_data
from nnexp.engine.trainer import Experiment, Trainer

NETWORKS = {"64-32-10, batch 32": ([32], 32), "64-128-128-10, batch 64": ([128, 128], 64)}


def prepared(hidden: list[int], size: int) -> tuple[Trainer, np.ndarray, np.ndarray]:
    """A trainer on digits that has made its first steps, and one batch."""
    loaded = load_data(
        {
            "dataset": "digits",
            "architecture": {"name": "mlp", "hidden": hidden},
            "batch": {"name": "mini", "size": size},
        },
        "benchmarks/step.py",
    )
    experiment = Experiment(loaded.config)
    experiment.rehearse()
    trainer = Trainer(experiment)
    x, t = next(iter(trainer.batches.epoch(1)))
    return trainer, x.copy(), t.copy()


def products(hidden: list[int], size: int) -> Callable[[], None]:
    """The matrix products of a step, without the input gradient of the first layer, which training never computes."""
    rng = np.random.default_rng(0)
    widths = [64, *hidden, 10]
    layers = []
    for inputs, outputs in pairwise(widths):
        x, w, d = (
            rng.normal(size=shape).astype("f4") for shape in ((size, inputs), (inputs, outputs), (size, outputs))
        )
        layers.append((x, w, d, np.empty_like(d), np.empty_like(w), np.empty_like(x)))

    def run() -> None:
        for number, (x, w, d, z, dw, dx) in enumerate(layers):
            np.matmul(x, w, out=z)
            np.matmul(x.T, d, out=dw)
            if number:
                np.matmul(d, w.T, out=dx)

    return run


def microseconds(work: Callable[[], object], count: int) -> float:
    """Mean time of one call."""
    started = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - started) / count * 1e6


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=15)
    repeat = parser.parse_args().repeat
    print(f"{'network':26} {'step':>9} {'quickest':>9} {'products':>9} {'ratio':>6}")
    with threadpoolctl.threadpool_limits(1):
        for name, (hidden, size) in NETWORKS.items():
            trainer, x, t = prepared(hidden, size)
            step_once, alone = partial(trainer.learner.step, x, t, 1e-5), products(hidden, size)
            rounds = [(microseconds(step_once, 2000), microseconds(alone, 2000)) for _ in range(repeat)]
            step, product = (statistics.median(column) for column in zip(*rounds, strict=True))
            best = min(s for s, _ in rounds)
            print(f"{name:26} {step:6.1f} us {best:6.1f} us {product:6.1f} us {step / product:6.1f}")


if __name__ == "__main__":
    main()
