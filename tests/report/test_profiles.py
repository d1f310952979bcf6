"""Interquartile means and performance profiles: scipy's trimmed mean, counting, and how often intervals hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nnexp.report.profiles import interquartile_mean, on_one_scale, profile

UNIT = st.floats(0, 1, allow_nan=False).map(lambda v: round(v, 6))


@given(
    st.tuples(st.integers(1, 5), st.sampled_from([4, 8])).flatmap(
        lambda shape: st.lists(
            st.lists(UNIT, min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
        )
    )
)
@settings(max_examples=15, deadline=None)
def test_it_is_the_trimmed_mean(tasks: list[list[float]]) -> None:
    found = interquartile_mean(tasks)
    assert found.value == pytest.approx(stats.trim_mean(np.ravel(tasks), 0.25), abs=1e-9)
    assert found.low <= found.high


def test_a_run_that_the_cut_goes_through_counts_in_part() -> None:
    # of six runs the middle half is the inner two and half of one at each side
    assert interquartile_mean([[0.0, 0.1, 0.4, 0.6, 0.8, 1.0]]).value == pytest.approx((0.05 + 0.4 + 0.6 + 0.4) / 3)


def test_a_task_with_more_runs_weighs_no_more() -> None:
    few, many = [0.0, 0.2, 0.4, 0.6], [0.5, 0.7, 0.8, 1.0]
    assert interquartile_mean([few, many * 3]).value == pytest.approx(interquartile_mean([few, many]).value)
    assert profile([few, many * 3]).shares == pytest.approx(profile([few, many]).shares)


@given(st.lists(st.lists(UNIT, min_size=1, max_size=6), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_a_profile_counts_runs(tasks: list[list[float]]) -> None:
    found = profile(tasks)
    for place in (0, 25, 50, 99, 100):
        tau = found.taus[place]
        wanted = np.mean([np.mean([v > tau for v in runs]) for runs in tasks])
        assert found.shares[place] == pytest.approx(wanted, abs=1e-9)
        assert -1e-9 <= found.low[place] <= found.high[place] <= 1 + 1e-9
    assert all(a >= b for a, b in zip(found.shares, found.shares[1:], strict=False))
    assert found.shares[-1] == 0.0


def test_the_bands_of_one_run_a_task_have_no_width() -> None:
    found = profile([[0.2], [0.9]])
    assert found.low == found.high == pytest.approx(found.shares)


def test_one_scale() -> None:
    assert on_one_scale([[10.0, 20.0], [30.0]], higher=False) == [[1.0, 0.5], [0.0]]
    assert on_one_scale([[0.3], [0.3, None]], higher=True) == [[1.0], [1.0, 0.0]], "all the same, but for a failure"
    assert on_one_scale([[None], [None]], higher=True) == [[0.0], [0.0]]
    assert on_one_scale([[1.7e308], [-1.7e308, 0.0]], higher=True) == [[1.0], [0.0, 0.5]]


def test_how_often_the_interval_holds() -> None:
    """Uniform scores: the interquartile mean of the population is 1/2. The bootstrap is a little too narrow."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(150):
        found = interquartile_mean(rng.random((6, 10)).tolist())
        held += found.low <= 0.5 <= found.high
    assert 0.86 <= held / 150 <= 0.99
