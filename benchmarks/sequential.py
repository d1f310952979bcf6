"""Which rule for adding seeds wastes least, and how often it is wrong: python benchmarks/sequential.py

A simulated sweep has a baseline and three other levels, paired by seed; scores are those of the baseline plus noise of
its own for each level, so that the differences have the standard deviation 1. Rules, all with Holm's levels:

- spending, sign flips: what nnexp sweep --until-settled does (nnexp/report/sequential.py);
- spending, t: the same spending of the error rate on Student's t, its boundaries from 100,000 normal paths;
- e-process: the t test by a normal mixture that holds at any time and without a budget: reject when the Bayes factor
  with effect size ~ N(0, 1) and the right Haar prior of the deviation is 1 / level (T. L. Lai, Annals of Statistics
  1976; H. Wang and A. Ramdas, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown
  variance", 2023);
- fixed: one t test at 30 seeds;
- peeking: a t test at the plain level after every seed, as people do.

`wrong` is the share of sweeps with any wrong verdict, `found` the share of comparisons with the right one, `seeds` the
mean number that a level gets, `saved` how many runs of the fixed 30 are saved.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.special import stdtr

from nnexp.report.sequential import LEAST, Word, earliest, first_crossing, in_turn, judge, looks

FIXED = 30
Crossing = Callable[[np.ndarray, int, float], int | None]
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


# -- rules -----------------------------------------------------------------------------------------


def _t(d: np.ndarray) -> np.ndarray:
    """Student's t of the first n differences, for each n; 0 for one."""
    n = np.arange(1, d.shape[-1] + 1)
    mean = np.cumsum(d, -1) / n
    square = np.maximum(np.cumsum(d**2, -1) - n * mean**2, 1e-12 * np.cumsum(d**2, -1))
    with np.errstate(all="ignore"):
        t = mean / np.sqrt(square / np.maximum(n - 1, 1) / n)
    return np.where((n > 1) & np.isfinite(t), t, 0.0)


def _first(reached: np.ndarray) -> int | None:
    """The first n >= LEAST at which it holds."""
    found = np.flatnonzero(reached[LEAST - 1 :])
    return int(found[0]) + LEAST if len(found) else None


def spending_flips(d: np.ndarray, budget: int, level: float) -> int | None:
    return first_crossing(d, budget, level)


@cache
def _t_bounds(budget: int, level: float) -> np.ndarray:
    """The boundary of |t| for each n, so that level n / budget is spent after n."""
    paths = np.abs(_t(np.random.default_rng(1).normal(size=(100_000, budget))))
    bounds, alive, used = np.full(budget, np.inf), np.ones(len(paths), bool), 0
    for n in range(LEAST, budget + 1):
        allowed = int(level * n / budget * len(paths)) - used
        if allowed < 1:
            continue
        bounds[n - 1] = np.sort(paths[alive, n - 1])[-allowed]
        hit = alive & (paths[:, n - 1] >= bounds[n - 1])
        used += int(hit.sum())
        alive &= ~hit
    return bounds


def spending_t(d: np.ndarray, budget: int, level: float) -> int | None:
    return _first(np.abs(_t(d)) >= _t_bounds(budget, level)[: len(d)])


def e_process(d: np.ndarray, budget: int, level: float, g: float = 1.0) -> int | None:
    """log E = -log(1 + n g) / 2 + n / 2 (log(1 + t^2 / (n - 1)) - log(1 + t^2 / ((n - 1)(1 + n g))))"""
    n = np.arange(1, len(d) + 1)
    ratio = _t(d) ** 2 / np.maximum(n - 1, 1)
    log_e = -np.log1p(n * g) / 2 + n / 2 * (np.log1p(ratio) - np.log1p(ratio / (1 + n * g)))
    return _first(log_e >= -math.log(level))


def _p(d: np.ndarray) -> np.ndarray:
    n = np.arange(1, len(d) + 1)
    return 2 * stdtr(np.maximum(n - 1, 1), -np.abs(_t(d)))


def fixed(d: np.ndarray, budget: int, level: float) -> int | None:
    return FIXED if _p(d)[FIXED - 1] <= level else None


def peeking(d: np.ndarray, budget: int, level: float) -> int | None:
    return _first(_p(d) <= level)


RULES: dict[str, Crossing] = {
    "spending, sign flips": spending_flips,
    "spending, t": spending_t,
    "e-process": e_process,
    "fixed": fixed,
    "peeking": peeking,
}


def holm(rule: Crossing, d: np.ndarray, budget: int) -> list[int | None]:
    """When each comparison (a row) is settled."""

    def outcome(i: int, level: float) -> tuple[Word, int] | None:
        at = rule(d[i], budget, level)
        return None if at is None else ("better", at)  # whichever: the word is not looked at

    found = in_turn(len(d), outcome)
    return [found[i][1] if i in found else None for i in range(len(d))]


