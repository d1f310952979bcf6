"""benchmarks/verdicts.py, shortened: how often the verdict is wrong."""

from __future__ import annotations

import math

import pytest

from tests.benchmarks.script import imported

verdicts = imported("verdicts")
Truth, claims, coverage, measure = verdicts.Truth, verdicts.claims, verdicts.coverage, verdicts.measure


@pytest.mark.parametrize(
    "truth",
    [Truth("normal", 6), Truth("skewed", 10), Truth("normal", 8, levels=6), Truth("normal", 10, failing=0.2)],
    ids=str,
)
def test_claims_without_a_difference_are_rare(truth):
    # the short form of benchmarks/verdicts.py; 0.05 plus four standard errors
    sweeps = 500
    found = measure(truth, sweeps, 0.0, None, seed=7)
    assert claims(found) <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / sweeps)
    if not truth.failing:
        assert coverage(found, 0.0) == pytest.approx(0.95, abs=0.04)


def test_claims_where_there_is_a_difference_are_usual():
    assert claims(measure(Truth("normal", 10), 300, 1.0, None, seed=8)) > 0.7
    assert claims(measure(Truth("normal", 10), 300, 1.0, 1.0, seed=9), ("equivalent",)) <= 0.05 + 4 * 0.0126


def test_the_best_of_many_is_no_fair_baseline():
    # why compare does not take it unasked
    null = measure(Truth("normal", 10, levels=6, against_best=True), 500, 0.0, None, seed=10)
    assert claims(null) > 0.05
