"""The sweeps that benchmarks/sweep.py sets beside nnexp's: python benchmarks/peer_sweeps.py NAME TASK.npz

One network from many seeds, each with its initial weights and its orders; at the end a table of their scores on the
examples held out, and what the mean loss is. Nothing is logged and nothing is saved on the way.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from frameworks import FRAMEWORKS, LEARNING_RATE, Work, initial_state, make_epoch

Scores = list[tuple[int, float, float]]
"""Seed, loss and accuracy of each run."""


def score(layers: Iterable[tuple[np.ndarray, np.ndarray]], x: np.ndarray, t: np.ndarray) -> tuple[float, float]:
    """Loss and accuracy of a network of ReLU layers on x (N, F) and t (N,)."""
    *hidden, (W, b) = layers
    for V, c in hidden:
        x = np.maximum(x @ V + c, 0)
    z = x @ W + b
    z = z - z.max(1, keepdims=True)
    loss = np.log(np.exp(z).sum(1)) - z[np.arange(len(t)), t]
    return float(loss.mean()), float((z.argmax(1) == t).mean())


def some(name: str, work: Work, arrays: dict[str, np.ndarray], seeds: list[int]) -> Scores:
    """Train one seed after another in this process, with one thread; what is compiled is compiled once."""
    framework = FRAMEWORKS[name](work, arrays["x"], arrays["t"], work.weights(seeds[0]), {"threads": 1})
    found = []
    for seed in seeds:
        framework.seed, framework.weights = seed, work.weights(seed)
        framework.reset()
        framework.train()
        found.append((seed, *score(framework.layers(), arrays["held_x"], arrays["held_t"])))
    return found


def in_processes(name: str, work: Work, arrays: dict[str, np.ndarray], runs: int) -> Scores:
    """As many processes as there are cores, each with its share of the seeds."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    cores = os.cpu_count() or 1
    shares = [list(range(first, runs, cores)) for first in range(min(cores, runs))]
    with ProcessPoolExecutor(len(shares), get_context("spawn")) as pool:
        parts = pool.map(some, *zip(*((name, work, arrays, share) for share in shares), strict=True))
        return [one for part in parts for one in part]


def with_joblib(name: str, work: Work, arrays: dict[str, np.ndarray], runs: int) -> Scores:
    """joblib's processes, one job a run."""
    from joblib import Parallel, delayed

    jobs = (delayed(some)(name, work, arrays, [seed]) for seed in range(runs))
    return [one for part in Parallel(n_jobs=os.cpu_count() or 1)(jobs) for one in part]


def batched(name: str, work: Work, arrays: dict[str, np.ndarray], runs: int) -> Scores:
    """All runs at once: JAX's epoch with an axis of seeds in front of everything but the data, jitted."""
    import jax
    import jax.numpy as jnp

    epoch = jax.jit(jax.vmap(make_epoch(work), in_axes=(0, 0, None, None, None)), donate_argnums=0)
    states = [initial_state(work, work.weights(seed), seed) for seed in range(runs)]
    state = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    x, t = jnp.asarray(arrays["x"]), jnp.asarray(arrays["t"], jnp.int32)
    rngs = [np.random.default_rng(seed) for seed in range(runs)]
    for _ in range(work.epochs):
        orders = np.stack([rng.permutation(len(x)).astype(np.int32) for rng in rngs])
        state, _ = epoch(state, orders, x, t, LEARNING_RATE)
    θ = jax.tree.map(np.asarray, state["θ"])
    found = []
    for seed in range(runs):
        layers = [(layer["W"][seed], layer["b"][seed]) for layer in θ]
        found.append((seed, *score(layers, arrays["held_x"], arrays["held_t"])))
    return found


WAYS: dict[str, tuple[str, Any]] = {
    "torch, processes": ("torch", in_processes),
    "jax, vmap": ("jax", batched),
    "jax, processes": ("jax", in_processes),
    "scikit-learn, joblib": ("scikit-learn", with_joblib),
}
"""A sweep's name -> the framework, and how it does all runs."""


def main(name: str, path: Path) -> None:
    """Sweep and print the table; the last line is JSON."""
    with np.load(path) as file:
        arrays = dict(file)
    told = json.loads(str(arrays.pop("told")))
    work = Work(**{**told["work"], "hidden": tuple(told["work"]["hidden"])})
    framework, way = WAYS[name]
    found = sorted(way(framework, work, arrays, told["runs"]))
    for seed, loss, accuracy in found:
        print(f"{seed:4} {loss:8.4f} {accuracy:8.4f}")
    print(json.dumps({"runs": len(found), "loss": float(np.mean([loss for _, loss, _ in found]))}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
