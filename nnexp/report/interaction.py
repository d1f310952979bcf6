"""Whether the effect of one key depends on another: contrasts of a two-way table, their test and their intervals."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from nnexp.report.permutation import DRAWS, EXACT_PAIRS, SEED, Chance
from nnexp.report.statistics import LEVEL, Difference, Summary, summarize
from nnexp.report.verdict import FEWEST

Cell = tuple[int, int]
"""A row and a column, by their numbers."""


@dataclass(frozen=True)
class Contrast:
    """How much larger the difference between two rows is in one column than in another."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    effects: tuple[float, float]
    """The differences between the rows, first minus second, in each of the two columns."""
    size: Difference
    """The first effect minus the second; never below zero."""
    half: float
    """Half the width of an interval that holds for all contrasts of the table together in 95 of 100 tables."""


@dataclass(frozen=True)
class Interaction:
    """What is known of the interaction of rows and columns."""

    in_pairs: bool
    """Whether seeds are blocks, each with a run in every cell."""
    n: int
    """Blocks, or the runs of the smallest cell."""
    alone: int
    """Runs that belong to no whole block, and are left out."""
    contrasts: int
    """How many pairs of rows by pairs of columns there are."""
    largest: Contrast | None
    """None where nothing is known of the spread."""
    p: float | None
    """Of the test that there is no interaction at all; None where there is no test."""
    exact: bool
    p_equivalent: float | None
    """Of the test that all contrasts lie within the margin."""

    @property
    def depends(self) -> bool:
        return self.n >= FEWEST and self.p is not None and self.p <= LEVEL

    @property
    def equivalent(self) -> bool:
        return self.n >= FEWEST and self.p_equivalent is not None and self.p_equivalent <= LEVEL


def interaction(cells: Mapping[Cell, Mapping[Hashable, float]], margin: float | None = None) -> Interaction:
    """The interaction in a table of A rows and B columns, both at least two, without holes. `cells` are scores by unit.

        d(a, a', b, b') = (y_ab - y_a'b) - (y_ab' - y_a'b')

    Where units (seeds) have a score in every cell, each is a block: d is computed in every block, its interval is
    Student's, and the test of all contrasts together is by sign flips of whole blocks (see `block_flips`); for a
    table of two by two that is the sign-flip test of the d themselves. Otherwise the four means have spreads of their
    own (B. L. Welch 1947, with the degrees of freedom of F. E. Satterthwaite, Biometrics 1946), and the test is the
    smallest of the contrasts' p times their number. Intervals are at the level 0.05 / contrasts (Bonferroni's), so that
    they hold together. All contrasts lie within ±margin where each does by two one-sided tests, which needs no
    correction (R. L. Berger, Technometrics 1982).

    >>> noise = [0.0, 0.4, -0.3, 0.2, -0.1, 0.3]
    >>> effect = {(0, 0): 1.0, (0, 1): 2.0, (1, 0): 3.0, (1, 1): 7.0}
    >>> found = interaction({c: {s: y + e * c[0] * c[1] for s, e in enumerate(noise)} for c, y in effect.items()})
    >>> found.n, round(found.largest.size.mean, 4), found.p, found.depends
    (6, 3.0833, 0.03125, True)
    """
    rows, columns = (1 + max(cell[side] for cell in cells) for side in (0, 1))
    pairs_a, pairs_b = (list(combinations(range(size), 2)) for size in (rows, columns))
    count = len(pairs_a) * len(pairs_b)
    units = [unit for unit in cells[0, 0] if all(unit in scores for scores in cells.values())]
    least = min(map(len, cells.values()))
    chance = Chance(math.nan, True)
    if units and (len(units) == least or len(units) >= FEWEST):
        y = np.array([[[cells[a, b][u] for b in range(columns)] for a in range(rows)] for u in units], dtype=float)
        alone = sum(map(len, cells.values())) - y.size
        means, n = y.mean(axis=0), len(units)
        d = _contrasts(y, pairs_a, pairs_b)
        d[np.abs(d) < 1e-13 * np.abs(y).max()] = 0.0  # what rounding leaves of equal differences
        errors = d.std(axis=0, ddof=1) / math.sqrt(n) if n > 1 else np.full(d.shape[1:], math.nan)
        errors[np.ptp(d, axis=0) == 0] = 0.0 if n > 1 else math.nan  # where the mean of equal values misses a digit
        freedoms = np.full(errors.shape, n - 1.0)
        sizes = d.mean(axis=0)
        if n > 1:
            chance = block_flips(_residuals(y))
        in_pairs = True
    else:
        in_pairs, alone, n = False, 0, least
        found = [[summarize(list(cells[a, b].values())) for b in range(columns)] for a in range(rows)]
        means = np.array([[one.mean for one in row] for row in found], dtype=float)
        sizes = _contrasts(means[None], pairs_a, pairs_b)[0]
        sizes[np.abs(sizes) < 1e-13 * np.abs(means).max()] = 0.0
        errors, freedoms = _spreads(found, pairs_a, pairs_b)
        if n > 1:
            chance = Chance(min(1.0, count * float(_two_sided(sizes, errors, freedoms).min())), True)
    if n < 2:
        return Interaction(in_pairs, n, alone, count, None, None, True, None)
    equivalent = None
    if margin is not None:
        flat = zip(sizes.ravel(), errors.ravel(), freedoms.ravel(), strict=True)
        equivalent = max(Difference(float(m), float(e), float(f)).within(margin) for m, e, f in flat)
    largest = _largest(means, sizes, errors, freedoms, pairs_a, pairs_b, count)
    return Interaction(in_pairs, n, alone, count, largest, float(chance.p), chance.exact, equivalent)


