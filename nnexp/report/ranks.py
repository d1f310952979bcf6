"""Mean ranks over tasks: Friedman's test of whether they differ, and the critical difference that tells them apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations

import numpy as np

from nnexp.report.permutation import DRAWS, SEED
from nnexp.report.statistics import LEVEL

MOST_SUMS = 30_000
"""Steps of the exact distribution for one more task; beyond, relabellings are drawn."""
MOST_ORDERS = 720
"""Orders of the ranks of one task that the exact distribution goes through: those of six levels."""


def mid_ranks(scores: Sequence[float]) -> list[float]:
    """Ranks from 1, the smallest score the first; equal ones share the mean of their ranks.

    >>> mid_ranks([0.3, 0.1, 0.3, 0.9])
    [2.5, 1.0, 2.5, 4.0]
    """
    order = sorted(scores)
    first = {value: place for place, value in reversed(list(enumerate(order)))}
    count = Counter(order)
    return [first[value] + (count[value] + 1) / 2 for value in scores]


@dataclass(frozen=True)
class Friedman:
    """Whether the mean ranks of levels differ over tasks."""

    tasks: int
    mean_ranks: list[float]
    statistic: float
    """χ² of Friedman, with the correction for ties."""
    f: float
    """Iman's and Davenport's F, infinite where all tasks agree."""
    p_f: float
    """The probability of an F as large, by the F distribution."""
    p: float
    """The share of all relabellings within tasks that give a statistic as large."""
    exact: bool
    """Whether p counts all relabellings, rather than drawn ones."""
    least_p: float
    """The smallest p that so many tasks could give."""


def friedman(ranks: Sequence[Sequence[float]]) -> Friedman:
    """The test for ranks (N tasks, k levels), 1 the best, ties sharing their mean rank.

        χ²  = (k - 1) sum_j (sum_i r_ij - N (k + 1) / 2)² / (sum_ij r_ij² - N k (k + 1)² / 4)
        F   = (N - 1) χ² / (N (k - 1) - χ²),    with k - 1 and (k - 1) (N - 1) degrees of freedom

    p is exact: if the levels made no difference, the ranks of each task could as well stand in any order (M. Friedman,
    Journal of the American Statistical Association 1937). All orders of all tasks are counted by adding one task after
    the other to the distribution of the rank sums, or 9,999 are drawn where these are too many. F: R. L. Iman and J. M.
    Davenport, Communications in Statistics 1980. Without ties χ² is 12 N / (k (k + 1)) (sum_j R_j² - k (k + 1)² / 4)
    with the mean ranks R_j; J. Demšar (Journal of Machine Learning Research 2006) uses that form with ties, too, which
    makes χ² smaller. Raises ValueError for fewer than two tasks or levels.

    >>> found = friedman([[1, 2, 3], [1, 2, 3], [2, 1, 3]])
    >>> round(found.statistic, 4), round(found.p, 4), [round(r, 2) for r in found.mean_ranks]
    (4.6667, 0.1944, [1.33, 1.67, 3.0])
    """
    r = np.asarray(ranks, dtype=float)
    if r.ndim != 2 or min(r.shape) < 2:
        raise ValueError(f"needs two tasks and two levels, found {r.shape}")
    n, k = r.shape
    sums = r.sum(axis=0)
    between = float(((sums - n * (k + 1) / 2) ** 2).sum())
    within = float((r**2).sum()) - n * k * (k + 1) ** 2 / 4
    means = [float(total) / n for total in sums]
    if within == 0:  # every task is one tie
        return Friedman(n, means, 0.0, 0.0, 1.0, 1.0, True, 1.0)
    statistic = (k - 1) * between / within
    f, p_f = iman_davenport(statistic, n, k)
    p, exact = _chance(r, between)
    # whatever order one task has, all others must have the same
    least = math.prod(1 / orders for orders in sorted(map(_orders, r))[:-1])
    return Friedman(n, means, statistic, f, p_f, p, exact, least)


def iman_davenport(statistic: float, n: int, k: int) -> tuple[float, float]:
    """F and its p, of Friedman's χ² for n tasks and k levels.

    >>> [round(v, 2) for v in iman_davenport(9.28, 14, 4)]
    [3.69, 0.02]
    """
    from scipy.special import fdtrc

    rest = n * (k - 1) - statistic
    if rest <= 1e-9 * statistic:
        return math.inf, 0.0
    f = (n - 1) * statistic / rest
    return f, float(fdtrc(k - 1, (k - 1) * (n - 1), f))


def _orders(ranks: np.ndarray) -> int:
    """In how many different orders the ranks of a task can stand."""
    return math.factorial(len(ranks)) // math.prod(math.factorial(c) for c in Counter(ranks.tolist()).values())


def _chance(r: np.ndarray, between: float) -> tuple[float, bool]:
    """How often the rank sums are as far from each other where ranks are put in another order within each task."""
    n, k = r.shape
    doubled = np.rint(2 * r).astype(int)  # mid-ranks are halves
    middle = n * (k + 1)
    bar = round(4 * between)
    found = _distribution(doubled)
    if found is not None:
        reached = sum(ways for sums, ways in found.items() if sum((s - middle) ** 2 for s in sums) >= bar)
        return reached / sum(found.values()), True
    rng = np.random.default_rng(SEED)
    reached, rows = 0, max(1, 2_000_000 // (n * k))
    for first in range(0, DRAWS, rows):
        count = min(rows, DRAWS - first)
        drawn = rng.permuted(np.broadcast_to(doubled, (count, n, k)), axis=2).sum(axis=1)
        reached += int(np.count_nonzero(((drawn - middle) ** 2).sum(axis=1) >= bar))
    return (reached + 1) / (DRAWS + 1), False


def _distribution(doubled: np.ndarray) -> dict[tuple[int, ...], int] | None:
    """How many orders of all tasks lead to each set of rank sums, sorted; None where these are too many to go through.

    Sums are kept sorted, for which of the levels has which one makes no difference to what follows.
    """
    if math.factorial(doubled.shape[1]) > MOST_ORDERS:
        return None
    found: dict[tuple[int, ...], int] = {(0,) * doubled.shape[1]: 1}
    for ranks in doubled.tolist():
        orders = Counter(permutations(ranks))
        if len(found) * len(orders) > MOST_SUMS:
            return None
        following: Counter[tuple[int, ...]] = Counter()
        for sums, ways in found.items():
            for order, times in orders.items():
                following[tuple(sorted(map(sum, zip(sums, order, strict=True))))] += ways * times
        found = following
    return found


# -- after the test --------------------------------------------------------------------------------


def critical_difference(n: int, k: int, level: float = LEVEL) -> float:
    """The difference of mean ranks from which on two of k levels are told apart over n tasks (P. B. Nemenyi 1963).

        CD = q_{1 - level, k, ∞} / √2 √(k (k + 1) / (6 n)),    q the quantile of the studentized range

    In this form: J. Demšar, Journal of Machine Learning Research 2006.

    >>> round(critical_difference(14, 4), 2)
    1.25
    """
    return range_quantile(1 - level, k) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n))


@cache
def range_quantile(probability: float, k: int) -> float:
    """The value that the range of k standard normal numbers stays below with this probability.

        P(range ≤ q) = k ∫ φ(z) (Φ(z) - Φ(z - q))^(k - 1) dz

    It is the studentized range with infinite degrees of freedom. scipy.stats has it, but takes a second to import.

    >>> round(range_quantile(0.95, 3), 3)
    3.314
    """
    from scipy.special import ndtr

    z = np.arange(-9.0, 9.0, 0.01)  # a smooth integrand that vanishes at both ends: the plain sum is as good as any
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * 0.01
    low, high = 0.0, 20.0
    while high - low > 1e-9:
        q = (low + high) / 2
        below = k * float((density * (ndtr(z) - ndtr(z - q)) ** (k - 1)).sum())
        low, high = (q, high) if below < probability else (low, q)
    return high


def not_apart(mean_ranks: Sequence[float], difference: float) -> list[list[int]]:
    """Groups of levels, each as large as can be, whose mean ranks differ by less than the critical difference.

    The best first; a level that is told apart from all others is in none.

    >>> not_apart([3.143, 2.0, 2.893, 1.964], 1.12)
    [[3, 1, 2], [2, 0]]
    """
    order = sorted(range(len(mean_ranks)), key=lambda j: mean_ranks[j])
    groups: list[list[int]] = []
    reach = 0
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and mean_ranks[order[end]] - mean_ranks[order[start]] < difference - 1e-12:
            end += 1
        if end > reach and end - start > 1:
            groups.append(order[start:end])
        reach = max(reach, end)
    return groups
