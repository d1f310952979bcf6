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
from nnexp.store.calibrations import APART, SPLIT, START


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer comparisons: quicker, and less exact."""
    monkeypatch.setattr(calibration, "COMPARISONS", {START: 100, SPLIT: 200, APART: 20})


def scores(n: int, seed: int = 0, shared: float = 1.0, own: float = 1.0, start: float = 0.0) -> tuple[list[Any], ...]:
    """Of n seeds the first, the near and the far run, with standard deviations of what they share and do not.

    The near ones also share what has the standard deviation `start`.
    """
    rng = np.random.default_rng(seed)
    common, begun = shared * rng.normal(size=n), start * rng.normal(size=n)
    first, near = (common + begun + own * rng.normal(size=n) for _ in range(2))
    far = common + start * rng.normal(size=n) + own * rng.normal(size=n)
    return list(first), list(near), list(far)


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
    """Of normal scores: those of the t test, but for six pairs, where all six must agree."""
    found = calibrate(*scores(400, start=1.0), higher=True)
    assert found.std_start == pytest.approx(math.sqrt(2), rel=0.08)
    assert found.std_split == pytest.approx(2.0, rel=0.08)
    assert found.std == pytest.approx(math.sqrt(3), rel=0.08)
    assert found.start is not None
    assert found.split is not None
    assert (found.start[0], found.split[0]) == pytest.approx((2 / 3, 1 / 3), abs=0.08)
    for kind, std in ((START, found.std_start), (SPLIT, found.std_split), (APART, found.std)):
        for n in (10, 20, 30):
            reach = found.of(n, kind)
            assert reach.by_t == detectable_difference(n, std, in_pairs=kind != APART)
            assert reach.smallest == pytest.approx(reach.by_t, rel=0.06)
    for kind, std in ((START, found.std_start), (SPLIT, found.std_split)):
        all_agree = stats.norm.ppf(0.8 ** (1 / 6)) * std
        assert all_agree > 1.2 * found.of(6, kind).by_t
        assert found.of(6, kind).smallest == pytest.approx(all_agree, rel=0.06)


def test_the_smallest_difference_is_found_in_four_of_five(few: None) -> None:
    """New pairs from the same source, judged by the verdict itself."""
    smallest = calibrate(*scores(200, own=0.01), higher=True).of(10, SPLIT).smallest
    assert smallest is not None
    found = 0
    for seed in range(300):
        a, b, _ = scores(10, 1000 + seed, own=0.01)
        verdict = judge([dict(enumerate(b)), {i: x + smallest for i, x in enumerate(a)}], 0, higher=True)[1]
        found += verdict is not None and verdict.word == "better"
    assert found / 300 == pytest.approx(0.8, abs=0.08)


def test_intervals_hold_the_truth() -> None:
    """95 of 100, of the spreads and of what is shared."""
    held = np.zeros(3)
    for seed in range(400):
        a, b, _ = scores(20, seed, shared=math.sqrt(3))
        spread = Spread.of(list(zip(a, b, strict=True)))
        truth = ((spread.std_pairs, spread.n, math.sqrt(2)), (spread.std, spread.freedom, 2.0))
        for i, (std, freedom, true) in enumerate(truth):
            low, high = calibration._ratios(freedom)
            held[i] += std * low <= true <= std * high
        assert spread.share is not None
        _, low, high = spread.share
        held[2] += low <= 0.75 <= high
    assert held / 400 == pytest.approx(np.full(3, 0.95), abs=0.03)


def test_the_spread_is_an_analysis_of_variance() -> None:
    a, b, _ = scores(12)
    spread = Spread.of(list(zip(a, b, strict=True)))
    middle = (np.array(a) + b) / 2
    assert spread.between == pytest.approx(2 * middle.var(ddof=1))
    assert spread.within == pytest.approx(np.mean((np.array(a) - b) ** 2) / 2)
    assert spread.std**2 == pytest.approx(spread.within + (spread.between - spread.within) / 2)


# -- the verdict against itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["normal", "rounded", "heavy", "failing"])
def test_equals_get_a_claim_in_one_of_twenty_at_most(few: None, shape: str) -> None:
    false, of = np.zeros(2), np.zeros(2)
    for seed in range(8):
        a, b, _ = scores(24, seed)
        rng = np.random.default_rng(100 + seed)
        if shape == "rounded":
            a, b = ([round(x, 0) for x in one] for one in (a, b))
        if shape == "heavy":
            a, b = (list(rng.standard_t(3, size=24)) for _ in range(2))
        if shape == "failing":
            a, b = ([None if rng.random() < 0.15 else x for x in one] for one in (a, b))
        for i, kind in enumerate((SPLIT, APART)):
            errors = calibration._Trial(list(zip(a, b, strict=True)), kind, True).errors(10)
            assert errors is not None
            false[i] += errors.false
            of[i] += errors.of
    assert of.tolist() == [1600, 160]
    allowed = 0.05 + 2.3 * np.sqrt(0.05 * 0.95 / of)
    assert (false / of <= allowed).all(), false / of
    if shape == "normal":
        assert false[0] / of[0] > 0.025, "a test that never claims anything would be right, too"


def test_all_runs_against_the_first(few: None) -> None:
    a, b, c = scores(12)
    levels = [dict(enumerate(one)) for one in (a, b, c)]
    assert calibrate(a, b, c, True).itself == judge(levels, 0, True)[1:]
    assert [one.word for one in calibrate(a, [x + 5 for x in a], b, False).itself] == ["worse", "inconclusive"]


def test_too_few_runs_for_an_unpaired_comparison(few: None) -> None:
    assert [one.kind for one in calibrate(*scores(12), higher=True, n=10).errors] == [START, SPLIT]
    assert [one.kind for one in calibrate(*scores(12), higher=True, n=6).errors] == [START, SPLIT, APART]


# -- what is unusual -----------------------------------------------------------------------------------------------


def test_failed_runs_make_differences_harder_to_find(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, c = scores(20, own=0.1)
    plain = calibrate(a, b, c, True)
    monkeypatch.setattr(calibration, "COUNTS", (10,))
    a[3] = a[7] = b[11] = c[11] = c[12] = None
    found = calibrate(a, b, c, True)
    assert (found.seeds, found.succeeded, found.failed) == (20, 16, 5)
    one, other = plain.of(10, SPLIT).smallest, found.of(10, SPLIT).smallest
    assert one is not None
    assert other is None or other > 1.3 * one
    assert "5 of 60 runs diverged or failed" in str(table(found, None, "m", "d", ()))


def test_runs_that_fail_too_often(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "COUNTS", (6,))
    a, b, c = scores(20)
    for i in range(12):
        (a if i % 2 else c)[i] = None
    found = calibrate(a, b, c, True, n=6)
    assert found.of(6, SPLIT).smallest is None
    text = str(table(found, None, "m", "d", ()))
    assert "none where levels share the split only, for 12 of 60 runs failed" in text
    a[12] = b[13] = c[14] = None
    with pytest.raises(InputError, match="only 5 of the 20 seeds have a score in all of their runs"):
        calibrate(a, b, c, True)


def test_nothing_varies(few: None) -> None:
    found = calibrate([0.1] * 10, [0.1] * 10, [0.1] * 10, True)
    assert (found.std, found.std_start, found.std_split, found.split) == (0.0, 0.0, 0.0, None)
    assert {one.smallest for one in found.reach} == {0.0}
    assert "the same in all runs: chance does not change it" in str(table(found, None, "m", "d", ()))


def test_the_split_decides_all(few: None) -> None:
    a, _, _ = scores(20)
    found = calibrate(a, a, a, True)
    assert (found.std_split, found.split) == (0.0, (1.0, 1.0, 1.0))
    assert found.of(10, SPLIT).smallest == 0.0
    assert found.of(10, APART).smallest > 0.5  # type: ignore[operator]
    assert "any where levels share the split only, for such runs have the same score" in str(
        table(found, None, "m", "d", ())
    )


def test_small_scores_are_better(few: None) -> None:
    given = scores(20)
    up, down = calibrate(*given, True), calibrate(*([-x for x in one] for one in given), False)
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
    counts = (6, 10, 20, 30)
    assert [row["n"] for row in grid.rows] == list(counts)
    for kind in (START, SPLIT, APART):
        assert [row[kind] for row in grid.rows] == [known.of(n, kind).smallest for n in counts]
    assert grid.meta["errors"][1]["false"] == known.errors[1].false
    text = str(grid)
    assert f"{known.errors[1].false} of 1,000 (same split; " in text
    assert "a score on 100 validation examples has a standard error of 0.030 (binomial)" in text
    assert "on 400 test examples 0.015 (not looked at)" in text
    assert known.split is not None
    share, low, high = (f"{100 * part:.0f}" for part in known.split)
    assert f"data and split bring {share} % ({low} to {high} %)" in text


def test_nothing_was_wrong(known: Calibration) -> None:
    text = str(table(known, Sampling("validation", 150, 0.0, "binomial", 400, 0.0), "validation_accuracy", "iris", ()))
    assert "a standard error of 0.0000 (binomial): none was wrong, and up to 2 % may be all the same" in text


def test_a_split_that_is_held(known: Calibration) -> None:
    text = str(table(known, None, "m", "d", ["split"]))
    assert "all runs are judged on one split (streams.split)" in text
    assert "of the variance" not in text
    assert "the sampling error of the examples is not known" in text


def test_a_claim_that_is_wrong(known: Calibration) -> None:
    wrong = replace(known, itself=[replace(known.itself[0], word="better"), known.itself[1]])
    text = str(table(wrong, None, "m", "d", ()))
    assert text.count("'better', which is wrong, as one of the two is in 5 of 100 calibrations") == 1
    assert text.count("undecided, as it should be") == 1
