"""Times to a target with runs that never arrive: against scipy, textbook formulas and all relabellings."""

from __future__ import annotations

import math
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from scipy import stats

from nnexp.report.arrivals import Times
from nnexp.report.survival import Arrival, horizon, logrank_scores, median, not_yet, pseudo, restricted
from nnexp.report.verdict import Verdict, judge

NEVER = Arrival(math.inf, False)


def at(*times: float) -> list[Arrival]:
    """Runs that arrive at these times; a negative one ends there without having arrived."""
    return [Arrival(abs(time), time > 0) for time in times]


def drawn(seed: int, most: int = 8) -> list[Arrival]:
    """A few runs at whole times, so that many are equal; three of ten do not arrive."""
    rng = np.random.default_rng(seed)
    return [Arrival(float(rng.integers(1, 7)), bool(rng.random() < 0.7)) for _ in range(int(rng.integers(2, most)))]


def data(arrivals: list[Arrival]) -> stats.CensoredData:
    """As scipy has them; it has no infinite times, so never is later than all others."""
    return stats.CensoredData(
        uncensored=[one.time for one in arrivals if one.arrived],
        right=[min(one.time, 1e6) for one in arrivals if not one.arrived],
    )


def greenwood(arrivals: list[Arrival], tau: float) -> float:
    """The variance of the restricted mean by its textbook formula, Σ A_j² d_j / (Y_j (Y_j - d_j))."""
    curve = stats.ecdf(data(arrivals)).sf
    times = sorted({one.time for one in arrivals if one.arrived and one.time < tau})
    variance = 0.0
    for k, time in enumerate(times):
        ends = [*times[k:], tau]
        area = sum(curve.evaluate(a) * (b - a) for a, b in pairwise(ends))
        count = sum(one == Arrival(time, True) for one in arrivals)
        waiting = sum(one.time >= time for one in arrivals)
        if waiting > count:
            variance += area**2 * count / (waiting * (waiting - count))
    return variance


# -- the curve -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_the_curve_is_scipys(seed: int) -> None:
    arrivals = drawn(seed)
    curve = stats.ecdf(data(arrivals)).sf
    for time in np.arange(0.0, 8.0, 0.5):
        assert not_yet(arrivals, time) == pytest.approx(curve.evaluate(time), abs=1e-12)


def test_the_curve_by_hand() -> None:
    # remission times under 6-mercaptopurine (Freireich 1963), in every textbook: S(10) = 0.753, S(23) = 0.448
    arrivals = at(6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32, -34, -35)
    assert [round(not_yet(arrivals, time), 3) for time in (5, 6, 7, 10, 13, 16, 22, 23)] == [
        1.0, 0.857, 0.807, 0.753, 0.69, 0.627, 0.538, 0.448,
    ]  # fmt: skip
    assert median(arrivals) == 23


def test_medians() -> None:
    assert median(at(1, 2, 3, 4)) == 2
    assert median(at(1, -2, -2, -2)) is None
    assert median([NEVER, NEVER]) is None
    assert median([]) is None
    assert median(at(3)) == 3


def test_how_far_all_levels_are_known() -> None:
    assert horizon([at(1, 2), at(3, -9, -7)]) == 9
    assert horizon([at(1, -5), at(3, -9)]) == 5
    assert horizon([at(1, 2), at(4, 3)]) == 4, "all arrive: the plain means"
    assert horizon([at(1, 2), [NEVER, NEVER]]) == 2, "who never arrives limits nothing"
    assert horizon([[*at(1, -4), NEVER], at(2, -8)]) == 4, "a run that diverged does not tell of one that ended at 4"
    assert horizon([[*at(1, 4), NEVER], at(2, -8)]) == 8
    assert horizon([[NEVER], [NEVER]]) == 0
    assert horizon([at(5, -5), at(-8)]) == 5, "a run that ends where another arrives was waiting then"


# -- the restricted mean ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_the_restricted_mean_and_its_error(seed: int) -> None:
    arrivals, tau = drawn(seed), 5.5
    values = pseudo(arrivals, tau)
    curve = stats.ecdf(data(arrivals)).sf
    ends = [0.0, *sorted({one.time for one in arrivals if one.arrived and one.time < tau}), tau]
    area = sum(curve.evaluate(a) * (b - a) for a, b in pairwise(ends))
    n = len(arrivals)
    assert np.mean(values) == pytest.approx(area)
    assert np.var(values) / n == pytest.approx(greenwood(arrivals, tau), abs=1e-12)
    s = restricted(arrivals, tau)
    assert s.half == pytest.approx(stats.t.ppf(0.975, n - 1) * math.sqrt(greenwood(arrivals, tau) * n / (n - 1)))


