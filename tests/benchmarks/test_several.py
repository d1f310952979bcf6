"""benchmarks/several.py, shortened: how often ranks and interactions are wrong, and find what there is."""

from __future__ import annotations

import pytest

from tests.benchmarks.script import imported

several = imported("several")


def test_claims_about_ranks():
    differ, apart = several.ranks(6, 3, 150, 0.0, seed=1)
    assert apart <= differ <= 0.05 + 4 * (0.05 * 0.95 / 150) ** 0.5
    differ, apart = several.ranks(8, 3, 60, 3.0, seed=2)
    assert differ >= apart > 0.8


@pytest.mark.parametrize("in_pairs", [True, False])
def test_claims_about_interactions(in_pairs):
    wrong, held = several.interactions("normal", 8, 2, 2, 200, 0.0, 3, in_pairs)
    assert wrong <= 0.05 + 4 * (0.05 * 0.95 / 200) ** 0.5
    assert held == pytest.approx(0.95, abs=0.06)
    found, held = several.interactions("normal", 8, 2, 2, 100, 3.0, 4, in_pairs)
    assert found > 0.8
    assert held == pytest.approx(0.95, abs=0.09)


def test_few_seeds_make_an_interval_too_narrow():
    assert several.middles("skewed", 3, 120, seed=5) < 0.9
