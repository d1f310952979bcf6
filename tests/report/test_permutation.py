"""Permutation tests against the enumeration of every relabelling, and against scipy."""

from __future__ import annotations

from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nnexp.report.permutation import EXACT_PAIRS, discordant, sign_flips, two_samples, two_shares

INTEGERS = st.integers(-6, 6)


@given(st.lists(INTEGERS, min_size=1, max_size=9))
def test_sign_flips_by_enumeration_with_ties(sample: list[int]) -> None:
    # whole numbers, so that equal sums are equal
    reached = sum(
        abs(sum(s * d for s, d in zip(signs, sample, strict=True))) >= abs(sum(sample))
        for signs in product((-1, 1), repeat=len(sample))
    )
    (found,) = sign_flips([sample])
    assert found.exact
    assert found.p == reached / 2 ** len(sample)
    (small,) = sign_flips([[d / 360 for d in sample]])
    assert small.p == found.p, "a share of 360 examples that rounding has moved is a tie all the same"
    (large,) = sign_flips([[d * 1e300 for d in sample]])
    assert large.p == found.p


@pytest.mark.parametrize("n", [2, 7, 13])
def test_sign_flips_against_scipy(n: int) -> None:
    d = np.random.default_rng(n).normal(0.4, 1.0, n)
    expected = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert sign_flips([d])[0].p == pytest.approx(expected.pvalue, rel=1e-12)


def test_all_of_two_to_the_twenty() -> None:
    d = np.random.default_rng(0).normal(0.3, 1.0, EXACT_PAIRS)
    signs = (
        1 - 2.0 * np.unpackbits(np.arange(2**EXACT_PAIRS, dtype=">u4").view(np.uint8).reshape(-1, 4), axis=1)[:, 12:]
    )
    reached = np.count_nonzero(np.abs(signs @ d) >= abs(d.sum()) - 1e-9)
    found = sign_flips([d])[0]
    assert (found.exact, found.p) == (True, reached / 2**EXACT_PAIRS)


def test_drawn_signs_agree_with_the_normal_limit() -> None:
    rng = np.random.default_rng(1)
    samples = [rng.normal(shift, 1.0, 40) for shift in (0.0, 0.1, 0.2, 0.3, 0.4)]
    for sample, found in zip(samples, sign_flips(samples), strict=True):
        assert not found.exact
        z = abs(sample.sum()) / np.sqrt((sample**2).sum())
        assert found.p == pytest.approx(2 * stats.norm.sf(z), abs=0.02)
    assert sign_flips(samples) == sign_flips(samples), "the same runs give the same table"
    assert sign_flips([[1.0] * 40])[0].p == 1 / 10_000, "the sample itself counts as drawn"


def test_drawn_signs_count_ties() -> None:
    d = [1 / 360, -1 / 360] * 15
    assert sign_flips([[*d, 1 / 360]])[0].p == 1.0, "of 31 equal differences no sum is nearer to 0 than one"


@pytest.mark.parametrize("sample", [[], [0.0, 0.0, 0.0], [1.0], [0.1, -0.1]])
def test_nothing_to_see(sample: list[float]) -> None:
    assert sign_flips([sample])[0].p == 1.0


@settings(max_examples=40)
@given(st.lists(INTEGERS, min_size=2, max_size=5), st.lists(INTEGERS, min_size=2, max_size=5))
def test_divisions_by_enumeration_with_ties(a: list[int], b: list[int]) -> None:
    def t(x: tuple[int, ...], y: tuple[int, ...]) -> float:
        if sum(x) * len(y) == sum(y) * len(x):
            return 0.0
        error = np.var(x, ddof=1) / len(x) + np.var(y, ddof=1) / len(y)
        return abs(np.mean(x) - np.mean(y)) / np.sqrt(error) if error > 1e-12 else np.inf

    everything = [*a, *b]
    seen = t(tuple(a), tuple(b))
    reached = 0
    for chosen in combinations(range(len(everything)), len(a)):
        x = tuple(everything[i] for i in chosen)
        y = tuple(everything[i] for i in range(len(everything)) if i not in chosen)
        reached += t(x, y) >= seen * (1 - 1e-9)
    (found,) = two_samples([(a, b)])
    assert found.exact
    assert found.p == pytest.approx(reached / comb(len(everything), len(a)))


@pytest.mark.parametrize(("n_a", "n_b"), [(6, 6), (3, 9), (2, 30), (30, 2), (30, 20)])
def test_divisions_against_scipy(n_a: int, n_b: int) -> None:
    rng = np.random.default_rng(n_a)
    a, b = rng.normal(0.6, 1.0, n_a), rng.normal(0.0, 2.0, n_b)
    exact = comb(n_a + n_b, n_a) <= 20_000

    def welch(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        return np.abs(stats.ttest_ind(x, y, equal_var=False, axis=axis).statistic)

    expected = stats.permutation_test(
        (a, b), welch, n_resamples=np.inf if exact else 9999, vectorized=True, alternative="greater", rng=0
    )
    found = two_samples([(a, b)])[0]
    assert found.exact == exact
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12 if exact else 0, abs=0 if exact else 0.02)


def test_samples_of_one_size_share_their_draws() -> None:
    rng = np.random.default_rng(3)
    pairs = [(rng.normal(size=12), rng.normal(size=12)) for _ in range(3)]
    assert two_samples(pairs) == [two_samples([pair])[0] for pair in pairs]


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (0, 5), (2, 7), (4, 4), (1, 30)])
def test_discordant_against_scipy(only_a: int, only_b: int) -> None:
    expected = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert discordant(only_a, only_b) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("a", "n_a", "b", "n_b"), [(0, 6, 6, 6), (9, 10, 10, 10), (3, 8, 1, 20), (0, 5, 0, 5)])
def test_two_shares_against_scipy(a: int, n_a: int, b: int, n_b: int) -> None:
    expected = stats.fisher_exact([[a, n_a - a], [b, n_b - b]]).pvalue
    assert two_shares(a, n_a, b, n_b) == pytest.approx(expected, rel=1e-12)
