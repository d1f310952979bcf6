"""How often the verdict on times to a target is wrong, by simulation: python benchmarks/targets.py

Each row draws `--sweeps` sweeps of a baseline and a second level whose truth is known, and judges them with the code of
`nnexp compare --reach`: times to target are lognormal (σ 0.6, median 15 epochs), half of their variance shared by the
runs of a seed, and read at whole epochs where it says so. Runs end at a budget; some diverge; some are stopped early.
Counted are claims where there is no difference, intervals that hold the true difference of the restricted means, and
claims where the second level needs half the time. Beside them: the log-rank test by its χ² distribution, and the normal
interval with M. Greenwood's standard error. docs/summaries.md shows the table.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np

from nnexp.report.arrivals import Times
from nnexp.report.survival import Arrival, logrank_scores
from nnexp.report.verdict import judge

SPREAD, MEDIAN = 0.6, 15.0
CRITICAL = 1.959963984540054
MANY = 400_000
"""Times that stand for the true distribution."""


@dataclass(frozen=True)
class Truth:
    """A kind of sweep."""

    what: str
    n: int
    budget: float = 25.0
    """Epochs after which a run ends."""
    in_pairs: bool = True
    whole: bool = True
    """Times are seen at whole epochs, so that many are equal."""
    failing: float = 0.0
    """The share of runs that diverge before they arrive, in both levels."""
    early: tuple[float, float] = (0.0, 0.0)
    """The shares of the runs of the baseline and of the other level that are stopped early, at any epoch."""


TRUTHS = [
    *(Truth("all arrive", n, budget=1e9) for n in (6, 10, 20)),
    *(Truth("20 % do not arrive", n) for n in (6, 10, 20)),
    *(Truth("half do not arrive", n, budget=15.0) for n in (6, 10, 20)),
    *(Truth("20 %, unpaired", n, in_pairs=False) for n in (6, 10, 20)),
    Truth("20 %, between rows", 10, whole=False),
    *(Truth("20 %, and 10 % diverge", n, failing=0.1) for n in (10, 20)),
    *(Truth("30 % stopped early", n, early=(0.3, 0.3)) for n in (10, 20)),
    *(Truth("half of one stopped early", n, early=(0.5, 0.0)) for n in (10, 20)),
    *(Truth("half of one, unpaired", n, early=(0.5, 0.0), in_pairs=False) for n in (10, 20)),
]


def seen(truth: Truth, times: np.ndarray) -> np.ndarray:
    """Times as the rows show them."""
    return np.ceil(times) if truth.whole else times


def sweep(truth: Truth, rng: np.random.Generator, factor: float) -> list[list[Arrival]]:
    """The arrivals of the baseline, and of a level whose times are `factor` times as long."""
    own = rng.normal(size=(2, truth.n))
    shared = rng.normal(size=(1 if truth.in_pairs else 2, truth.n))
    times = MEDIAN * np.exp(SPREAD * (own + shared) / math.sqrt(2))
    times[1] *= factor
    times = seen(truth, times)
    ends = np.full(times.shape, truth.budget)
    stopped = rng.random(times.shape) < np.array(truth.early)[:, None]
    ends[stopped] = seen(truth, rng.uniform(1.0, 25.0, times.shape))[stopped]
    lost = rng.random(times.shape) < truth.failing
    return [
        [
            Arrival(math.inf, False) if lost[i, k] else Arrival(float(min(t, end)), bool(t <= end))
            for k, (t, end) in enumerate(zip(times[i], ends[i], strict=True))
        ]
        for i in range(2)
    ]


class Restricted:
    """The true restricted mean, by τ."""

    def __init__(self, truth: Truth, factor: float):
        times = MEDIAN * factor * np.exp(SPREAD * np.random.default_rng(1).normal(size=MANY))
        self.times, self.failing = np.sort(seen(truth, times)), truth.failing
        self.sums = np.concatenate([[0.0], np.cumsum(self.times)])

    def __call__(self, tau: float) -> float:
        below = int(np.searchsorted(self.times, tau))
        mean = (self.sums[below] + tau * (MANY - below)) / MANY
        return float(self.failing * tau + (1 - self.failing) * mean)


def chi_squared(a: list[Arrival], b: list[Arrival]) -> bool:
    """Whether the log-rank test says p ≤ 0.05 by its asymptotic distribution."""
    variance = 0.0
    for time in sorted({one.time for one in (*a, *b) if one.arrived}):
        count = sum(one.arrived and one.time == time for one in (*a, *b))
        n, own = sum(one.time >= time for one in (*a, *b)), sum(one.time >= time for one in a)
        if n > 1:
            variance += count * (n - count) * own * (n - own) / (n * n * (n - 1))
    return variance > 0 and abs(sum(logrank_scores(a, b)[0])) > CRITICAL * math.sqrt(variance)


@dataclass
class Counts:
    """What came out of many sweeps."""

    claims: int = 0
    held: int = 0
    chi: int = 0
    greenwood: int = 0
    sweeps: int = 0

    def share(self, name: str) -> float:
        return float(getattr(self, name)) / self.sweeps


def measure(truth: Truth, sweeps: int, factor: float, seed: int) -> Counts:
    """Judge so many sweeps."""
    rng, counts = np.random.default_rng(seed), Counts(sweeps=sweeps)
    before, after = Restricted(truth, 1.0), Restricted(truth, factor)
    units = [list(range(truth.n)), list(range(0 if truth.in_pairs else truth.n, 2 * truth.n))[: truth.n]]
    for _ in range(sweeps):
        arrivals = sweep(truth, rng, factor)
        if not any(one.arrived for level in arrivals for one in level):
            counts.sweeps -= 1  # nobody arrives: compare refuses to judge
            continue
        times = Times.of(arrivals, units)
        verdict = judge([dict(found) for found in times.outcomes], 0, higher=False, scored=times.scored(0))[1]
        assert verdict is not None
        assert verdict.difference is not None
        assert verdict.half is not None
        true = after(times.tau) - before(times.tau)
        counts.claims += verdict.word in ("better", "worse")
        counts.held += abs(verdict.difference - true) <= verdict.half + 1e-9
        counts.chi += chi_squared(arrivals[1], arrivals[0])
        spreads = [np.var([size for _, size in found]) / truth.n for found in times.outcomes]
        counts.greenwood += abs(verdict.difference - true) <= CRITICAL * math.sqrt(sum(spreads)) + 1e-9
    return counts


def main() -> None:
    """Simulate every truth and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweeps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("| runs | n | false claims | by χ² | interval holds | Greenwood's | half the time: found | interval holds |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for truth in TRUTHS:
        null = measure(truth, given.sweeps, 1.0, given.seed)
        real = measure(truth, given.sweeps, 0.5, given.seed + 1)
        shares = [null.share(name) for name in ("claims", "chi", "held", "greenwood")]
        cells = " | ".join(f"{100 * share:.1f} %" for share in (*shares, real.share("claims"), real.share("held")))
        print(f"| {truth.what} | {truth.n} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
