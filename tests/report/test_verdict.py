"""Verdicts: the word that the numbers allow, failures counted, and how often they are wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nnexp.report.verdict import Outcomes, Verdict, judge, superiority

MIRRORED = {"better": "worse", "worse": "better"}


def seeds(values: Sequence[float | None], first: int = 0) -> Outcomes:
    return dict(enumerate(values, first))


def against(level: Outcomes, baseline: Outcomes, higher: bool = True, margin: float | None = None) -> Verdict:
    """The verdict on one level."""
    verdict = judge([baseline, level], 0, higher, margin)[1]
    assert verdict is not None
    return verdict


SIX = [0.90, 0.91, 0.92, 0.93, 0.94, 0.95]


def test_numbers_of_a_pair() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, 1.0, 9), rng.normal(0.0, 1.0, 9)
    verdict = against(seeds(a.tolist()), seeds(b.tolist()))
    test = stats.ttest_rel(a, b)
    low, high = test.confidence_interval(0.95)
    assert verdict.difference is not None
    assert verdict.half is not None
    assert (verdict.in_pairs, verdict.n, verdict.exact, verdict.by_rank) == (True, 9, True, False)
    assert verdict.difference - verdict.half == pytest.approx(low)
    assert verdict.difference + verdict.half == pytest.approx(high)
    flips = stats.permutation_test((a - b,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert verdict.p == verdict.p_holm == pytest.approx(flips.pvalue)
    assert verdict.superiority == np.mean(a > b)
    correction = math.gamma(4) / math.sqrt(4) / math.gamma(3.5)
    spread = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    assert verdict.effect == pytest.approx(correction * (a - b).mean() / spread)


@pytest.mark.parametrize(("higher", "word"), [(True, "better"), (False, "worse")])
def test_which_way_is_better(higher: bool, word: str) -> None:
    more = seeds([v + 0.01 for v in SIX])
    verdict = against(more, seeds(SIX), higher)
    assert verdict.word == word
    assert verdict.p == 2 / 2**6
    assert verdict.difference == pytest.approx(0.01)
    assert verdict.superiority == (1.0 if higher else 0.0)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_below_six_pairs_no_claim_is_made(n: int) -> None:
    verdict = against(seeds([v + 1.0 for v in SIX[:n]]), seeds(SIX[:n]), margin=5.0)
    assert verdict.word == "inconclusive"
    assert f"smallest two-sided p is 2 / 2^{n} = {2 / 2**n:.3g}" in verdict.why
    assert verdict.more_seeds == 6 - n
    loose = against(seeds([v + 1.0 for v in SIX[:n]], first=10), seeds(SIX[:n]))
    assert (loose.word, loose.more_seeds, loose.in_pairs) == ("inconclusive", 6 - n, False)
    assert "unpaired runs cannot decide" in loose.why


def test_one_level_and_none() -> None:
    assert judge([seeds(SIX)], 0, True) == [None]
    empty = against({}, seeds(SIX))
    assert (empty.word, empty.n, empty.p, empty.difference) == ("inconclusive", 0, None, None)
    assert empty.why == "no run of the two levels can be compared"


def test_holm_counts_the_comparisons() -> None:
    # six pairs that all agree: p = 1/32, enough for one comparison and too much for two
    better = [seeds([v + 0.01 * k for v in SIX]) for k in (1, 2)]
    verdicts = judge([seeds(SIX), *better], 0, True)
    assert [v.p_holm for v in verdicts if v] == [1 / 16, 1 / 16]
    for verdict in verdicts[1:]:
        assert verdict is not None
        assert verdict.word == "inconclusive"
        assert verdict.why.startswith(
            "6 pairs cannot decide 2 comparisons: the smallest p that Holm's method could give"
        )
        assert verdict.more_seeds == 1


def test_equal_scores() -> None:
    same = against(seeds([0.9] * 8), seeds([0.9] * 8))
    assert (same.word, same.p, same.difference, same.half, same.effect) == ("inconclusive", 1.0, 0.0, 0.0, None)
    assert (same.superiority, same.more_seeds) == (0.5, None)
    assert against(seeds([0.9] * 8), seeds([0.9] * 8), margin=0.001).word == "equivalent"
    shifted = against(seeds([0.95] * 8), seeds([0.9] * 8))
    assert (shifted.word, shifted.half) == ("better", pytest.approx(0.0))


def test_equivalence_comes_before_a_difference_that_does_not_matter() -> None:
    a, b = seeds([v + 0.001 + k * 1e-5 for k, v in enumerate(SIX)]), seeds(SIX)
    assert against(a, b).word == "better"
    assert against(a, b, margin=0.01).word == "equivalent"
    assert against(a, b, margin=0.0005).word == "better"
    verdict = against(seeds([0.5, 0.9, 0.7, 0.4, 0.6, 0.8]), seeds(SIX), margin=0.01)
    assert verdict.p_equivalent is not None
    assert verdict.p_equivalent > 0.05


def test_paired_where_seeds_match_and_welch_where_they_do_not() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(1.0, 1.0, 10), rng.normal(0.0, 2.0, 10)
    loose = against(seeds(a.tolist()), seeds(b.tolist(), first=100))
    test = stats.ttest_ind(a, b, equal_var=False)
    assert not loose.in_pairs
    assert loose.difference is not None
    assert loose.half is not None
    assert loose.difference + loose.half == pytest.approx(test.confidence_interval(0.95).high)
    assert loose.superiority == pytest.approx(stats.mannwhitneyu(a, b).statistic / 100)
    smaller = against(seeds(a.tolist()), seeds(b[:7].tolist()))
    assert (smaller.in_pairs, smaller.n, smaller.alone) == (True, 7, 3)
    overlapping = against(seeds(a.tolist()), seeds(b.tolist(), first=3))
    assert (overlapping.in_pairs, overlapping.n, overlapping.alone) == (True, 7, 6)
    barely = against(seeds(a.tolist()), seeds(b.tolist(), first=6))
    assert (barely.in_pairs, barely.n) == (False, 10), "four shared seeds are too few for pairs, ten runs are not"


# -- failures --------------------------------------------------------------------------------------


def test_failures_are_the_worst_outcome() -> None:
    # it is a little better where it succeeds, and fails eight times in twelve
    good = [0.9 + k / 1000 for k in range(12)]
    fails: list[float | None] = [None] * 8 + [v + 0.001 for v in good[8:]]
    verdict = against(seeds(fails), seeds(good))
    assert verdict.word == "worse"
    assert (verdict.n, verdict.by_rank, verdict.superiority) == (12, True, pytest.approx(4 / 12))
    assert verdict.difference == pytest.approx(0.001), "of the runs that succeeded"
    assert verdict.p_success == 2 / 2**8
    assert against(seeds(good), seeds(fails)).word == "better"


def test_no_level_is_better_by_its_successes_alone() -> None:
    # seven failures in 40; the other 33 are better: ranks say better, and success is significantly rarer
    good = [0.9 + k / 1000 for k in range(40)]
    fails: list[float | None] = [None] * 7 + [v + 0.5 for v in good[7:]]
    verdict = against(seeds(fails), seeds(good))
    assert verdict.p_holm is not None
    assert verdict.p_holm <= 0.05
    assert verdict.word == "inconclusive"
    assert verdict.why.startswith("the better scores are of the level that fails more often (p = 0.016)")
    assert against(seeds(good), seeds(fails)).word == "inconclusive"
    once: list[float | None] = [None] + [v + 0.5 for v in good[1:]]
    assert against(seeds(once), seeds(good)).word == "better", "one failure in 40 is not known to be rarer success"


@pytest.mark.parametrize("first", [0, 50])
def test_a_level_that_always_fails(first: int) -> None:
    verdict = against(seeds([None] * 6, first), seeds(SIX))
    assert (verdict.word, verdict.difference, verdict.half, verdict.superiority) == ("worse", None, None, 0.0)
    assert verdict.in_pairs == (first == 0)
    both = against(seeds([None] * 6, first), seeds([None] * 6))
    assert (both.word, both.p, both.superiority, both.more_seeds) == ("inconclusive", 1.0, 0.5, None)


def test_failures_are_not_equivalent() -> None:
    verdict = against(seeds([None, *SIX]), seeds([0.9, *SIX]), margin=0.5)
    assert (verdict.word, verdict.p_equivalent) == ("inconclusive", None)


# -- how many more seeds ---------------------------------------------------------------------------


def test_so_many_more_seeds_would_settle_it() -> None:
    d = np.array([0.03, -0.02, 0.04, 0.01, -0.01, 0.02, 0.0, 0.01])
    verdict = against(seeds((0.9 + d).tolist()), seeds([0.9] * 8))
    assert verdict.word == "inconclusive"
    assert verdict.more_seeds is not None
    n = 8 + verdict.more_seeds
    shift, critical = d.mean() / d.std(ddof=1) * n**0.5, stats.t.ppf(0.975, n - 1)
    assert stats.nct.sf(critical, n - 1, shift) == pytest.approx(0.8, abs=0.02)
    wide = against(seeds((0.9 + d).tolist()), seeds([0.9] * 8), margin=0.012)
    narrow = against(seeds((0.9 + d).tolist()), seeds([0.9] * 8), margin=0.006)
    assert wide.more_seeds is not None
    assert narrow.more_seeds is not None
    assert narrow.more_seeds > 3 * wide.more_seeds
    assert against(seeds((0.9 + d).tolist()), seeds([0.9] * 8), margin=1e-5).more_seeds is None


# -- properties ------------------------------------------------------------------------------------

SCORES = st.one_of(st.none(), st.integers(0, 5).map(float))


@settings(max_examples=60)
@given(st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=8), st.booleans(), st.booleans())
def test_the_other_way_round_it_is_the_opposite(
    pairs: list[tuple[float | None, float | None]], higher: bool, matched: bool
) -> None:
    a, b = seeds([x for x, _ in pairs]), seeds([y for _, y in pairs], 0 if matched else 100)
    one, other = against(a, b, higher, margin=0.5), against(b, a, higher, margin=0.5)
    assert other.word == MIRRORED.get(one.word, one.word)
    assert (other.p, other.p_equivalent, other.p_success) == (one.p, one.p_equivalent, one.p_success)
    assert other.more_seeds == one.more_seeds
    assert one.superiority is not None
    assert other.superiority == pytest.approx(1 - one.superiority)
    assert (other.difference is None) == (one.difference is None)
    assert one.difference is None or other.difference == pytest.approx(-one.difference)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_superiority_by_counting(a: list[int], b: list[int]) -> None:
    won = sum((x > y) + (x == y) / 2 for x in a for y in b) / (len(a) * len(b))
    assert superiority(a, b, in_pairs=False) == pytest.approx(won)
