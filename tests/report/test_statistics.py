"""Mean, standard deviation and interval, against NumPy, SciPy and what an interval promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nnexp.report.statistics import (
    Difference,
    Summary,
    hedges,
    holm,
    paired,
    seeds_to_equate,
    seeds_to_find,
    summarize,
    welch,
    wilson,
)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_against_numpy_and_scipy(values: list[float]) -> None:
    s = summarize(values)
    assert s.n == len(values)
    assert s.mean == pytest.approx(np.mean(values), rel=1e-12, abs=1e-9)
    assert s.std == pytest.approx(np.std(values, ddof=1), rel=1e-9, abs=1e-9)
    assert s.mean is not None
    assert s.half is not None
    if s.std:
        low, high = stats.t.interval(0.95, s.n - 1, loc=s.mean, scale=stats.sem(values))
        assert s.mean - s.half == pytest.approx(low, rel=1e-9, abs=1e-6)
        assert s.mean + s.half == pytest.approx(high, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_an_interval_holds_the_truth_95_times_in_100(n: int) -> None:
    rng = np.random.default_rng(n)
    trials = 2000
    held = 0
    for values in rng.normal(3.0, 2.0, size=(trials, n)):
        s = summarize(values.tolist())
        assert s.mean is not None
        assert s.half is not None
        held += abs(s.mean - 3.0) <= s.half
    assert held / trials == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / trials) ** 0.5)


def test_too_few_for_a_spread() -> None:
    assert summarize([]) == Summary(0, None, None, None)
    assert summarize([0.25]) == Summary(1, 0.25, None, None)


@given(st.floats(-1e300, 1e300), st.integers(2, 9))
def test_equal_values_have_no_spread(value: float, n: int) -> None:
    assert summarize([value] * n) == Summary(n, value, 0.0, 0.0)


def test_very_large_values() -> None:
    s = summarize([1e300, 3e300])
    assert (s.mean, s.std) == (pytest.approx(2e300), pytest.approx(2e300 / 2**0.5))


# -- differences -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 6, 25])
def test_paired_differences_against_scipy(n: int) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(1.0, 1.0, n), rng.normal(0.0, 2.0, n)
    expected = stats.ttest_rel(a, b)
    found = paired((a - b).tolist())
    assert found is not None
    low, high = expected.confidence_interval(0.95)
    assert (found.mean - found.half, found.mean + found.half) == (pytest.approx(low), pytest.approx(high))
    assert found.mean / found.error == pytest.approx(expected.statistic)


@pytest.mark.parametrize(("n_a", "n_b"), [(2, 2), (6, 6), (3, 20)])
def test_welch_against_scipy(n_a: int, n_b: int) -> None:
    rng = np.random.default_rng(n_a)
    a, b = rng.normal(1.0, 1.0, n_a), rng.normal(0.0, 3.0, n_b)
    expected = stats.ttest_ind(a, b, equal_var=False)
    found = welch(summarize(a.tolist()), summarize(b.tolist()))
    assert found is not None
    low, high = expected.confidence_interval(0.95)
    assert found.freedom == pytest.approx(expected.df)
    assert (found.mean - found.half, found.mean + found.half) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize("margin", [0.05, 0.5, 2.0])
def test_two_one_sided_tests_against_scipy(margin: float) -> None:
    d = np.random.default_rng(5).normal(0.1, 0.6, 12)
    expected = max(
        stats.ttest_1samp(d, margin, alternative="less").pvalue,
        stats.ttest_1samp(d, -margin, alternative="greater").pvalue,
    )
    found = paired(d.tolist())
    assert found is not None
    assert found.within(margin) == pytest.approx(expected, rel=1e-9)


def test_differences_without_a_spread() -> None:
    assert paired([0.5]) is None
    assert welch(summarize([1.0]), summarize([1.0, 2.0])) is None
    same = paired([0.5, 0.5, 0.5])
    assert same == Difference(0.5, 0.0, 2)
    assert same is not None
    assert (same.half, same.within(0.6), same.within(0.4)) == (0.0, 0.0, 1.0)
    assert welch(summarize([1.0, 1.0]), summarize([0.25, 0.25])) == Difference(0.75, 0.0, 2)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (0, 10), (3, 10), (10, 10), (999, 1000)])
def test_wilson_against_scipy(successes: int, n: int) -> None:
    expected = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert wilson(successes, n) == (pytest.approx(expected.low, abs=1e-12), pytest.approx(expected.high, abs=1e-12))


def test_hedges_correction_makes_the_mean_effect_right() -> None:
    # n = 4 pairs of independent levels: without J the mean effect of 1 would come out about 1.2
    rng = np.random.default_rng(0)
    a, b = rng.normal(1.0, 1.0, (40_000, 4)), rng.normal(0.0, 1.0, (40_000, 4))
    found = [
        hedges(x.mean() - y.mean(), float(x.std(ddof=1)), float(y.std(ddof=1)), 6) for x, y in zip(a, b, strict=True)
    ]
    assert np.mean(np.array(found, dtype=float)) == pytest.approx(1.0, abs=0.02)
    assert hedges(0.5, 0.0, 0.0, 9) is None
    assert hedges(0.5, 1.0, 1.0, 1) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_its_steps_reject(p: list[float]) -> None:
    # by another road: step down through the ordered p values, and stop at the first that is too large
    adjusted = holm(p)
    for level in (0.01, 0.05, 0.2):
        rejected: set[int] = set()
        for place, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
            if (len(p) - place) * p[i] > level:
                break
            rejected.add(i)
        assert {i for i, value in enumerate(adjusted) if value <= level} == rejected
    assert holm([]) == []


# -- how many seeds --------------------------------------------------------------------------------


@pytest.mark.parametrize(("effect", "in_pairs"), [(0.3, True), (0.8, True), (2.0, True), (0.5, False), (1.2, False)])
def test_so_many_seeds_find_the_effect(effect: float, in_pairs: bool) -> None:
    n = seeds_to_find(effect, in_pairs=in_pairs)
    assert n is not None

    def power(n: int) -> float:
        freedom, shift = (n - 1, effect * n**0.5) if in_pairs else (2 * n - 2, effect * (n / 2) ** 0.5)
        critical = stats.t.ppf(0.975, freedom)
        return stats.nct.sf(critical, freedom, shift) + stats.nct.cdf(-critical, freedom, shift)

    assert power(n) >= 0.8 > power(n - 1)


def test_so_many_seeds_find_equivalence() -> None:
    n = seeds_to_equate(0.8)
    assert n is not None
    rng = np.random.default_rng(2)
    found = [paired(d.tolist()) for d in rng.normal(0.0, 1.0, (4000, n))]
    share = np.mean([d is not None and d.within(0.8) <= 0.05 for d in found])
    assert share == pytest.approx(0.8, abs=0.04)


def test_no_number_of_seeds_finds_nothing() -> None:
    assert seeds_to_find(0.0) is None
    assert seeds_to_find(0.01) is None
    assert seeds_to_equate(0.001) is None
