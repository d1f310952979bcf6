"""The usable range of a hyperparameter: where the interpolated mean leaves it, and what is said at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnexp.report.usable import Tried, usable

RATES = (0.001, 0.01, 0.1, 1.0)


def tried(*means: float | None, values: tuple[float, ...] = RATES, std: float | None = 0.1) -> list[Tried]:
    return [Tried(v, mean, std) for v, mean in zip(values, means, strict=False)]


def test_the_ends_are_interpolated() -> None:
    found = usable(tried(0.5, 0.8, 0.9, 0.4), True, True)
    assert found is not None
    # 0.8 is exactly within one standard deviation, 0.1; on the other side a fifth of a decade is
    assert (found.best, found.low, found.within) == (0.1, pytest.approx(0.01), 0.1)
    assert found.high == pytest.approx(0.1 * 10**0.2)
    assert (found.below, found.above) == (False, False)
    assert found.width == pytest.approx(1.2)
    assert str(found) == "0.01 to 0.16, 1.2 decades"


def test_losses_and_a_linear_axis() -> None:
    found = usable(tried(0.4, 0.1, 0.2, 0.6, values=(1.0, 2.0, 3.0, 4.0)), False, False, within=0.2)
    assert found is not None
    assert (found.low, found.high, found.width) == pytest.approx((2 - 2 / 3, 3.25, 3.25 - 2 + 2 / 3))
    assert str(found) == "1.3 to 3.2, 1.9 wide"


def test_at_the_edge_it_says_at_least() -> None:
    found = usable(tried(0.5, 0.6, 0.7, 0.95), True, True, within=0.3)
    assert found is not None
    assert (found.best, found.high, found.below, found.above) == (1.0, 1.0, False, True)
    assert str(found) == "0.032 to 1 or more, at least 1.5 decades"
    flat = usable(tried(0.9, 0.9, 0.9, 0.9), True, True)
    assert flat is not None
    assert str(flat) == "0.001 or less to 1 or more, at least 3 decades"


def test_a_value_where_runs_failed_ends_it() -> None:
    rows = [*tried(0.5, 0.9, 0.9), Tried(1.0, 0.99, 0.1, failed=1)]
    found = usable(rows, True, True)
    assert found is not None
    assert (found.best, found.high, found.above) == (0.01, 0.1, True), "0.99 is of those that did not fail"
    assert usable([Tried(v, None, None, 3) for v in RATES], True, True) is None
    nothing = usable([Tried(0.01, 0.9, 0.1), Tried(0.1, None, None, 3)], True, True)
    assert nothing is not None
    assert (nothing.width, str(nothing)) == (0.0, "0.01 or less to 0.01 or more, at least 0 decades")


def test_zero_has_no_place_on_a_logarithmic_axis() -> None:
    found = usable(tried(0.5, 0.9, 0.9, 0.9, values=(0.0, 0.01, 0.1, 1.0)), True, True)
    assert found is not None
    assert (found.low, found.below) == (0.01, True)
    found = usable(tried(0.9, 0.9, 0.9, 0.4, values=(0.0, 0.01, 0.1, 1.0)), True, True)
    assert found is not None
    assert (found.low, found.width) == (0.0, None)
    assert str(found) == "0 or less to 0.16"


def test_one_seed_has_no_spread() -> None:
    assert usable(tried(0.5, 0.9, 0.7, std=None), True, True) is None
    found = usable(tried(0.5, 0.9, 0.7, std=None), True, True, within=0.2)
    assert found is not None
    assert found.high == pytest.approx(0.1)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=7), st.floats(0.001, 0.5), st.booleans())
@settings(max_examples=80, deadline=None)
def test_inside_it_is_within_and_outside_it_is_not(means: list[float], within: float, higher: bool) -> None:
    values = [10.0 ** (k - 3) for k in range(len(means))]
    found = usable([Tried(v, m, 0.1) for v, m in zip(values, means, strict=True)], higher, True, within)
    assert found is not None
    places = np.log10(values)
    best = max(means) if higher else min(means)

    def worse(place: float) -> float:
        return abs(best - float(np.interp(place, places, means)))

    for place in np.linspace(math.log10(found.low), math.log10(found.high), 25):
        assert worse(place) <= within + 1e-9
    assert found.below == (found.low == values[0])
    if not found.below:
        assert worse(math.log10(found.low)) == pytest.approx(within, abs=1e-9)
    if not found.above:
        assert worse(math.log10(found.high)) == pytest.approx(within, abs=1e-9)
