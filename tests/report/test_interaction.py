"""Interactions: two by two is the sign-flip test and Welch's t; larger tables by counting all signs, and simulation."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nnexp.report.interaction import block_flips, interaction
from nnexp.report.permutation import sign_flips


def cells_of(y: np.ndarray) -> dict[tuple[int, int], dict[Any, float]]:
    """Cells of y (n, A, B), paired by block."""
    return {(a, b): dict(enumerate(y[:, a, b])) for a in range(y.shape[1]) for b in range(y.shape[2])}


def unpaired(y: np.ndarray, sizes: list[list[int]]) -> dict[tuple[int, int], dict[Any, float]]:
    """Cells of which none shares a seed with another."""
    return {
        (a, b): {(a, b, s): y[s, a, b] for s in range(sizes[a][b])}
        for a in range(y.shape[1])
        for b in range(y.shape[2])
    }


@given(st.lists(st.tuples(*[st.integers(-5, 5)] * 4), min_size=2, max_size=9))
@settings(max_examples=60, deadline=None)
def test_two_by_two(rows: list[tuple[int, ...]]) -> None:
    y = np.array(rows, dtype=float).reshape(-1, 2, 2)
    found = interaction(cells_of(y))
    d = y[:, 1, 0] - y[:, 0, 0] - y[:, 1, 1] + y[:, 0, 1]
    assert (found.in_pairs, found.n, found.contrasts, found.alone) == (True, len(y), 1, 0)
    assert found.p == pytest.approx(sign_flips([d.tolist()])[0].p)
    assert found.largest is not None
    assert found.largest.size.mean == pytest.approx(abs(d.mean()))
    assert found.largest.effects[0] - found.largest.effects[1] == pytest.approx(abs(d.mean()))
    if d.std() > 0:
        low, high = stats.ttest_1samp(d, 0).confidence_interval()
        assert found.largest.half == pytest.approx((high - low) / 2)


@given(st.integers(2, 6), st.integers(2, 3), st.integers(2, 3), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_all_signs_are_counted(n: int, rows: int, columns: int, seed: int) -> None:
    y = np.random.default_rng(seed).normal(size=(n, rows, columns)).round(1)
    found = interaction(cells_of(y))
    r = y - y.mean(1, keepdims=True) - y.mean(2, keepdims=True) + y.mean((1, 2), keepdims=True)
    sums = [float((np.tensordot(signs, r, 1) ** 2).sum()) for signs in product([1.0, -1.0], repeat=n)]
    assert found.p == pytest.approx(np.mean([s >= sums[0] * (1 - 1e-9) - 1e-12 for s in sums]))
    # sums of squares of the two-way analysis of variance with blocks
    m = y.mean(0)
    ss = n * ((m - m.mean(0) - m.mean(1, keepdims=True) + m.mean()) ** 2).sum()
    assert sums[0] / n == pytest.approx(ss, abs=1e-9)
    assert found.largest is not None
    contrasts = {
        (a, o, b, c): (y[:, a, b] - y[:, o, b] - y[:, a, c] + y[:, o, c])
        for a, o in combinations(range(rows), 2)
        for b, c in combinations(range(columns), 2)
    }
    assert found.contrasts == len(contrasts)
    assert found.largest.size.mean == pytest.approx(max(abs(d.mean()) for d in contrasts.values()))
    half = stats.t.ppf(1 - 0.025 / len(contrasts), n - 1) * found.largest.size.error
    assert found.largest.half == pytest.approx(half)


def test_many_blocks_are_drawn() -> None:
    rng = np.random.default_rng(0)
    few = block_flips(rng.normal(0.35, 1, (18, 1)))
    assert few.exact
    r = np.concatenate([rng.normal(0.5, 1, (30, 1))])
    many = block_flips(r)
    assert not many.exact
    assert many.p == pytest.approx(sign_flips([r[:, 0].tolist()])[0].p, abs=0.01)
    assert block_flips(np.zeros((8, 4))).p == 1.0


@pytest.mark.parametrize("sizes", [[[7, 7], [7, 7]], [[6, 9], [8, 7]]])
def test_unpaired_is_welch(sizes: list[list[int]]) -> None:
    y = np.random.default_rng(1).normal(size=(9, 2, 2)) * [[1.0, 2.0], [0.5, 3.0]] + [[0.0, 1.0], [0.0, 4.0]]
    found = interaction(unpaired(y, sizes))
    assert (found.in_pairs, found.n) == (False, min(map(min, sizes)))
    parts = [[y[: sizes[a][b], a, b] for b in (0, 1)] for a in (0, 1)]
    v = [[part.var(ddof=1) / len(part) for part in row] for row in parts]
    error = np.sqrt(np.sum(v))
    freedom = np.sum(v) ** 2 / sum(v[a][b] ** 2 / (sizes[a][b] - 1) for a in (0, 1) for b in (0, 1))
    mean = abs(parts[1][1].mean() - parts[0][1].mean() - parts[1][0].mean() + parts[0][0].mean())
    assert found.largest is not None
    assert (found.largest.size.mean, found.largest.size.error) == pytest.approx((mean, error))
    assert found.p == pytest.approx(2 * stats.t.sf(mean / error, freedom))


def test_with_two_cells_that_do_not_vary_it_is_welchs_test_of_the_others() -> None:
    y = np.random.default_rng(2).normal(size=(8, 2, 2))
    y[:, :, 1] = 0.5
    found = interaction(unpaired(y, [[8, 8], [6, 8]]))
    other = stats.ttest_ind(y[:8, 0, 0], y[:6, 1, 0], equal_var=False)
    assert found.p == pytest.approx(other.pvalue)
    low, high = other.confidence_interval()
    assert found.largest is not None
    assert found.largest.half == pytest.approx((high - low) / 2)


def test_pairs_where_most_seeds_match() -> None:
    y = np.random.default_rng(3).normal(size=(8, 2, 2))
    cells = cells_of(y)
    del cells[0, 1][7], cells[1, 1][0]
    found = interaction(cells)
    assert (found.in_pairs, found.n, found.alone) == (True, 6, 6)
    del cells[0, 0][3]
    assert not interaction(cells).in_pairs, "five blocks of seven seeds are fewer than six"


def test_one_seed_and_no_spread() -> None:
    found = interaction(cells_of(np.ones((1, 2, 2))))
    assert (found.n, found.largest, found.p, found.depends) == (1, None, None, False)
    equal = interaction(cells_of(np.full((6, 3, 2), 0.1)), margin=0.01)
    assert (equal.p, equal.depends, equal.equivalent) == (1.0, False, True)
    y = np.zeros((6, 2, 2))
    y[:, 1, 1] = 0.1
    sure = interaction(cells_of(y))
    assert sure.largest is not None
    assert (sure.p, sure.largest.half, sure.depends) == (0.03125, 0.0, True)


def test_unpaired_cells_without_a_spread() -> None:
    """What rounding leaves of equal means, and of equal differences of means, is no interaction."""
    for scores in (
        {(0, 0): 0.1, (0, 1): 0.1, (1, 0): 0.1, (1, 1): 0.1},
        {(0, 0): 0.3, (0, 1): 0.4, (1, 0): 0.1, (1, 1): 0.2},
    ):
        cells = {cell: {(cell, s): v for s in range(7 + cell[0])} for cell, v in scores.items()}
        found = interaction(cells, margin=0.01)
        assert (found.in_pairs, found.p, found.depends, found.equivalent) == (False, 1.0, False, True)
        cells[1, 1] = {unit: v + 0.1 for unit, v in cells[1, 1].items()}
        sure = interaction(cells)
        assert sure.largest is not None
        assert (sure.p, sure.largest.half, sure.depends) == (0.0, 0.0, True)


def test_equivalence() -> None:
    y = np.random.default_rng(4).normal([[0.5, 0.6, 0.7], [0.6, 0.7, 0.8]], 0.01, size=(10, 2, 3))
    assert interaction(cells_of(y), margin=0.1).equivalent
    assert not interaction(cells_of(y), margin=0.001).equivalent
    worst = 0.0
    for d in ((y[:, 0, b] - y[:, 1, b]) - (y[:, 0, c] - y[:, 1, c]) for b, c in combinations(range(3), 2)):
        worst = max(worst, stats.ttest_1samp(d, 0.1, alternative="less").pvalue,
                    stats.ttest_1samp(d, -0.1, alternative="greater").pvalue)  # fmt: skip
    assert interaction(cells_of(y), margin=0.1).p_equivalent == pytest.approx(worst)


@pytest.mark.parametrize("paired", [True, False])
def test_how_often_it_is_wrong(paired: bool) -> None:
    """Skewed scores with effects of rows, columns and seeds, and no interaction: 5 of 100 claims at most."""
    rng = np.random.default_rng(5)
    effects = np.array([[0.0], [1.0], [3.0]]) + np.array([[0.0, 2.0]])
    wrong = missed = 0
    for _ in range(300):
        y = rng.exponential(size=(8, 3, 2)) + rng.normal(size=(8, 1, 1)) + effects
        found = interaction(cells_of(y) if paired else unpaired(y, [[8, 8]] * 3))
        assert found.largest is not None
        wrong += found.depends
        missed += found.largest.half < found.largest.size.mean
    assert wrong / 300 <= 0.085  # 0.05 and three standard errors
    assert missed / 300 <= 0.085


def test_power() -> None:
    rng = np.random.default_rng(6)
    found = 0
    for _ in range(100):
        y = rng.normal(size=(8, 2, 2))
        y[:, 1, 1] += 3.0
        found += interaction(cells_of(y)).depends
    assert found > 80