def _contrasts(y: np.ndarray, pairs_a: Sequence[Cell], pairs_b: Sequence[Cell]) -> np.ndarray:
    """d of each pair of rows and each pair of columns, for y (n, A, B)."""
    a, b = np.array(pairs_a), np.array(pairs_b)
    between = y[:, a[:, 0], :] - y[:, a[:, 1], :]
    return between[:, :, b[:, 0]] - between[:, :, b[:, 1]]


def _residuals(y: np.ndarray) -> np.ndarray:
    """What is left of each block without the effects of its rows and columns, in units of the largest, (n, A B)."""
    r = y - y.mean(axis=1, keepdims=True) - y.mean(axis=2, keepdims=True) + y.mean(axis=(1, 2), keepdims=True)
    r[np.abs(r) < 1e-13 * np.abs(y).max()] = 0.0
    r = r.reshape(len(y), -1)
    return r / (np.abs(r).max() or 1.0)


def _spreads(
    cells: Sequence[Sequence[Summary]], pairs_a: Sequence[Cell], pairs_b: Sequence[Cell]
) -> tuple[np.ndarray, np.ndarray]:
    """The standard error of each contrast of unpaired means, and its degrees of freedom."""
    counts = np.array([[one.n for one in row] for row in cells], dtype=float)
    if counts.min() < 2:
        nothing = np.full((len(pairs_a), len(pairs_b)), math.nan)
        return nothing, nothing
    v = np.array([[one.std for one in row] for row in cells], dtype=float) ** 2 / counts
    summed, weighed = (_sums(one, pairs_a, pairs_b) for one in (v, v**2 / (counts - 1)))
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = np.where(weighed > 0, summed**2 / weighed, counts.sum() - counts.size)
    return np.sqrt(summed), freedom


def _sums(values: np.ndarray, pairs_a: Sequence[Cell], pairs_b: Sequence[Cell]) -> np.ndarray:
    """The sum of the four cells of each contrast."""
    a, b = np.array(pairs_a), np.array(pairs_b)
    between = values[a[:, 0], :] + values[a[:, 1], :]
    return between[:, b[:, 0]] + between[:, b[:, 1]]


def _two_sided(sizes: np.ndarray, errors: np.ndarray, freedoms: np.ndarray) -> np.ndarray:
    from scipy.special import stdtr

    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(sizes == 0, 0.0, np.abs(sizes) / errors)
    return 2 * stdtr(freedoms, -t)


def _largest(
    means: np.ndarray,
    sizes: np.ndarray,
    errors: np.ndarray,
    freedoms: np.ndarray,
    pairs_a: Sequence[Cell],
    pairs_b: Sequence[Cell],
    count: int,
) -> Contrast:
    """The contrast with the largest mean, of a later row minus an earlier one, turned so that it is positive."""
    from scipy.special import stdtrit

    i, j = np.unravel_index(int(np.argmax(np.abs(sizes))), sizes.shape)
    (other, a), (b, beside) = pairs_a[int(i)], pairs_b[int(j)]
    if sizes[i, j] > 0:
        b, beside = beside, b
    size = Difference(abs(float(sizes[i, j])), float(errors[i, j]), float(freedoms[i, j]))
    half = float(stdtrit(size.freedom, 1 - LEVEL / (2 * count))) * size.error
    effects = (float(means[a, b] - means[other, b]), float(means[a, beside] - means[other, beside]))
    return Contrast((a, other), (b, beside), effects, size, half)


def block_flips(r: np.ndarray) -> Chance:
    """How often |Σ ±r_s|² ≥ |Σ r_s|² where the sign of each block's vector r_s is a coin's, for r (n, d).

        p = #{s in {-1, 1}ⁿ: |Σ s_i r_i|² ≥ |Σ r_i|²} / 2ⁿ

    All signs are counted up to EXACT_PAIRS blocks, else 9,999 are drawn. It supposes that without an interaction a
    block's residuals are as likely with all signs turned; with two rows or two columns they are, where what a run adds
    has the same distribution in every cell. For d = 1 it is the sign-flip test.

    >>> block_flips(np.array([[1.0, -1.0]] * 6)).p
    0.03125
    """
    n = len(r)
    products = r @ r.T
    bar = float(products.sum())
    if bar <= 1e-12 * float(np.abs(products).sum()) or not products.any():
        return Chance(1.0, True)
    bar *= 1 - 1e-9
    if n <= EXACT_PAIRS:
        reached, total = 0, 2 ** (n - 1)  # the first sign may stay: turning all of them changes nothing
        for first in range(0, total, 65_536):
            numbers = np.arange(first, min(first + 65_536, total))
            signs = 1.0 - 2.0 * (numbers[:, None] >> np.arange(n) & 1)
            reached += int(np.count_nonzero(((signs @ products) * signs).sum(axis=1) >= bar))
        return Chance(reached / total, True)
    signs = np.random.default_rng(SEED).choice([-1.0, 1.0], size=(DRAWS, n))
    reached = int(np.count_nonzero(((signs @ products) * signs).sum(axis=1) >= bar))
    return Chance((reached + 1) / (DRAWS + 1), False)
