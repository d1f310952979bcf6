"""What `nnexp calibrate` reports, where the truth is known: python benchmarks/calibration.py

Each row makes `--times` calibrations of 40 seeds from scores of one shape, and says how the smallest difference
that 10 pairs tell (levels that share the split) comes out: the truth, found with the verdict on 20,000 new comparisons;
the mean of what was reported and its standard deviation, as shares of the truth; how often the reported 95 % interval
holds the truth; and how often the verdict made a claim in comparisons of the configuration with itself, in pairs and
unpaired. Half of the variance is shared by the runs of a seed. docs/calibration.md shows the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from nnexp.report import calibration
from nnexp.report.calibration import calibrate, sought
from nnexp.report.verdict import judge_each
from nnexp.store.calibrations import APART, SPLIT, START

N, SEEDS, NEW = 10, 40, 20_000


SHAPES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "rounded": lambda rng, shape: np.round(2 * rng.normal(size=shape)) / 2,
    "skewed": lambda rng, shape: 1.0 - rng.exponential(size=shape),
    "heavy tails": lambda rng, shape: rng.standard_t(3, size=shape) / 3**0.5,
}


def scores(rng: np.random.Generator, shape: str, seeds: int) -> np.ndarray:
    """First, near and far runs of so many seeds, (3, seeds)."""
    return SHAPES[shape](rng, (seeds,)) + SHAPES[shape](rng, (3, seeds))


def truth(shape: str) -> float:
    """The difference that the verdict finds in 0.8 of new comparisons."""
    rng = np.random.default_rng(1)
    a, b, _ = scores(rng, shape, N * NEW).reshape(3, NEW, N)

    def power(size: float) -> float:
        found = 0
        for first in range(0, NEW, 500):
            rows = slice(first, first + 500)
            pairs = [(dict(enumerate(x + size)), dict(enumerate(y))) for x, y in zip(a[rows], b[rows], strict=True)]
            found += sum(word == "better" for word, _ in judge_each(pairs, higher=True))
        return found / NEW

    found = sought(power, 1.4, NEW)
    assert found is not None
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50, help="calibrations of each shape")
    times = parser.parse_args().times
    calibration.COUNTS = (N,)
    calibration.COMPARISONS[START] = 1  # not asked for here
    print("| scores | truth | reported, of it | interval holds | false claims, pairs | unpaired |")
    print("|---|---:|---:|---:|---:|---:|")
    for shape in SHAPES:
        true, rng = truth(shape), np.random.default_rng(2)
        found = [calibrate(*scores(rng, shape, SEEDS).tolist(), higher=True, n=N) for _ in range(times)]
        reach = [one.of(N, SPLIT) for one in found]
        share = np.array([one.smallest for one in reach], float) / true
        held = np.mean([one.low <= true <= one.high for one in reach if one.low is not None and one.high is not None])
        false = {
            kind: np.mean([e.false / e.of for one in found for e in one.errors if e.kind == kind])
            for kind in (SPLIT, APART)
        }
        print(
            f"| {shape} | {true:.2f} | {share.mean():.2f} ± {share.std(ddof=1):.2f} | {100 * held:.0f} % "
            f"| {100 * false[SPLIT]:.1f} % | {100 * false[APART]:.1f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
