"""Activations: slopes against central differences, far ends, NaN."""

from __future__ import annotations

import numpy as np
import pytest

from nnexp.components.activations import Activation
from nnexp.engine.network import ActivationStage, Buffers
from tests.forms import each_form, running
from tests.variants import each


def stage(f: Activation, z: np.ndarray, bias: np.ndarray | None = None) -> ActivationStage:
    """A stage over a copy of z, shape (B, O)."""
    buffers = Buffers(z.dtype)
    buffers.rewind(len(z))
    return ActivationStage(f, z.copy(), None if bias is None else (bias, np.empty_like(bias)), buffers)


def outputs(f: Activation, z: np.ndarray) -> np.ndarray:
    """f(z)."""
    one = stage(f, z)
    return one.forward(one.z).copy()


def slopes(f: Activation, z: np.ndarray) -> np.ndarray:
    """f'(z)."""
    one = stage(f, z)
    one.forward(one.z)
    return one.backward(np.ones_like(z)).copy()


@each_form
@each("f", Activation)
def test_slope_is_the_derivative(f: Activation, form: str) -> None:
    z = np.linspace(-7, 7, 81).reshape(-1, 3)  # with 0 itself, where a kink may be, but no other kink (±3, 6)
    h = 1e-6 * np.maximum(1, np.abs(z))
    above, below = z + h, z - h
    with running(form):
        expected = (outputs(f, above) - outputs(f, below)) / (above - below)
        found = slopes(f, z)
    smooth = np.sign(above) == np.sign(below)
    assert np.sum(~smooth) == 1
    error = np.abs(found - expected)[smooth] / np.maximum(np.abs(expected[smooth]), 1e-3)
    assert error.max() < 1e-6


@each_form
@each("f", Activation)
def test_slope_at_zero_lies_between_its_sides(f: Activation, form: str) -> None:
    with running(form):
        left, middle, right = slopes(f, np.array([[-1e-9, 0.0, 1e-9]]))[0]
    assert min(left, right) - 1e-8 <= middle <= max(left, right) + 1e-8


@each_form
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each("f", Activation)
def test_far_ends_are_finite(f: Activation, dtype: str, form: str) -> None:
    z = np.array([[-1e4, -100, -20, -0.0, 0.0, 20, 100, 1e4]], dtype)
    with running(form):
        y, slope = outputs(f, z), slopes(f, z)
    assert y.dtype == slope.dtype == dtype
    assert np.isfinite(y).all()
    assert np.isfinite(slope).all()
    # Far out every activation is a straight line or bends one way: between two points it rises at a rate between
    # the slopes at both.
    for i, j in ((6, 7), (0, 1)):
        rise, (least, most) = y[0, j] - y[0, i], sorted(slope[0, [i, j]] * np.float64(9900))
        margin = 1e-5 + 1e-5 * abs(rise)
        assert least - margin <= rise <= most + margin


@each_form
@pytest.mark.parametrize("biased", [False, True])
@each("f", Activation)
def test_nan_stays_nan(f: Activation, biased: bool, form: str) -> None:
    with running(form):
        one = stage(f, np.array([[1.0, np.nan]]), np.zeros(2) if biased else None)
        y = one.forward(one.z)
    assert np.isnan(y).tolist() == [[False, True]]


@each_form
@each("f", Activation)
def test_bias_is_added_and_gets_the_column_sums(f: Activation, form: str) -> None:
    rng = np.random.default_rng(0)
    z, dy, b = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.normal(size=3)
    with running(form):
        with_bias, without = stage(f, z, b), stage(f, z + b)
        np.testing.assert_array_equal(with_bias.forward(with_bias.z), without.forward(without.z))
        dz, expected = with_bias.backward(dy.copy()), without.backward(dy.copy())
    np.testing.assert_array_equal(dz, expected)
    np.testing.assert_allclose(with_bias.gb, [sum(column) for column in dz.T], rtol=1e-12, atol=1e-14)


@each("f", Activation)
def test_reads_what_it_says(f: Activation) -> None:
    # What `slope` does not declare may be overwritten before it is called: garbage there must not matter.
    z = np.linspace(-2, 2, 9)
    e = z.copy()
    f.transcend(z, e)
    value, c = type(f).value, f.coefficients()
    y = e if value is None else value(z, e, c)
    garbage = np.full_like(z, np.nan)
    given = {"z": z, "y": y, "e": e}
    declared = {name: array if name in f.slope_reads else garbage for name, array in given.items()}
    found, expected = (type(f).slope(**arrays, c=c) * np.ones(9) for arrays in (declared, given))
    np.testing.assert_array_equal(found, expected)
