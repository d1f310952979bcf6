"""Claims: the rules against numbers worked out by hand and scipy, and what failures do to them."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
from scipy import stats

from nnexp.report.claims import All, Diff, Exact, Ratio, Single, rules
from nnexp.report.judgement import Judged, Measure, Reading, Readings, Word, together
from nnexp.report.verdict import FEWEST

ACCURACY = Measure("accuracy", higher=True, chance=0.1)
LOSS = Measure("loss", higher=False)
STEPS = Measure("steps", higher=False)
A, B = {"side": "a"}, {"side": "b"}


def side(values: Sequence[float | str | None], first: int = 0) -> Readings:
    """A run a seed: a number, `None` for one that failed, text for a state, `50+` for one that was capped there."""
    found = {}
    for seed, value in enumerate(values, first):
        if value is None or value == "missing":
            reading = Reading(None, "failed" if value is None else "missing")
        elif isinstance(value, str):
            reading = Reading(float(value.rstrip("+")), "capped")
        else:
            reading = Reading(float(value), "measured")
        found[seed, "data"] = [reading]
    return found


def diff(by: float, a: Sequence[Any], b: Sequence[Any], measure: Measure = ACCURACY) -> Judged:
    return Diff(better=A, than=B, by=by).judge([side(a), side(b)], measure)


def ratio(above: float, a: Sequence[Any], b: Sequence[Any], measure: Measure = STEPS) -> Judged:
    return Ratio(ratio=A, to=B, above=above).judge([side(a), side(b)], measure)


def exact(a: Sequence[Any], **bound: Any) -> Judged:
    return Exact(exact=A, **bound).judge([side(a)], ACCURACY)


# -- the interval ----------------------------------------------------------------------------------


def test_a_difference_by_hand() -> None:
    """Differences 1, 2, 3, 4, 5, 6: mean 3.5, s = √3.5, half = 2.5706 √3.5 / √6 = 1.9633."""
    found = diff(1.5, [1, 2, 3, 4, 5, 6], [0] * 6)
    assert (found.estimate, found.n, found.word) == (3.5, 6, "supported")
    assert found.low == pytest.approx(3.5 - 1.9633, abs=1e-4)
    assert found.high == pytest.approx(3.5 + 1.9633, abs=1e-4)
    assert diff(1.54, [1, 2, 3, 4, 5, 6], [0] * 6).word == "inconclusive"
    assert diff(5.46, [1, 2, 3, 4, 5, 6], [0] * 6).word == "inconclusive"
    assert diff(5.47, [1, 2, 3, 4, 5, 6], [0] * 6).word == "refuted"


@pytest.mark.parametrize("n", [6, 7, 20])
def test_intervals_are_scipys(n: int) -> None:
    rng = random.Random(n)
    a, b = ([rng.gauss(10, 1) for _ in range(n)] for _ in range(2))
    found, theirs = diff(0, a, b), stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(tuple(theirs), rel=1e-9)
    theirs = stats.ttest_rel([math.log(x) for x in a], [math.log(x) for x in b]).confidence_interval(0.95)
    found = ratio(1, a, b)
    assert (found.low, found.high) == pytest.approx(tuple(map(math.exp, theirs)), rel=1e-9)
    other = Diff(better=A, than=B).judge([side(a), side(b, first=100)], ACCURACY)
    theirs = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert not other.in_pairs
    assert (other.low, other.high) == pytest.approx(tuple(theirs), rel=1e-9)


def test_less_is_better_where_the_metric_says_so() -> None:
    high, low = [0.5, 0.6, 0.5, 0.6, 0.5, 0.6], [0.2, 0.1, 0.2, 0.1, 0.2, 0.2]
    assert diff(0.1, high, low).word == "supported"
    assert diff(0.1, high, low, LOSS).word == "refuted"
    found = diff(0.1, low, high, LOSS)
    assert found.word == "supported"
    assert found.estimate == pytest.approx(0.55 - 1 / 6)


def test_an_effect_too_small_to_matter_refutes() -> None:
    small = diff(0.05, [0.91, 0.92, 0.91, 0.92, 0.91, 0.92], [0.9] * 6)
    assert small.word == "refuted"
    assert small.low is not None
    assert small.low > 0


def test_not_worse_by_more() -> None:
    assert diff(-0.02, [0.89, 0.9, 0.89, 0.9, 0.89, 0.9], [0.9] * 6).word == "supported"
    assert diff(-0.02, [0.8, 0.81, 0.8, 0.81, 0.8, 0.81], [0.9] * 6).word == "refuted"


def test_ratios_are_geometric_means() -> None:
    found = ratio(3, [2, 8] * 3, [1] * 6)
    assert found.estimate == pytest.approx(4)
    assert found.low is not None
    assert found.high is not None
    assert found.low * found.high == pytest.approx(16)
    assert found.word == "inconclusive"


@pytest.mark.parametrize("bad", [0, -1])
def test_a_ratio_of_what_has_none(bad: float) -> None:
    found = ratio(1, [1, 2, 3, 4, 5, bad], [1] * 6)
    assert (found.word, found.estimate) == ("inconclusive", None)
    assert "a ratio needs values above 0" in found.why


@pytest.mark.parametrize("n", [6, 15])
def test_how_often_it_is_wrong(n: int) -> None:
    """With an effect of just the bar either word is wrong, and each comes in 2.5 % of the sweeps."""
    rng, sweeps = random.Random(n), 3000
    words = [diff(0.1, [rng.gauss(0.1, 1) for _ in range(n)], [0.0] * n).word for _ in range(sweeps)]
    for word in ("supported", "refuted"):
        assert stats.binomtest(words.count(word), sweeps, 0.025).pvalue > 0.001


# -- edges -----------------------------------------------------------------------------------------


def test_without_variance_the_interval_is_a_point() -> None:
    found = diff(0.1, [0.5] * 6, [0.3] * 6)
    assert (found.low, found.high, found.word) == (pytest.approx(0.2), pytest.approx(0.2), "supported")
    assert diff(0, [0.5] * 6, [0.5] * 6).word == "refuted"
    assert diff(0.01, [0.97] * 6, [0.96] * 6).word == "refuted"  # 0.97 - 0.96 is a bit more than 0.01 in floats
    assert ratio(2, [6] * 6, [3] * 6).word == "refuted"


@pytest.mark.parametrize("n", range(1, FEWEST))
def test_few_seeds_decide_nothing(n: int) -> None:
    found = diff(0, [0.9] * n, [0.1] * n)
    assert (found.word, found.n) == ("inconclusive", n)
    assert found.why == f"{n} seed{'s' if n > 1 else ''} cannot decide; from 6 on there is a verdict"
    assert found.estimate == pytest.approx(0.8)
    assert (found.low is None) == (n == 1)


def test_nothing_at_all() -> None:
    assert diff(0, [], []).why == "there are no runs"
    assert exact([], value=1.0).why == "there are no runs"
    assert diff(0, [None] * 6, [None] * 6, LOSS).why == "no run has a loss"


def test_runs_that_are_not_there() -> None:
    found = diff(0, [0.9] * 9 + ["missing"], [0.1] * 10)
    assert (found.word, found.why) == ("inconclusive", "1 of 20 planned runs are not there")
    assert exact([0.5, "missing"], value=0.1).word == "inconclusive"


def test_several_levels_of_a_side_are_one_value_a_seed() -> None:
    """Two levels with 1 and 3 count as one with 2: n is the number of seeds."""
    a = {seed: [Reading(1.0 + seed, "measured"), Reading(3.0 + seed, "measured")] for seed in range(6)}
    b = {seed: [Reading(1.0, "measured")] for seed in range(6)}
    found = Diff(better=A, than=B).judge([a, b], ACCURACY)
    assert (found.n, found.runs, found.estimate) == (6, 18, pytest.approx(3.5))


# -- runs that failed, and runs that never arrived -----------------------------------------------------


def test_a_failed_run_guesses() -> None:
    """Nine pairs of +0.02 and one of 0.1 - 0.9: the mean is (9 · 0.02 - 0.8) / 10."""
    found = diff(0, [0.92] * 9 + [None], [0.9] * 10)
    assert (found.failed, found.runs, found.n) == (1, 20, 10)
    assert found.estimate == pytest.approx((9 * 0.02 - 0.8) / 10)
    assert found.word == "inconclusive"
    assert diff(0.5, [0.9] * 6, [None] * 6).word == "supported"
    assert diff(0, [None] * 6, [None] * 6, ACCURACY).word == "inconclusive"


def test_where_no_guess_has_a_score_kindness_must_not_decide() -> None:
    """A diverged loss counts as the worst that was seen: what would be said in its favour is withheld."""
    learned, bad = [0.1, 0.11] * 3, [1.0, 1.1] * 3
    found = diff(0.2, [*learned[:5], None], bad, LOSS)  # in the last pair 1.1 for both
    assert found.estimate == pytest.approx((0.9 * 3 + 0.99 * 2 + 0) / 6)
    assert found.low is not None
    assert found.low > 0.2
    assert found.word == "inconclusive"
    assert found.why.startswith("as the numbers stand it is supported, but runs that failed")
    assert diff(0.2, learned, [*bad[:5], None], LOSS).word == "supported"
    assert diff(0.2, [*bad[:5], None], learned, LOSS).word == "refuted"
    found = diff(0.2, bad, [*learned[:5], None], LOSS)
    assert found.word == "inconclusive"
    assert found.why.startswith("as the numbers stand it is refuted")


def test_capped_runs_bound_a_ratio() -> None:
    """Whoever never arrived needs at least the cap: enough to support `more than`, not to refute it."""
    fast = [10, 11, 12, 10, 11, 12]
    assert ratio(4, ["50+"] * 6, fast).word == "supported"
    found = ratio(6, ["50+"] * 6, fast)
    assert (found.word, found.capped) == ("inconclusive", 6)
    assert "as the numbers stand it is refuted" in found.why
    assert ratio(0.5, fast, ["50+"] * 6).word == "refuted"
    found = ratio(0.1, fast, ["50+"] * 6)
    assert found.word == "inconclusive"
    assert "as the numbers stand it is supported" in found.why
    faster = diff(5, fast, ["50+"] * 6, STEPS)
    assert faster.word == "supported"


def test_a_failed_run_needs_at_least_the_most_steps() -> None:
    assert ratio(3, [50, None, 51, 52, 50, 51], [10, 11, 12, 10, 11, 12]).word == "supported"
    assert ratio(3, [10, 11, 12, 10, 11, 12], [50, None, 51, 52, 50, 51]).word == "refuted"


# -- exact -----------------------------------------------------------------------------------------


def test_exact() -> None:
    assert exact([0.1, 0.1], value=0.1).word == "supported"
    assert exact([0.1, 0.1 + 1e-9], value=0.1).word == "refuted"
    found = exact([0.1, 0.1 + 1e-9], value=0.1, tolerance=1e-8)
    assert (found.word, found.n, found.estimate) == ("supported", 2, pytest.approx(1e-9))
    assert exact([0.2, 0.25], at_most=0.25).word == "supported"
    assert exact([0.2, 0.26], at_most=0.25).word == "refuted"
    assert exact([0.0, 0.01], at_most=0.0).estimate == 0.01
    found = exact([0.9, 0.8, 0.7], at_least=0.8)
    assert (found.word, found.why, found.estimate) == ("refuted", "1 of 3 deviate", pytest.approx(0.1))


def test_a_run_without_a_number_deviates() -> None:
    assert exact([0.1, None], value=0.1).word == "refuted"
    assert exact([None], at_most=0.25).estimate is None


def test_exactly_another_level() -> None:
    rule = Exact(exact=A, same_as=B)
    assert rule.judge([side([1, 2, 3]), side([1, 2, 3])], ACCURACY).word == "supported"
    assert rule.judge([side([1, 2, 3]), side([1, 3, 2])], ACCURACY).estimate == 1
    assert rule.judge([side([1, 2]), side([1, 2], first=9)], ACCURACY).why == "no two runs have the same seed and data"


@pytest.mark.parametrize("bounds", [{}, {"value": 1.0, "at_most": 2.0}])
def test_exact_says_one_thing(bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="say what is exact: one of value, same_as, at_least, at_most"):
        Exact(exact=A, **bounds)


# -- all -------------------------------------------------------------------------------------------

WORDS: tuple[Word, ...] = ("supported", "refuted", "inconclusive")


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_together_exhaustively(n: int) -> None:
    """By counting, as the rule is written: all, all, some and some, otherwise."""
    for words in itertools.product(WORDS, repeat=n):
        supported, refuted = words.count("supported"), words.count("refuted")
        wanted = "inconclusive"
        if supported == n:
            wanted = "supported"
        elif refuted == n:
            wanted = "refuted"
        elif supported > 0 and refuted > 0:
            wanted = "mixed"
        assert together(words) == wanted, words


def test_all_of_several() -> None:
    both = All(all=(Diff(better=A, than=B), Exact(exact=A, value=1.0)))
    parts = [diff(0, [0.9] * 6, [0.1] * 6), exact([0.5], value=1.0)]
    found = both.judge(parts)
    assert (found.word, found.n, found.parts) == ("mixed", 1, tuple(parts))
    assert len(found.sentences()) == 2
    assert [part["word"] for part in found.plain()["parts"]] == ["supported", "refuted"]


# -- what it says ----------------------------------------------------------------------------------


def test_sentences() -> None:
    found = diff(0.1, [1, 2, 3, 4, 5, 6], [0] * 6)
    assert found.sentences() == [
        "supported: side a is better than side b by more than 0.1 in accuracy; difference +3.5 [1.5, 5.5], n = 6"
    ]
    capped = ratio(4, ["50+"] * 6, [10.0, 11.0] * 3).sentences()[0]
    assert capped.startswith("supported: side a has more than 4 times the steps of side b; ratio 4.7")
    assert capped.endswith("6 of 12 runs never reached the target")
    assert Ratio(ratio=A, to=B).statement("loss") == "side a has a larger loss than side b"
    assert Diff(better=A, than=B, by=-0.1).statement("r2") == "side a is not worse than side b by 0.1 in r2"


@pytest.mark.parametrize("key", rules())
def test_every_rule_is_known_by_a_field_of_its_own(key: str) -> None:
    cls = rules()[key]
    others = [other for name, other in rules().items() if name != key]
    assert cls.model_fields[key].is_required()
    assert not any(key in other.model_fields for other in others)
    assert cls.__doc__
    assert all(field.description for field in cls.model_fields.values())
    assert issubclass(cls, Single) or cls is All