@pytest.mark.parametrize("seed", range(5))
def test_the_pull_of_a_run_is_the_derivative(seed: int) -> None:
    """What a run weighs in the mean, by doing so: 1 + h of it in place of 1."""
    arrivals, tau, h = [*drawn(seed), *at(2, -3, 6)], 5.5, 1e-6
    n = len(arrivals)

    def mean(weights: np.ndarray) -> float:
        share, before, area = 1.0, 0.0, 0.0
        for time in sorted({one.time for one in arrivals if one.arrived and one.time < tau}):
            area, before = area + share * (time - before), time
            there = [i for i, one in enumerate(arrivals) if one == Arrival(time, True)]
            waiting = [i for i, one in enumerate(arrivals) if one.time >= time]
            share *= 1 - weights[there].sum() / weights[waiting].sum()
        return area + share * (tau - before)

    pulls = np.array(pseudo(arrivals, tau)) - mean(np.ones(n))
    for i in range(n):
        weights = np.ones(n)
        weights[i] += h
        assert n * (mean(weights) - mean(np.ones(n))) / h == pytest.approx(pulls[i], abs=1e-4)


def test_without_early_ends_it_is_the_mean_of_times() -> None:
    assert pseudo([*at(1, 4, 9, -7), NEVER], 7) == [1, 4, 7, 7, 7]
    assert restricted(at(3, 3, 3), 5).half == 0.0, "no spread"
    assert restricted(at(-4, -4), 4) == restricted([NEVER, NEVER], 4), "nobody arrives"
    assert restricted(at(2), 5).half is None, "one run"


# -- log-rank --------------------------------------------------------------------------------------


def variance(a: list[Arrival], b: list[Arrival]) -> float:
    """Of the log-rank statistic, by the hypergeometric distribution at each time."""
    total = 0.0
    for time in {one.time for one in (*a, *b) if one.arrived}:
        count = sum(one == Arrival(time, True) for one in (*a, *b))
        n, own = sum(one.time >= time for one in (*a, *b)), sum(one.time >= time for one in a)
        if n > 1:
            total += count * (n - count) * own * (n - own) / (n * n * (n - 1))
    return total


@pytest.mark.parametrize("seed", range(30))
def test_the_scores_add_up_to_scipys_statistic(seed: int) -> None:
    a, b = drawn(2 * seed), [*drawn(2 * seed + 1), NEVER]
    own, other = logrank_scores(a, b)
    assert sum(own) + sum(other) == pytest.approx(0.0, abs=1e-12)
    if (spread := variance(a, b)) > 0:
        assert sum(own) / math.sqrt(spread) == pytest.approx(stats.logrank(data(a), data(b)).statistic)


def test_the_scores_do_not_depend_on_the_labels() -> None:
    runs = drawn(3) + drawn(4)
    whole = [score for part in logrank_scores(runs[:3], runs[3:]) for score in part]
    assert whole == [score for part in logrank_scores(runs[:5], runs[5:]) for score in part]


def test_scores_by_hand() -> None:
    # at 1: 1 of 4, at 2: 2 of 3; the run that ends at 2 waited for both
    own, other = logrank_scores(at(1, 2), at(2, -2))
    assert own == pytest.approx([3 / 4, 1 / 12])
    assert other == pytest.approx([1 / 12, -11 / 12])
    assert logrank_scores(at(-2), [NEVER]) == ([0.0], [0.0]), "nobody arrives"


def verdict(a: list[Arrival], b: list[Arrival], in_pairs: bool = True) -> Verdict:
    """On b against a."""
    units = [list(range(len(a))), list(range(0 if in_pairs else 100, 200))[: len(b)]]
    times = Times.of([a, b], units)  # type: ignore[arg-type]
    found = judge([dict(level) for level in times.outcomes], 0, higher=False, scored=times.scored(0))[1]
    assert found is not None
    return found


def statistic(a: list[Arrival], b: list[Arrival]) -> float:
    """Observed less expected arrivals of b, by the definition."""
    observed, expected = sum(one.arrived for one in b), 0.0
    for time in {one.time for one in (*a, *b) if one.arrived}:
        count = sum(one == Arrival(time, True) for one in (*a, *b))
        waiting, own = sum(one.time >= time for one in (*a, *b)), sum(one.time >= time for one in b)
        expected += count * own / waiting
    return observed - expected


