"""Tests that assume no distribution: how many relabellings of the outcomes would look as extreme as what was seen.

A p here is exact: a share of all relabellings where they can be counted, else (b + 1) / (m + 1) of m drawn ones (B.
Phipson and G. K. Smyth 2010), which is never too small. The draws come from a fixed generator, so that the same runs
give the same table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np

EXACT_PAIRS = 20
"""Up to so many pairs all 2ⁿ signs are counted."""
EXACT_SPLITS = 20_000
"""Up to so many ways to divide the runs of two levels, all are counted."""
DRAWS = 9_999
"""Relabellings that are drawn beyond that; fewer where there are very many runs."""
WORK = 20_000_000
"""Runs times draws beyond which fewer are drawn."""
SEED = 20_261_121


class Chance(NamedTuple):
    """A two-sided p, and whether all relabellings were counted."""

    p: float
    exact: bool


def sign_flips(samples: Sequence[Sequence[float]], rounding: Sequence[float] | None = None) -> list[Chance]:
    """For each sample of differences: how often |Σ ±d| ≥ |Σ d| where each sign is a coin's (R. A. Fisher 1935).

        p = #{s in {-1, 1}ⁿ: |Σ s_i d_i| ≥ |Σ d_i|} / 2ⁿ

    `rounding` is for each sample how much its sum may have lost to rounding: sums that close count as equal. Up to
    EXACT_PAIRS all 2ⁿ are counted, by sorting the 2^(n/2) sums of one half (E. Horowitz and S. Sahni 1974). Beyond,
    samples of one length share their draws.

    >>> [chance.p for chance in sign_flips([[1, 2, 3, 4, 5, 6], [1, -1, 2], [0, 0]])]
    [0.03125, 0.75, 1.0]
    """
    arrays = [np.asarray(sample, dtype=float) for sample in samples]
    scales = [float(np.abs(d).max(initial=0.0)) or 1.0 for d in arrays]
    given = [d / scale for d, scale in zip(arrays, scales, strict=True)]
    lost = [0.0] * len(given) if rounding is None else [a / scale for a, scale in zip(rounding, scales, strict=True)]
    # what is compared are sums; less than this between two of them is rounding
    bars = [abs(math.fsum(d)) - max(a, 1e-12 * float(np.abs(d).sum())) for d, a in zip(given, lost, strict=True)]
    found: dict[int, Chance] = {}
    drawn: dict[int, list[int]] = {}
    for i, (d, bar) in enumerate(zip(given, bars, strict=True)):
        if bar <= 0:
            found[i] = Chance(1.0, True)
        elif len(d) <= EXACT_PAIRS:
            found[i] = Chance(_share_of_signs(d, bar), True)
        else:
            drawn.setdefault(len(d), []).append(i)
    for n, members in drawn.items():
        # in float32, which is twice as quick; what it may round away counts as reached
        together = np.stack([given[i] / np.abs(given[i]).sum() for i in members], axis=1).astype(np.float32)
        least = np.array([bars[i] / np.abs(given[i]).sum() - 1e-6 for i in members], dtype=np.float32)
        draws = _draws(n)
        reached = np.zeros(len(members), dtype=int)
        for signs in _signs(n, draws):
            reached += np.count_nonzero(np.abs(signs @ together) >= least, axis=0)
        found |= {i: Chance((int(b) + 1) / (draws + 1), False) for i, b in zip(members, reached, strict=True)}
    return [found[i] for i in range(len(given))]


def _share_of_signs(d: np.ndarray, bar: float) -> float:
    """The share of sign vectors whose sum is ≥ bar > 0, and by symmetry ≤ -bar, too."""
    half = len(d) // 2
    left, right = _sums(d[:half]), np.sort(_sums(d[half:]))
    reached = len(left) * len(right) - int(np.searchsorted(right, bar - left, side="left").sum())
    return 2 * reached / 2 ** len(d)


def _sums(d: np.ndarray) -> np.ndarray:
    """All 2ⁿ sums of ±d."""
    sums = np.zeros(1)
    for one in d:
        sums = np.concatenate([sums - one, sums + one])
    return sums


def _signs(n: int, draws: int) -> Iterator[np.ndarray]:
    """Blocks of rows of n random signs, `draws` rows in all."""
    rng = np.random.default_rng(SEED)
    rows, width = max(1, 4_000_000 // n), -(-n // 8)
    for first in range(0, draws, rows):
        count = min(rows, draws - first)
        bits = np.frombuffer(rng.bytes(count * width), dtype=np.uint8).reshape(count, width)
        yield np.float32(1) - np.float32(2) * np.unpackbits(bits, axis=1, count=n)


def _draws(n: int) -> int:
    return max(1_999, min(DRAWS, WORK // n))


def two_samples(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> list[Chance]:
    """For each pair of unpaired samples: how often Welch's |t| is as large where the runs are divided at random.

        t = (mean(a) - mean(b)) / √(s_a² / n_a + s_b² / n_b)

    Dividing by the standard error keeps the error rate where the samples differ in spread (A. Janssen 1997). Up to
    EXACT_SPLITS all (n_a + n_b)! / (n_a! n_b!) divisions are counted. Samples have at least two values each.

    >>> [round(chance.p, 4) for chance in two_samples([([1, 2, 3], [4, 5, 6]), ([1, 2], [1, 2])])]
    [0.1, 1.0]
    """
    found: dict[int, Chance] = {}
    alike: dict[tuple[int, int], list[int]] = {}
    for i, (a, b) in enumerate(pairs):
        alike.setdefault((len(a), len(b)), []).append(i)
    for (n_a, n_b), members in alike.items():
        x = np.array([[*pairs[i][0], *pairs[i][1]] for i in members], dtype=float).T
        x /= np.maximum(np.abs(x).max(axis=0), 1e-300)
        x -= x.mean(axis=0)
        x /= np.maximum(np.abs(x).max(axis=0), 1e-300)
        chosen, exact = _divisions(n_a, n_b)
        least = _welch_t(x, (np.arange(len(x))[None] < n_a).astype(float), n_a)[0] * (1 - 1e-9)
        reached = sum(
            np.count_nonzero(_welch_t(x, chosen[first : first + 20_000].astype(float), n_a) >= least, axis=0)
            for first in range(0, len(chosen), 20_000)
        )
        one = 0 if exact else 1
        found |= {i: Chance((int(b) + one) / (len(chosen) + one), exact) for i, b in zip(members, reached, strict=True)}
    return [found[i] for i in range(len(pairs))]


def _divisions(n_a: int, n_b: int) -> tuple[np.ndarray, bool]:
    """Which of all runs are a's, a row a division; and whether these are all."""
    n = n_a + n_b
    if math.comb(n, n_a) <= EXACT_SPLITS:
        few = min(n_a, n_b)
        ways = np.fromiter(chain.from_iterable(combinations(range(n), few)), dtype=np.intp).reshape(-1, few)
        chosen = np.full((len(ways), n), n_a != few)
        np.put_along_axis(chosen, ways, n_a == few, axis=1)
        return chosen, True
    draws = max(1_999, min(DRAWS, WORK // 5 // n))
    order = np.random.default_rng(SEED).random((draws, n), dtype=np.float32)
    chosen = np.zeros((draws, n), dtype=bool)
    np.put_along_axis(chosen, np.argpartition(order, n_a - 1, axis=1)[:, :n_a], True, axis=1)
    return chosen, False


def _welch_t(x: np.ndarray, chosen: np.ndarray, n_a: int) -> np.ndarray:
    """|t| of each division (a row) of each column of x, whose values have mean 0 and are within ±1."""
    n_b = len(x) - n_a
    sums, squares = chosen @ x, chosen @ (x * x)
    rest, rest_squares = x.sum(axis=0) - sums, (x * x).sum(axis=0) - squares
    apart = np.abs(sums / n_a - rest / n_b)
    variance = np.maximum(squares - sums**2 / n_a, 0.0) / ((n_a - 1) * n_a)
    variance += np.maximum(rest_squares - rest**2 / n_b, 0.0) / ((n_b - 1) * n_b)
    apart[apart < 1e-12] = 0.0
    variance[variance < 1e-14] = 0.0  # what rounding leaves of equal values
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(apart == 0, 0.0, apart / np.sqrt(variance))


# -- shares ----------------------------------------------------------------------------------------


def discordant(only_a: int, only_b: int) -> float:
    """The exact p that success depends on the level, from pairs in which only one succeeds (Q. McNemar 1947).

    >>> discordant(0, 6), discordant(1, 1)
    (0.03125, 1.0)
    """
    n, least = only_a + only_b, min(only_a, only_b)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(least + 1)) / 2**n)


def two_shares(a: int, n_a: int, b: int, n_b: int) -> float:
    """The exact p that shares a / n_a and b / n_b differ: all tables no likelier than this one (R. A. Fisher 1935).

    >>> round(two_shares(0, 6, 6, 6), 5)
    0.00216
    """
    successes, n = a + b, n_a + n_b
    ways = [
        math.comb(n_a, k) * math.comb(n_b, successes - k)
        for k in range(max(0, successes - n_b), min(n_a, successes) + 1)
    ]
    seen = math.comb(n_a, a) * math.comb(n_b, b)
    return sum(way for way in ways if way <= seen) / math.comb(n, successes)
