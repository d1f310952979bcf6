"""Normalizations: mean 0 and variance 1 over what they say, gradients, and statistics for evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from nnexp.components.activations import Linear
from nnexp.components.normalizations import Normalization
from nnexp.engine.network import Network, NormalizationStage
from tests.derivatives import check
from tests.forms import each_form, running
from tests.variants import each

SHIFTED = np.random.default_rng(0).normal(5, 3, (8, 4))


def normalizing(one: Normalization) -> bool:
    return one.normalizes


def over_batch(one: Normalization) -> bool:
    return one.normalizes and one.over == "batch"


def over_features(one: Normalization) -> bool:
    return one.normalizes and one.over == "features"


def stage(norm: Normalization, x: np.ndarray) -> NormalizationStage:
    """A stage over a copy of x, γ and β not at their defaults."""
    x, wide = x.copy(), x.shape[1]
    x̂ = x if norm.where == "before" else np.empty_like(x)
    γ, β = np.linspace(0.5, 2, wide), np.linspace(-1, 1, wide)
    return NormalizationStage(norm, x, x̂, np.empty_like(x), γ, β, np.empty(wide), np.empty(wide), None)


def network_of_one_unit(norm: Normalization) -> Network:
    """y = norm(x), twice: one input, one hidden unit without non-linearity, one output."""
    network = Network(1, (1,), 1, Linear(), norm, (), np.dtype("float64"))
    for name, value in network.value.items():
        value[:] = 1 if name.endswith(("weight", "gamma")) else 0
    return network


@each_form
@each("norm", Normalization, normalizing)
def test_mean_0_and_variance_1(norm: Normalization, form: str) -> None:
    with running(form):
        one = stage(norm, SHIFTED)
        y = one.forward(one.x)
    standard = (y - one.β) / one.γ
    axis = 0 if norm.over == "batch" else 1
    np.testing.assert_allclose(standard.mean(axis=axis), 0, atol=1e-14)
    # ε takes a little of the variance away: var / (var + ε) is left.
    var = np.array([np.mean((row - row.mean()) ** 2) for row in (SHIFTED.T if axis == 0 else SHIFTED)])
    np.testing.assert_allclose(standard.var(axis=axis), var / (var + norm.eps), rtol=1e-12)


@each_form
@each("norm", Normalization, normalizing)
def test_gradients(norm: Normalization, form: str) -> None:
    # By x, γ and β of a weighted sum of the outputs.
    weights = np.random.default_rng(1).normal(size=SHIFTED.shape)
    x = SHIFTED.copy()
    with running(form):
        one = stage(norm, x)

        def probe() -> tuple[float, np.ndarray]:
            one.x[:] = x
            return float(np.sum(weights * one.forward(one.x))), np.zeros(1)

        probe()
        dx = one.backward(weights.copy()).copy()
        for gradient, θ in ((dx, x), (one.gγ, one.γ), (one.gβ, one.β)):
            check(gradient, θ, probe, skipped=0)


@each_form
@each("norm", Normalization, normalizing)
def test_constant_input_is_finite(norm: Normalization, form: str) -> None:
    with running(form):
        one = stage(norm, np.full((4, 3), 7.0))
        y = one.forward(one.x)
        np.testing.assert_allclose(y, np.broadcast_to(one.β, y.shape), atol=1e-12)
        assert np.isfinite(one.backward(np.ones((4, 3)))).all()


@each("norm", Normalization, normalizing)
def test_does_not_see_shift_and_scale(norm: Normalization) -> None:
    one, other = stage(norm, SHIFTED), stage(norm, 1e3 * SHIFTED + 50)
    np.testing.assert_allclose(one.forward(one.x), other.forward(other.x), rtol=1e-4, atol=1e-5)


@each_form
@each("norm", Normalization, over_batch)
def test_running_statistics_by_hand(norm: Normalization, form: str) -> None:
    # {0, 2, 4}: mean 2, squares 8, unbiased variance 8/2 = 4. {6, 6, 9}: mean 7, squares 6, variance 3.
    m = norm.momentum
    with running(form):
        network = network_of_one_unit(norm)
        passed = network.over(3, training=True)
        passed.forward(np.array([[0.0], [2], [4]]))
        mean, var = (network.running[f"hidden1.{name}"] for name in ("mean", "var"))
        np.testing.assert_allclose([mean[0], var[0]], [m * 2, 1 + m * (4 - 1)], rtol=1e-14)
        passed.forward(np.array([[6.0], [6], [9]]))
        expected = [(1 - m) * (m * 2) + m * 7, (1 - m) * (1 + m * 3) + m * 3]
        np.testing.assert_allclose([mean[0], var[0]], expected, rtol=1e-14)


@each_form
@each("norm", Normalization, over_batch)
def test_evaluation_uses_the_running_statistics(norm: Normalization, form: str) -> None:
    with running(form):
        network = network_of_one_unit(norm)
        network.running["hidden1.mean"][:] = 3
        network.running["hidden1.var"][:] = 4 - norm.eps
        network.value["hidden1.gamma"][:] = 10
        network.value["hidden1.beta"][:] = 1
        z = network.over(2, training=False).forward(np.array([[3.0], [7.0]]))
    np.testing.assert_allclose(z, [[1], [21]], rtol=1e-14)
    assert network.running["hidden1.mean"] == 3


@each_form
@each("norm", Normalization, over_batch)
def test_evaluation_agrees_with_training_after_many_batches(norm: Normalization, form: str) -> None:
    x = SHIFTED[:, :1]
    with running(form):
        network = network_of_one_unit(norm)
        for _ in range(400):
            trained = network.over(8, training=True).forward(x).copy()
        evaluated = network.over(8, training=False).forward(x)
    var = np.var(x)
    shrink = ((var + norm.eps) / (var * 8 / 7 + norm.eps)) ** 0.5  # biased in training, unbiased in evaluation
    np.testing.assert_allclose(evaluated, trained * shrink, rtol=1e-10, atol=1e-12)


@each("norm", Normalization, over_batch)
def test_rows_of_a_batch_depend_on_each_other(norm: Normalization) -> None:
    one, other = stage(norm, SHIFTED), stage(norm, np.concatenate([SHIFTED[:1], SHIFTED[1:] + 1]))
    assert not np.allclose(one.forward(one.x)[0], other.forward(other.x)[0])


@each_form
@pytest.mark.parametrize("training", [True, False])
@each("norm", Normalization, over_features)
def test_rows_do_not_see_each_other(norm: Normalization, training: bool, form: str) -> None:
    with running(form):
        network = Network(4, (5,), 2, Linear(), norm, (), np.dtype("float64"))
        network.θ[:] = np.random.default_rng(2).normal(size=network.size)
        whole = network.over(8, training).forward(SHIFTED).copy()
        alone = [network.over(1, training).forward(SHIFTED[i : i + 1])[0].copy() for i in range(8)]
        evaluated = network.over(8, not training).forward(SHIFTED)
        np.testing.assert_array_equal(whole, evaluated)
    np.testing.assert_allclose(whole, alone, rtol=1e-12, atol=1e-14)
    assert not network.running


@each("norm", Normalization)
def test_a_bias_where_it_is_not_taken_away_again(norm: Normalization) -> None:
    # A constant added to what is normalized over the batch changes nothing: a bias there would never learn.
    network = Network(3, (4,), 2, Linear(), norm, (), np.dtype("float64"))
    vain = norm.normalizes and norm.over == "batch" and norm.where == "before"
    assert ("hidden1.bias" in network.value) == (not vain)
    assert "output.bias" in network.value
    assert ("hidden1.gamma" in network.value) == norm.normalizes
