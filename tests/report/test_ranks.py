"""Friedman's test and Nemenyi's critical difference: a published example, scipy, and all relabellings."""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nnexp.report.ranks import (
    _distribution,
    critical_difference,
    friedman,
    iman_davenport,
    mid_ranks,
    not_apart,
    range_quantile,
)

DEMSAR = [
    [4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5], [3, 2, 4, 1],
    [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3], [3, 1, 4, 2],
]  # fmt: skip
"""The ranks of four variants of C4.5 on 14 data sets: table 6 of J. Demšar, JMLR 2006."""

TABLES = st.tuples(st.integers(2, 4), st.integers(2, 5)).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(0, 3), min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
    )
)


def test_the_published_example() -> None:
    found = friedman(DEMSAR)
    assert [round(rank, 3) for rank in found.mean_ranks] == [3.143, 2.0, 2.893, 1.964]
    # the paper leaves ties uncorrected: there χ² is smaller by 1 - Σ (t³ - t) / (N k (k² - 1))
    ties = sum(c**3 - c for row in DEMSAR for c in (row.count(v) for v in set(row)))
    plain = found.statistic * (1 - ties / (14 * 4 * 15))
    assert round(plain, 2) == 9.28
    assert round(iman_davenport(plain, 14, 4)[0], 2) == 3.69
    assert round(critical_difference(14, 4), 2) == 1.25
    assert round(critical_difference(14, 4, 0.1), 2) == 1.12
    # at 0.10 C4.5 is worse than +m and +m+cf, and +cf belongs to either group
    assert not_apart(found.mean_ranks, critical_difference(14, 4, 0.1)) == [[3, 1, 2], [2, 0]]
    assert not_apart(found.mean_ranks, critical_difference(14, 4)) == [[3, 1, 2, 0]]


@given(TABLES)
@settings(max_examples=60, deadline=None)
def test_the_statistic_is_scipys(table: list[list[int]]) -> None:
    ranks = [mid_ranks(row) for row in table]
    assert ranks == [stats.rankdata(row).tolist() for row in table]
    found = friedman(ranks)
    if all(len(set(row)) == 1 for row in table):
        assert (found.statistic, found.p, found.p_f) == (0.0, 1.0, 1.0)
        return
    if len(table[0]) > 2:  # scipy asks for three
        assert found.statistic == pytest.approx(stats.friedmanchisquare(*np.array(table).T).statistic)
    n, k = len(ranks), len(ranks[0])
    if math.isfinite(found.f):
        assert found.p_f == pytest.approx(stats.f.sf(found.f, k - 1, (k - 1) * (n - 1)))
    assert found.mean_ranks == pytest.approx(np.mean(ranks, axis=0))


@given(
    st.tuples(st.integers(2, 4), st.integers(2, 3)).flatmap(
        lambda shape: st.lists(st.tuples(*[st.integers(0, 2)] * shape[1]), min_size=shape[0], max_size=shape[0])
    )
)
@settings(max_examples=40, deadline=None)
def test_p_is_the_share_of_all_orders(table: list[tuple[int, ...]]) -> None:
    ranks = [mid_ranks(row) for row in table]
    found = friedman(ranks)

    def spread(rows: object) -> float:
        return float((np.sum(rows, axis=0) ** 2).sum())

    seen = spread(ranks)
    orders = [spread(rows) for rows in product(*(permutations(row) for row in ranks))]
    assert found.exact
    assert found.p == pytest.approx(sum(one >= seen - 1e-9 for one in orders) / len(orders))
    assert found.p >= found.least_p - 1e-12


def test_drawn_orders_are_near_all_of_them() -> None:
    from nnexp.report import ranks as module

    rows = [mid_ranks(row) for row in np.random.default_rng(3).normal(size=(6, 4)).round(1).tolist()]
    exact = friedman(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_SUMS", 0)
        drawn = friedman(rows)
    assert (exact.exact, drawn.exact) == (True, False)
    assert drawn.p == pytest.approx(exact.p, abs=4 * math.sqrt(exact.p / 9_999))
    assert not friedman([[*range(1, 13)]] * 3).exact, "twelve levels have too many orders"


@pytest.mark.parametrize("k", [2, 3, 4, 7, 20])
def test_the_quantile_of_the_range(k: int) -> None:
    for probability in (0.5, 0.9, 0.95, 0.999):
        found = range_quantile(probability, k)
        assert found == pytest.approx(stats.studentized_range.ppf(probability, k, np.inf), abs=1e-5)


@pytest.mark.parametrize(("n", "k"), [(n, k) for k in (2, 3, 4) for n in (2, 3, 4, 5, 6, 8, 10)])
def test_both_tests_together_are_wrong_in_5_of_100(n: int, k: int) -> None:
    """Of all ranks that chance could give, how many lead to a claim: Friedman's p, then the critical difference."""
    found = _distribution(np.array([[2 * (j + 1) for j in range(k)]] * n))
    assert found is not None
    total, middle = sum(found.values()), n * (k + 1)
    spread = {sums: sum((s - middle) ** 2 for s in sums) for sums in found}
    critical = critical_difference(n, k)
    wrong = 0
    for sums, ways in found.items():
        p = sum(other for one, other in found.items() if spread[one] >= spread[sums]) / total
        if p <= 0.05 and (max(sums) - min(sums)) / (2 * n) >= critical:
            wrong += ways
    assert wrong / total <= 0.05


def test_levels_and_tasks_in_another_order() -> None:
    found = friedman(DEMSAR)
    turned = friedman([row[::-1] for row in DEMSAR[::-1]])
    assert turned.mean_ranks == pytest.approx(found.mean_ranks[::-1])
    assert (turned.statistic, turned.p) == pytest.approx((found.statistic, found.p), abs=0.005)


def test_groups() -> None:
    assert not_apart([1.0, 2.0, 3.0], 0.5) == []
    assert not_apart([1.0, 1.4, 3.0], 0.5) == [[0, 1]]
    assert not_apart([1.0, 1.5], 0.5) == [], "a difference of exactly CD is told apart"


@pytest.mark.parametrize("ranks", [[[1, 2]], [[1], [1]]])
def test_too_little(ranks: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="two tasks and two levels"):
        friedman(ranks)


def test_two_levels_are_the_sign_test() -> None:
    for wins in range(7):
        found = friedman([[1, 2]] * wins + [[2, 1]] * (6 - wins))
        assert found.p == pytest.approx(stats.binomtest(wins, 6).pvalue)
