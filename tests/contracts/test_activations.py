"""Activations: slopes against central differences, far ends, NaN."""

from __future__ import annotations

import numpy as np
import pytest

from nnexp.components.activations import Activation, ElementwiseActivation, Maxout, NoisyRelu, RowActivation, Softmax
from nnexp.components.normalizations import NoNormalization
from nnexp.engine.network import Network
from nnexp.engine.stages import ActivationStage, Buffers, JitterStage, LearnedActivationStage, RowActivationStage
from tests.derivatives import check
from tests.forms import each_form, running
from tests.variants import each


def elementwise(f: Activation) -> bool:
    return isinstance(f, ElementwiseActivation)


def learned(f: Activation) -> bool:
    return f.learned is not None


def noisy(f: Activation) -> bool:
    return elementwise(f) and type(f).spread is not None


def by_rows(f: Activation) -> bool:
    return isinstance(f, RowActivation)


def stage(f: ElementwiseActivation, z: np.ndarray, bias: np.ndarray | None = None) -> ActivationStage:
    """A stage over a copy of z, shape (B, O)."""
    buffers = Buffers(z.dtype)
    buffers.rewind(len(z))
    return ActivationStage(f, z.copy(), None if bias is None else (bias, np.empty_like(bias)), buffers)


def outputs(f: ElementwiseActivation, z: np.ndarray) -> np.ndarray:
    """f(z)."""
    one = stage(f, z)
    return one.forward(one.z).copy()


def slopes(f: ElementwiseActivation, z: np.ndarray) -> np.ndarray:
    """f'(z)."""
    one = stage(f, z)
    one.forward(one.z)
    return one.backward(np.ones_like(z)).copy()


@each_form
@each("f", Activation, elementwise)
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
@each("f", Activation, elementwise)
def test_slope_at_zero_lies_between_its_sides(f: Activation, form: str) -> None:
    with running(form):
        left, middle, right = slopes(f, np.array([[-1e-9, 0.0, 1e-9]]))[0]
    assert min(left, right) - 1e-8 <= middle <= max(left, right) + 1e-8


@each_form
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each("f", Activation, elementwise)
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
@each("f", Activation, elementwise)
def test_nan_stays_nan(f: Activation, biased: bool, form: str) -> None:
    with running(form):
        one = stage(f, np.array([[1.0, np.nan]]), np.zeros(2) if biased else None)
        y = one.forward(one.z)
    assert np.isnan(y).tolist() == [[False, True]]


@each_form
@each("f", Activation, elementwise)
def test_bias_is_added_and_gets_the_column_sums(f: Activation, form: str) -> None:
    rng = np.random.default_rng(0)
    z, dy, b = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.normal(size=3)
    with running(form):
        with_bias, without = stage(f, z, b), stage(f, z + b)
        np.testing.assert_array_equal(with_bias.forward(with_bias.z), without.forward(without.z))
        dz, expected = with_bias.backward(dy.copy()), without.backward(dy.copy())
    np.testing.assert_array_equal(dz, expected)
    np.testing.assert_allclose(with_bias.gb, [sum(column) for column in dz.T], rtol=1e-12, atol=1e-14)


@each("f", Activation, elementwise)
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


# -- learned numbers ---------------------------------------------------------------------------------------------------


def learning_stage(f: ElementwiseActivation, z: np.ndarray, bias: np.ndarray, a: np.ndarray) -> LearnedActivationStage:
    """A stage over a copy of z, with gradients for the bias and for what is learned, a."""
    buffers = Buffers(z.dtype)
    buffers.rewind(len(z))
    return LearnedActivationStage(f, z.copy(), (bias, np.empty_like(bias)), (a, np.empty_like(a)), buffers)


@each_form
@each("f", Activation, learned)
def test_at_the_start_it_is_its_formula(f: ElementwiseActivation, form: str) -> None:
    rng = np.random.default_rng(0)
    z, dy, b = rng.normal(0, 3, (5, 3)), rng.normal(size=(5, 3)), rng.normal(size=3)
    a = np.full(3 if f.learned == "unit" else 1, f.coefficients()[0])
    with running(form):
        one, plain = learning_stage(f, z, b, a), stage(f, z + b)
        np.testing.assert_allclose(one.forward(one.z), plain.forward(plain.z), rtol=1e-14)
        np.testing.assert_allclose(one.backward(dy.copy()), plain.backward(dy.copy()), rtol=1e-12, atol=1e-15)


@each_form
@each("f", Activation, learned)
def test_gradient_of_what_is_learned(f: ElementwiseActivation, form: str) -> None:
    rng = np.random.default_rng(1)
    z, dy, b = rng.normal(0, 2, (6, 3)), rng.normal(size=(6, 3)), np.zeros(3)
    for values in ((0.7, 1.3, 2.5), (-0.4, 0.2, 0.9)):
        a = np.array(values if f.learned == "unit" else values[:1])

        def value(a=a) -> float:
            one = learning_stage(f, z, b, a)
            return float(np.sum(dy * one.forward(one.z)))

        with running(form):
            one = learning_stage(f, z, b, a)
            one.forward(one.z)
            one.backward(dy.copy())
            check(one.given_gradient, a, lambda value=value: (value(), np.zeros(1)))


