"""Each optimizer's step over many parameters, fused and as plain NumPy: python benchmarks/optimizers.py

float32, one thread, default options. Medians over `--repeat` rounds in which the two forms run in turn; the last column
is how many times quicker the fused form is.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np

from nnexp.components.base import members
from nnexp.components.optimizers import Optimizer
from nnexp.engine import compiling
from nnexp.engine.loops import elementwise


def prepared(optimizer: Optimizer, form: str, size: int) -> Callable[[], None]:
    """One step of an optimizer in one form, on vectors of its own."""
    os.environ["NNEXP_FORM"] = form
    slots, rule = optimizer.kernel()
    c = np.array(optimizer.coefficients(optimizer.lr, 10), np.float32)
    update = elementwise.update.__wrapped__(rule, len(slots), len(c))
    rng = np.random.default_rng(0)
    θ, g, *state = (rng.normal(size=size).astype(np.float32) for _ in range(2 + len(slots)))
    arrays = (θ, g, *(np.abs(s) for s in state))
    update(*arrays, c)
    return lambda: update(*arrays, c)


def milliseconds(work: Callable[[], None]) -> float:
    """The time of one call."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=25)
    parser.add_argument("--size", type=int, default=1_000_000)
    asked = parser.parse_args()
    print(f"{asked.size:,} parameters\n{'optimizer':12} {'fused':>9} {'NumPy':>9} {'ratio':>6}")
    with np.errstate(all="ignore"):
        for name, cls in members(Optimizer).items():
            fused, plain = (prepared(cls(), form, asked.size) for form in compiling.FORMS)
            rounds = [(milliseconds(fused), milliseconds(plain)) for _ in range(asked.repeat)]
            a, b = (statistics.median(column) for column in zip(*rounds, strict=True))
            print(f"{name:12} {a:6.2f} ms {b:6.2f} ms {b / a:6.1f}")


if __name__ == "__main__":
    main()
