"""Numbers as people read them: nothing wrong is said for the sake of shortness."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.report.numbers import BARS, decimals_for, duration, logarithms, number, plot, score, size, sparkline

finite = st.floats(-1e300, 1e300)


@given(finite)
def test_a_number_is_right_to_its_digits(value: float) -> None:
    assert float(number(value)) == pytest.approx(value, rel=1e-3, abs=0)


@given(finite, st.integers(0, 8))
def test_a_score_is_right_to_its_decimals(value: float, decimals: int) -> None:
    shown = float(score(value, decimals))
    assert shown == pytest.approx(value, rel=1e-2, abs=0.51 * 10.0**-decimals)
    assert (shown == 0) == (value == 0), "what is small is not shown as nothing"


@given(st.floats(1e-6, 1e6))
def test_decimals_show_two_digits_of_the_uncertainty(uncertainty: float) -> None:
    decimals = decimals_for(uncertainty)
    assert abs(round(uncertainty, decimals) - uncertainty) <= 0.1 * uncertainty or decimals in (0, 8)
    assert decimals <= 8


@pytest.mark.parametrize("value", [None, math.nan])
def test_what_is_missing(value: float | None) -> None:
    assert number(value) == score(value) == duration(value) == "-"


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_what_is_infinite(value: float) -> None:
    assert number(value) == score(value) == f"{value:g}"


def test_components_read_like_yaml() -> None:
    component = {"name": "adam", "lr": 0.01, "bias_correction": True, "betas": [0.9, None]}
    assert number(component) == "{name: adam, lr: 0.01, bias_correction: true, betas: [0.9, -]}"


@given(st.floats(0, 1e7))
def test_a_duration_is_right_to_a_percent(seconds: float) -> None:
    units = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
    parts = re.findall(r"([\d.]+) (ms|s|min|h)", duration(seconds))
    assert sum(float(count) * units[unit] for count, unit in parts) == pytest.approx(seconds, rel=0.02, abs=1e-3)


@given(st.integers(0, 10**13))
def test_a_size_is_right_to_half_its_last_digit(n_bytes: int) -> None:
    count, unit = size(n_bytes).split()
    scale, error = {"B": (1, 0), "kB": (1e3, 500), "MB": (1e6, 5e4), "GB": (1e9, 5e7)}[unit]
    assert float(count) * scale == pytest.approx(n_bytes, abs=error + 1e-3)


@given(st.lists(st.none() | st.floats(-1e6, 1e6) | st.just(math.nan), max_size=200), st.integers(2, 40))
def test_sparklines_rise_where_the_curve_does(values: list[float | None], width: int) -> None:
    line = sparkline(values, width)
    known = [v for v in values if v is not None and math.isfinite(v)]
    assert len(line) <= width
    if len(values) > width or not known:
        return
    assert len(line) == len(values)
    if len(set(known)) > 1:
        bars = {v: line[i] for i, v in enumerate(values) if v is not None and math.isfinite(v)}
        assert bars[max(known)] == BARS[-1]
        assert bars[min(known)] == BARS[0]
        assert [bars[v] for v in sorted(bars)] == sorted((bars[v] for v in bars), key=BARS.index)


def test_logarithms_of_a_diverging_loss() -> None:
    assert logarithms([10.0, 0.0, None, math.nan, math.inf]) == [1.0, None, None, None, math.inf]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(-10, 10))
def test_a_plot_has_a_dot_for_each_curve(values: list[float], shift: float) -> None:
    other = [v + shift for v in values]
    drawn = plot([values, other], list(range(len(values))), width=20, height=5)
    assert [len(cells) for cells in drawn.cells] == [20] * 5
    owners = {owner for row in drawn.owners for owner in row}
    assert owners & {1, 3}
    assert owners & {2, 3}
    for cells, row in zip(drawn.cells, drawn.owners, strict=True):
        assert [cell != "⠀" for cell in cells] == [owner > 0 for owner in row]
    assert drawn.margins[0].split()[0] == score(max(values + other))
    assert drawn.margins[-1].split()[0] == score(min(values + other))