@each("f", Activation, learned)
def test_what_is_learned_is_a_parameter(f: ElementwiseActivation) -> None:
    network = Network(2, (4, 3), 1, f, NoNormalization(), (), np.dtype("float64"))
    shapes = {name: value.shape for name, value in network.value.items() if name.endswith(".activation")}
    widths = (4, 3) if f.learned == "unit" else (1, 1)
    assert shapes == {"hidden1.activation": (widths[0],), "hidden2.activation": (widths[1],)}


# -- noise -------------------------------------------------------------------------------------------------------------


@each_form
@each("f", Activation, noisy)
def test_noise_has_the_spread_it_says_and_a_gradient_through_it(f: ElementwiseActivation, form: str) -> None:
    z = np.linspace(-4, 4, 9)[None, :].repeat(40_000, axis=0)
    buffers = Buffers(z.dtype)
    buffers.rewind(len(z))
    with running(form):
        one = JitterStage(f, z.copy(), buffers, np.random.default_rng(2))
        shifted = one.forward(one.x).copy()
        np.testing.assert_allclose(shifted.mean(axis=0), z[0], atol=0.03)
        np.testing.assert_allclose(shifted.std(axis=0), type(f).spread(z[0]), rtol=0.02)
        slope, h = one.backward(np.ones_like(z)), 1e-6
        near = []
        for way in (h, -h):
            again = JitterStage(f, z + way, buffers, np.random.default_rng(2))
            near.append(again.forward(again.x).copy())
        np.testing.assert_allclose((near[0] - near[1]) / (2 * h), slope, rtol=1e-5, atol=1e-8)


def test_the_sigmoid_is_the_variance_of_noisy_relu() -> None:
    z = np.array([-30.0, -2.0, 0.0, 2.0, 30.0])
    np.testing.assert_allclose(NoisyRelu.spread(z) ** 2, 1 / (1 + np.exp(-z)), rtol=1e-12)


# -- whole rows --------------------------------------------------------------------------------------------------------


def row_stage(f: RowActivation, z: np.ndarray) -> RowActivationStage:
    buffers = Buffers(z.dtype)
    buffers.rewind(len(z))
    return RowActivationStage(f, z.copy(), buffers)


@each("f", Activation, by_rows)
def test_row_gradient(f: RowActivation) -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(size=(4, 3 * f.inputs_per_unit))
    dy = rng.normal(size=(4, 3))
    one = row_stage(f, z)
    assert one.forward(one.z).shape == (4, 3)
    dz = one.backward(dy.copy())

    def probe() -> tuple[float, np.ndarray]:
        again = row_stage(f, z)
        return float(np.sum(dy * again.forward(again.z))), np.zeros(1)

    check(dz, z, probe)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each("f", Activation, by_rows)
def test_rows_at_far_ends_are_finite_and_nan_is_seen(f: RowActivation, dtype: str) -> None:
    z = np.full((4, 3 * f.inputs_per_unit), -1e4, dtype)
    z[0], z[1, 0], z[2, -1] = 1e4, 1e4, np.nan
    one = row_stage(f, z)
    y = one.forward(one.z)
    dz = one.backward(np.ones_like(y))
    assert y.dtype == dz.dtype == dtype
    assert np.isfinite(y[[0, 1, 3]]).all()
    assert np.isfinite(dz[[0, 1, 3]]).all()
    assert np.isnan(y[2]).any()


def test_softmax_is_shares_of_one() -> None:
    one = row_stage(Softmax(), np.log(np.array([[1.0, 2, 7], [3, 3, 3]])))
    np.testing.assert_allclose(one.forward(one.z), [[0.1, 0.2, 0.7], [1 / 3] * 3], rtol=1e-14)


def test_maxout_with_mirrored_pieces_is_the_absolute_value() -> None:
    z = np.array([[3.0, -2.0, 0.5]])
    one = row_stage(Maxout(pieces=2), np.stack((z, -z), axis=2).reshape(1, 6))
    np.testing.assert_array_equal(one.forward(one.z), np.abs(z))
    np.testing.assert_array_equal(one.backward(np.array([[1.0, 10, 100]])), [[1, 0, 0, 10, 100, 0]])


def test_maxout_gives_a_tie_to_the_first_piece() -> None:
    one = row_stage(Maxout(pieces=3), np.zeros((1, 3)))
    one.forward(one.z)
    np.testing.assert_array_equal(one.backward(np.ones((1, 1))), [[1, 0, 0]])
