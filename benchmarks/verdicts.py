"""How often the verdict is wrong, by simulation: python benchmarks/verdicts.py

Each row draws `--sweeps` sweeps whose truth is known, judges them with the code of `nnexp compare`, and counts: claims
(better or worse) where there is no difference, intervals that hold the true difference, and claims where there is one.
Scores have a part that a seed adds to all levels and one of their own, with equal variance, so that pairs correlate
with 0.5; σ is the standard deviation of a paired difference. docs/statistics.md shows the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nnexp.report.verdict import Verdict, judge

Outcomes = Mapping[int, float | None]
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal."""
    return rng.normal(size=shape)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Exponential, with mean 0 and variance 1: a few bad runs among many good ones."""
    return 1.0 - rng.exponential(size=shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Student's t with 3 degrees of freedom, with variance 1: outliers on both sides."""
    return rng.standard_t(3, size=shape) / 3**0.5


SHAPES: dict[str, Draw] = {"normal": normal, "skewed": skewed, "heavy tails": heavy}


@dataclass(frozen=True)
class Truth:
    """A kind of sweep."""

    shape: str
    n: int
    levels: int = 2
    in_pairs: bool = True
    failing: float = 0.0
    """The share of runs that fail, in every level."""
    rounded: bool = False
    """Scores are shares of 360 examples, as accuracies are, so that differences are often equal."""
    against_best: bool = False
    """The baseline is the level with the best mean, rather than the first."""


TRUTHS = [
    *(Truth("normal", n) for n in (6, 10, 30)),
    *(Truth("skewed", n) for n in (6, 10, 30)),
    *(Truth("heavy tails", n) for n in (6, 10, 30)),
    *(Truth("normal", n, rounded=True) for n in (6, 10)),
    *(Truth("normal", n, levels=6) for n in (8, 30)),
    *(Truth("normal", n, in_pairs=False) for n in (6, 10, 30)),
    *(Truth("skewed", n, in_pairs=False) for n in (6, 10)),
    *(Truth("normal", n, failing=0.1) for n in (10, 30)),
    Truth("normal", 10, levels=6, against_best=True),
]


def sweep(truth: Truth, rng: np.random.Generator, shift: float) -> list[Outcomes]:
    """The outcomes of each level; those after the first are larger by `shift` in the mean."""
    draw = SHAPES[truth.shape]
    own = draw(rng, (truth.levels, truth.n)) / 2**0.5
    shared = draw(rng, (1 if truth.in_pairs else truth.levels, truth.n)) / 2**0.5
    scores = own + shared
    scores[1:] += shift
    if truth.rounded:  # σ is 4 of 360 examples
        scores = np.round(330 + 4 * scores) / 360
    failed = rng.random(scores.shape) < truth.failing
    first = [0 if truth.in_pairs else level * truth.n for level in range(truth.levels)]
    return [
        {first[level] + i: None if failed[level, i] else float(scores[level, i]) for i in range(truth.n)}
        for level in range(truth.levels)
    ]


def measure(truth: Truth, sweeps: int, shift: float, margin: float | None, seed: int) -> list[list[Verdict]]:
    """The verdicts of that many sweeps."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(sweeps):
        outcomes = sweep(truth, rng, shift)
        means = [np.mean([value for value in level.values() if value is not None]) for level in outcomes]
        baseline = int(np.argmax(means)) if truth.against_best else 0
        verdicts = judge(outcomes, baseline, higher=True, margin=margin)
        found.append([verdict for verdict in verdicts if verdict is not None])
    return found


def claims(found: list[list[Verdict]], words: tuple[str, ...] = ("better", "worse")) -> float:
    """The share of sweeps with a claim about any level."""
    return sum(any(verdict.word in words for verdict in verdicts) for verdicts in found) / len(found)


def coverage(found: list[list[Verdict]], difference: float) -> float:
    """The share of intervals that hold the true difference."""
    held = [
        abs(verdict.difference - difference) <= verdict.half
        for verdicts in found
        for verdict in verdicts
        if verdict.difference is not None and verdict.half is not None
    ]
    return sum(held) / len(held)


def main() -> None:
    """Simulate every truth and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweeps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("| scores | n | levels | false claims | interval holds | power 0.5σ | 1σ | false 'equivalent' |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for truth in TRUTHS:
        spread = 1.0 if truth.in_pairs else 2**0.5
        null = measure(truth, given.sweeps, 0.0, None, given.seed)
        if truth.against_best:
            text = f"| {truth.shape}, against the best | {truth.n} | {truth.levels}"
            print(f"{text} | {100 * claims(null):.1f} % | | | | |", flush=True)
            continue
        half, whole = (measure(truth, given.sweeps, d * spread, None, given.seed + 1) for d in (0.5, 1.0))
        edge = measure(truth, given.sweeps, spread, spread * (1 if not truth.rounded else 4 / 360), given.seed + 2)
        what = truth.shape + (", rounded" if truth.rounded else "") + ("" if truth.in_pairs else ", unpaired")
        what += f", {truth.failing:.0%} fail" if truth.failing else ""
        shares = (claims(null), coverage(null, 0.0), claims(half), claims(whole), claims(edge, ("equivalent",)))
        cells = " | ".join(f"{100 * share:.1f} %" for share in shares)
        print(f"| {what} | {truth.n} | {truth.levels} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