def test_the_test_counts_every_exchange_of_two_runs_of_a_seed() -> None:
    a, b = at(3, 5, -9, 4, 7, 8, -9), at(2, 5, 6, -9, 3, 3, 7)
    seen, reached = abs(statistic(a, b)), 0
    for flips in product([False, True], repeat=7):
        one = [y if flip else x for x, y, flip in zip(a, b, flips, strict=True)]
        other = [x if flip else y for x, y, flip in zip(a, b, flips, strict=True)]
        reached += abs(statistic(one, other)) >= seen - 1e-9
    found = verdict(a, b)
    assert (found.p, found.exact, found.in_pairs, found.n) == (reached / 2**7, True, True, 7)
    sizes = np.array([min(one.time, 9) for one in b]) - np.array([min(one.time, 9) for one in a])
    low, high = stats.ttest_1samp(sizes, 0).confidence_interval(0.95)
    assert (found.difference, found.half) == (pytest.approx(sizes.mean()), pytest.approx((high - low) / 2))


def test_the_test_counts_every_division_of_unpaired_runs() -> None:
    a, b = at(3, 5, -9, 8, -9), at(2, 5, 6, 4, 3)
    runs = a + b
    scores = [score for part in logrank_scores(a, b) for score in part]

    def t(chosen: tuple[int, ...]) -> float:
        own, rest = [scores[i] for i in chosen], [scores[i] for i in range(len(runs)) if i not in chosen]
        return float(abs(np.mean(own) - np.mean(rest)) / math.hypot(stats.sem(own), stats.sem(rest)))

    ways = [t(chosen) for chosen in combinations(range(len(runs)), len(a))]
    found = verdict(a, b, in_pairs=False)
    assert found.p == pytest.approx(np.mean(np.array(ways) >= t(tuple(range(len(a)))) * (1 - 1e-9)))
    assert (found.in_pairs, found.n, found.exact) == (False, 5, True)


def test_words() -> None:
    slow, quick = at(8, 9, 7, 9, 8, -12, 9), at(3, 4, 2, 5, 3, 4, 3)
    assert (verdict(slow, quick).word, verdict(quick, slow).word) == ("better", "worse")
    assert verdict(slow[:5], quick[:5]).word == "inconclusive", "below six seeds there is no claim"
    assert "5 pairs cannot decide" in verdict(slow[:5], quick[:5]).why
    assert verdict(slow, [NEVER] * 7).word == "worse"
    same = verdict(at(-4, -4, -4, -4, -4, -4), [NEVER] * 6)
    assert (same.word, same.p, same.difference, same.half) == ("inconclusive", 1.0, 0.0, 0.0), "all censored"
    equal = verdict(at(*[3] * 6), at(*[3] * 6))
    assert (equal.word, equal.p, equal.effect) == ("inconclusive", 1.0, None), "no spread and no difference"
    two = verdict(at(3, 4), at(5, 6))
    assert (two.n, two.difference, two.word) == (2, 2.0, "inconclusive")


def test_a_test_and_means_that_point_opposite_ways_make_no_claim() -> None:
    """b arrives earlier for every seed but one, for which it needs far longer."""
    a, b = at(*range(20, 35)), at(*range(1, 15), 5000)
    found = verdict(a, b)
    assert found.difference is not None
    assert found.difference > 0
    assert found.p is not None
    assert found.p <= 0.05
    assert (found.word, found.why) == ("inconclusive", "the test and the means point opposite ways")


def test_equivalent_within_a_margin() -> None:
    a, b = at(10, 11, 12, 13, 12, 11), at(10, 12, 12, 12, 12, 11)
    units = [list(range(6))] * 2
    times = Times.of([a, b], units)  # type: ignore[arg-type]
    outcomes = [dict(level) for level in times.outcomes]
    found = judge(outcomes, 0, higher=False, margin=2.0, scored=times.scored(0))[1]
    assert found is not None
    assert found.word == "equivalent"
    never = Times.of([at(*[-9] * 6), [NEVER] * 6], units)  # type: ignore[arg-type]
    nothing = judge([dict(level) for level in never.outcomes], 0, False, 2.0, scored=never.scored(0))[1]
    assert nothing is not None
    assert (nothing.word, nothing.p_equivalent) == ("inconclusive", None), "of those who never arrive nothing is known"
    low, high = stats.ttest_rel([one.time for one in b], [one.time for one in a]).confidence_interval(0.9)
    assert max(abs(low), abs(high)) < 2.0