# -- differences -----------------------------------------------------------------------------------


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Scores with a normal distribution."""
    return rng.normal(size=shape) / math.sqrt(2)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Student's t with 3 degrees of freedom: now and then a run goes astray."""
    return rng.standard_t(3, shape) / math.sqrt(3 * 2)


def few(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Errors of a good network among 100 examples: whole numbers, many equal."""
    return -rng.binomial(100, 0.01, shape) / math.sqrt(2 * 0.99)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Exponential below, for all levels but the baseline (the first row), which is normal: differences are skewed."""
    scores = (1 - rng.exponential(size=shape)) * math.sqrt(0.9)
    scores[0] = rng.normal(size=shape[1:]) * math.sqrt(0.1)
    return scores


DRAWS = {"normal": normal, "heavy tails": heavy, "few values": few, "skewed": skewed}


# -- simulation ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What became of the sweeps of one setting."""

    wrong: float
    found: float
    seeds: float
    saved: float


def simulate(
    rule: Crossing | None,
    draw: Draw,
    effect: float,
    sweeps: int,
    comparisons: int,
    budget: int,
    margin: float | None = None,
    seed: int = 0,
) -> Outcome:
    """So many sweeps in which every level is better by `effect` standard deviations of the differences.

    Without a rule the verdicts are those of `judge`, with its margin.
    """
    rng = np.random.default_rng(seed)
    ends = sorted({FIXED} if rule is fixed else set(looks(earliest(budget, comparisons), budget)))
    wrong, found, seeds, runs = 0, 0, 0, 0
    for _ in range(sweeps):
        scores = draw(rng, (comparisons + 1, budget))
        d = scores[1:] - scores[0] + effect
        if rule is None:
            verdicts = judge(list(d), budget, margin)
            at, words = [v.at for v in verdicts], [v.word for v in verdicts]
        else:
            at = holm(rule, d, budget)
            words = ["open" if n is None else "better" if d[i, :n].sum() > 0 else "worse" for i, n in enumerate(at)]
        right = [
            {"open"} | ({"better"} if effect > 0 else set()) | ({"equivalent"} if effect < (margin or 0) else set())
        ] * comparisons
        wrong += any(word not in allowed for word, allowed in zip(words, right, strict=True))
        found += sum(word != "open" and word in allowed for word, allowed in zip(words, right, strict=True))
        used = [next(end for end in ends if end >= min(n or ends[-1], ends[-1])) for n in at]
        seeds += sum(used)
        runs += sum(used) + max(used)
    every = sweeps * comparisons
    fixed_runs = sweeps * (comparisons + 1) * FIXED
    return Outcome(wrong / sweeps, found / every, seeds / every, 1 - runs / fixed_runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweeps", type=int, default=1000, help="of each setting")
    parser.add_argument("--budget", type=int, default=50)
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    rows: list[dict[str, object]] = []

    def tell(what: str, name: str, effect: float, margin: float | None, outcome: Outcome) -> None:
        rows.append({"rule": what, "scores": name, "effect": effect, "margin": margin, **outcome.__dict__})
        shown = f"{what:21} {name:12} {effect:6.1f} {'' if margin is None else margin:>6}"
        print(
            f"{shown} {100 * outcome.wrong:6.1f} % {100 * outcome.found:6.1f} % {outcome.seeds:6.1f} "
            f"{100 * outcome.saved:6.0f} %",
            flush=True,
        )

    print(f"{'rule':21} {'scores':12} {'effect':>6} {'margin':>6} {'wrong':>8} {'found':>8} {'seeds':>6} {'saved':>8}")
    for name, draw in DRAWS.items():
        for what, rule in RULES.items():
            tell(what, name, 0.0, None, simulate(rule, draw, 0.0, options.sweeps, 3, options.budget))
    for effect in (0.3, 0.5, 0.8, 1.2, 2.0):
        for what, rule in RULES.items():
            if rule is not peeking:
                few_sweeps = max(options.sweeps // 5, 1)
                tell(what, "normal", effect, None, simulate(rule, normal, effect, few_sweeps, 3, options.budget))
    for margin, effect in ((0.5, 0.0), (0.75, 0.0), (1.0, 0.0), (1.0, 0.3), (0.5, 0.5), (1.0, 1.0)):
        few_sweeps = max(options.sweeps // 5, 1)
        outcome = simulate(None, normal, effect, few_sweeps, 3, options.budget, margin)
        tell("spending, sign flips", "normal", effect, margin, outcome)
    if options.csv is not None:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
