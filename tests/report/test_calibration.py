"""Calibration: known spreads give known smallest differences, and the verdict on equals is wrong in 5 % at most."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nnexp.errors import InputError
from nnexp.report import calibration
from nnexp.report.calibration import Calibration, Sampling, Spread, calibrate, sought, table
from nnexp.report.statistics import detectable_difference
from nnexp.report.verdict import judge


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer comparisons: quicker, and less exact."""
    monkeypatch.setattr(calibration, "COMPARISONS", {True: 200, False: 20})


def scores(n: int, seed: int = 0, shared: float = 1.0, own: float = 1.0) -> tuple[list[Any], list[Any]]:
    """Of n pairs of twins with these standard deviations of what they share and what they do not."""
    rng = np.random.default_rng(seed)
    common = shared * rng.normal(size=n)
    return list(common + own * rng.normal(size=n)), list(common + own * rng.normal(size=n))


# -- the closed form -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_pairs", [True, False])
@pytest.mark.parametrize("n", [6, 10, 30])
def test_a_detectable_difference_has_the_power(n: int, in_pairs: bool) -> None:
    """By scipy's noncentral t, and by trying it."""
    difference = detectable_difference(n, 2.0, in_pairs=in_pairs)
    freedom, error = (n - 1, 2 / math.sqrt(n)) if in_pairs else (2 * n - 2, 2 * math.sqrt(2 / n))
    critical = stats.t.ppf(0.975, freedom)
    power = stats.nct.sf(critical, freedom, difference / error) + stats.nct.cdf(-critical, freedom, difference / error)
    assert power == pytest.approx(0.8, abs=1e-6)
    rng = np.random.default_rng(n)
    a, b = difference + 2 * rng.normal(size=(4000, n)), 2 * rng.normal(size=(4000, n))
    test = stats.ttest_1samp(a, 0, axis=1) if in_pairs else stats.ttest_ind(a, b, axis=1)
    assert np.mean(test.pvalue <= 0.05) == pytest.approx(0.8, abs=0.02)


def test_a_known_spread_gives_known_differences() -> None:
    """Pairs of normal scores: those of the t test, but for six, where all six must agree."""
    found = calibrate(*scores(400), higher=True)
    assert found.std_pairs == pytest.approx(math.sqrt(2), rel=0.08)
    assert found.std == pytest.approx(math.sqrt(2), rel=0.08)
    for n in (10, 20, 30):
        for in_pairs, std in ((True, found.std_pairs), (False, found.std)):
            reach = found.of(n, in_pairs)
            assert reach.by_t == detectable_difference(n, std, in_pairs=in_pairs)
            assert reach.smallest == pytest.approx(reach.by_t, rel=0.06)
    all_agree = stats.norm.ppf(0.8 ** (1 / 6)) * found.std_pairs
    assert all_agree > 1.2 * found.of(6, True).by_t
    assert found.of(6, True).smallest == pytest.approx(all_agree, rel=0.06)


def test_the_smallest_difference_is_found_in_four_of_five(few: None) -> None:
    """New pairs from the same source, judged by the verdict itself."""
    smallest = calibrate(*scores(200, own=0.01), higher=True).of(10, True).smallest
    assert smallest is not None
    found = 0
    for seed in range(300):
        a, b = scores(10, 1000 + seed, own=0.01)
        verdict = judge([dict(enumerate(b)), {i: x + smallest for i, x in enumerate(a)}], 0, higher=True)[1]
        found += verdict is not None and verdict.word == "better"
    assert found / 300 == pytest.approx(0.8, abs=0.08)


def test_intervals_hold_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """95 of 100, of the spreads and of what is shared."""
    held = np.zeros(3)
    for seed in range(400):
        spread = Spread.of(list(zip(*scores(20, seed, shared=math.sqrt(3)), strict=True)))
        truth = ((spread.std_pairs, spread.n, math.sqrt(2)), (spread.std, spread.freedom, 2.0))
        for i, (std, freedom, true) in enumerate(truth):
            low, high = calibration._ratios(freedom)
            held[i] += std * low <= true <= std * high
        assert spread.share is not None
        _, low, high = spread.share
        held[2] += low <= 0.75 <= high
    assert held / 400 == pytest.approx(np.full(3, 0.95), abs=0.03)


def test_the_spread_is_an_analysis_of_variance() -> None:
    a, b = scores(12)
    spread = Spread.of(list(zip(a, b, strict=True)))
    middle = (np.array(a) + b) / 2
    assert spread.between == pytest.approx(2 * middle.var(ddof=1))
    assert spread.within == pytest.approx(np.mean((np.array(a) - b) ** 2) / 2)
    assert spread.std**2 == pytest.approx(spread.within + (spread.between - spread.within) / 2)


# -- the verdict against itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["normal", "rounded", "heavy", "failing"])
def test_equals_get_a_claim_in_one_of_twenty_at_most(few: None, kind: str) -> None:
    false, of = np.zeros(2), np.zeros(2)
    for seed in range(8):
        a, b = scores(24, seed)
        rng = np.random.default_rng(100 + seed)
        if kind == "rounded":
            a, b = ([round(x, 0) for x in one] for one in (a, b))
        if kind == "heavy":
            a, b = (list(rng.standard_t(3, size=24)) for _ in range(2))
        if kind == "failing":
            a, b = ([None if rng.random() < 0.15 else x for x in one] for one in (a, b))
        trial = calibration._Trial(list(zip(a, b, strict=True)), True)
        for i, in_pairs in enumerate((True, False)):
            errors = trial.errors(10, in_pairs)
            assert errors is not None
            false[i] += errors.false
            of[i] += errors.of
    assert of.tolist() == [1600, 160]
    allowed = 0.05 + 2.3 * np.sqrt(0.05 * 0.95 / of)
    assert (false / of <= allowed).all(), false / of
    if kind == "normal":
        assert false[0] / of[0] > 0.025, "a test that never claims anything would be right, too"


