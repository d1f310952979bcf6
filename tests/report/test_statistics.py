"""Mean, standard deviation and interval, against NumPy, SciPy and what an interval promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nnexp.report.statistics import Summary, summarize


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