def test_the_second_runs_against_the_first(few: None) -> None:
    a, b = scores(12)
    assert calibrate(a, b, True).itself == judge([dict(enumerate(a)), dict(enumerate(b))], 0, True)[1]
    shifted = [x + 5 for x in a]
    assert calibrate(a, shifted, False).itself.word == "worse"


def test_too_few_runs_for_an_unpaired_comparison(few: None) -> None:
    assert [one.in_pairs for one in calibrate(*scores(12), higher=True, n=10).errors] == [True]
    assert [one.in_pairs for one in calibrate(*scores(12), higher=True, n=6).errors] == [True, False]


# -- what is unusual -----------------------------------------------------------------------------------------------


def test_failed_runs_make_differences_harder_to_find(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = scores(20, own=0.1)
    plain = calibrate(a, b, True)
    monkeypatch.setattr(calibration, "COUNTS", (10,))
    a[3] = a[7] = b[11] = b[12] = None
    found = calibrate(a, b, True)
    assert (found.seeds, found.succeeded, found.failed) == (20, 16, 4)
    one, other = plain.of(10, True).smallest, found.of(10, True).smallest
    assert one is not None
    assert other is None or other > 1.3 * one
    assert "4 of 40 runs diverged or failed" in str(table(found, None, "m", "d", ()))


def test_runs_that_fail_too_often(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "COUNTS", (6,))
    a, b = scores(20)
    for i in range(12):
        (a if i % 2 else b)[i] = None
    found = calibrate(a, b, True)
    assert found.of(6, True).smallest is None
    assert "- to" not in (text := str(table(found, None, "m", "d", ()))), text
    a[12] = a[13] = a[14] = None
    with pytest.raises(InputError, match="only 5 of the 20 seeds have a score in both of their runs"):
        calibrate(a, b, True)


def test_nothing_varies(few: None) -> None:
    found = calibrate([0.1] * 10, [0.1] * 10, True)
    assert (found.std, found.std_pairs, found.share) == (0.0, 0.0, None)
    assert {one.smallest for one in found.reach} == {0.0}
    assert "the same in all runs: chance does not change it" in str(table(found, None, "m", "d", ()))


def test_twins_are_the_same(few: None) -> None:
    a, _ = scores(20)
    found = calibrate(a, a, True)
    assert (found.std_pairs, found.share) == (0.0, 1.0)
    assert found.of(10, True).smallest == 0.0
    assert found.of(10, False).smallest > 0.5  # type: ignore[operator]
    assert "in pairs any difference is one" in str(table(found, None, "m", "d", ()))


def test_small_scores_are_better(few: None) -> None:
    a, b = scores(20)
    up, down = calibrate(a, b, True), calibrate([-x for x in a], [-x for x in b], False)
    assert [one.smallest for one in up.reach] == [one.smallest for one in down.reach]


@pytest.mark.parametrize("true", [0.3, 1.0, 4.0])
def test_a_power_is_sought(true: float) -> None:
    found = sought(lambda size: 1 - 0.2 ** (size / true), 1.0, of=1000)
    assert found == pytest.approx(true, rel=0.06)
    assert sought(lambda size: 0.5, 1.0, of=1000) is None


# -- the table -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known() -> Calibration:
    return calibrate(*scores(12), higher=True)


def test_the_table_has_the_numbers(known: Calibration) -> None:
    grid = table(known, Sampling("validation", 100, 0.03, "binomial", 400, 0.015), "validation_accuracy", "iris", ())
    assert [row["n"] for row in grid.rows] == [6, 10, 20, 30]
    assert [row["pairs"] for row in grid.rows] == [known.of(n, True).smallest for n in (6, 10, 20, 30)]
    assert grid.meta["errors"][0]["false"] == known.errors[0].false
    text = str(grid)
    assert f"{known.errors[0].false} of 1,000 comparisons of 10 pairs" in text
    assert "a score on 100 validation examples has a standard error of 0.030 (binomial)" in text
    assert "on 400 test examples 0.015 (not looked at)" in text
    share, low, high = (f"{100 * x:.0f}" for x in (known.share, known.share_low, known.share_high))  # type: ignore[operator]
    assert f"data and split bring {share} % of the variance ({low} to {high} %)" in text


def test_a_split_that_is_held(known: Calibration) -> None:
    text = str(table(known, None, "m", "d", ["split"]))
    assert "all runs are judged on one split (streams.split)" in text
    assert "of the variance" not in text
    assert "the sampling error of the examples is not known" in text


def test_a_claim_that_is_wrong(known: Calibration) -> None:
    wrong = replace(known, itself=replace(known.itself, word="better"))
    assert "'better', which is wrong, as it is in 5 of 100 calibrations" in str(table(wrong, None, "m", "d", ()))
