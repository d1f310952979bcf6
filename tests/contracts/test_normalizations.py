"""Normalizations: mean 0 and variance 1 over what they say, gradients, and statistics for evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from nnexp.components.activations import Linear
from nnexp.components.initializers import HeNormal
from nnexp.components.normalizations import (
    GroupNormalization,
    LayerNormalization,
    NoNormalization,
    Normalization,
    StandardizingNormalization,
    WeightNormalization,
)
from nnexp.engine.network import Network, NormalizationStage
from nnexp.errors import Misfit
from tests.derivatives import check
from tests.forms import each_form, running
from tests.variants import each

SHIFTED = np.random.default_rng(0).normal(5, 3, (8, 12))
"""Twelve features: they can be cut into two, three or four groups."""


def normalizing(one: Normalization) -> bool:
    return isinstance(one, StandardizingNormalization)


def over_batch(one: Normalization) -> bool:
    return normalizing(one) and one.over == "batch"


def with_running_statistics(one: Normalization) -> bool:
    return over_batch(one) and one.evaluate == "running"


def over_features(one: Normalization) -> bool:
    return normalizing(one) and one.over == "features"


def centred(one: Normalization) -> bool:
    return normalizing(one) and one.centred


def parts(one: StandardizingNormalization, x: np.ndarray) -> np.ndarray:
    """x, shape (B, O), as rows of what has one mean and one variance."""
    return x.T if one.over == "batch" else x.reshape(len(x) * one.groups_of(x.shape[1]), -1)


def stage(norm: Normalization, x: np.ndarray) -> NormalizationStage:
    """A stage over a copy of x, γ and β not at their defaults."""
    x, wide = x.copy(), x.shape[1]
    x̂ = x if norm.where == "before" else np.empty_like(x)
    γ, β = np.linspace(0.5, 2, wide), np.linspace(-1, 1, wide) * norm.centred
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
    standard = parts(norm, (y - one.β) / one.γ)
    # ε takes a little of the variance away: var / (var + ε) is left.
    if norm.centred:
        np.testing.assert_allclose(standard.mean(axis=1), 0, atol=1e-14)
        var = np.array([np.mean((row - row.mean()) ** 2) for row in parts(norm, SHIFTED)])
    else:
        var = np.array([np.mean(row**2) for row in parts(norm, SHIFTED)])
    np.testing.assert_allclose(np.mean(standard**2, axis=1), var / (var + norm.eps), rtol=1e-12)


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
        for gradient, θ in ((dx, x), (one.gγ, one.γ), *([(one.gβ, one.β)] if norm.centred else [])):
            check(gradient, θ, probe, skipped=0)


@each_form
@each("norm", Normalization, normalizing)
def test_constant_input_is_finite(norm: Normalization, form: str) -> None:
    with running(form):
        one = stage(norm, np.full((4, 12), 7.0))
        y = one.forward(one.x)
        if norm.centred:
            np.testing.assert_allclose(y, np.broadcast_to(one.β, y.shape), atol=1e-12)
        assert np.isfinite(y).all()
        assert np.isfinite(one.backward(np.ones((4, 12)))).all()


@each("norm", Normalization, normalizing)
def test_does_not_see_shift_and_scale(norm: Normalization) -> None:
    norm = norm.model_copy(update={"eps": 1e-9})
    one, other = stage(norm, SHIFTED), stage(norm, 1e3 * SHIFTED + 50 * norm.centred)
    np.testing.assert_allclose(one.forward(one.x), other.forward(other.x), rtol=1e-4, atol=1e-5)


@each_form
@each("norm", Normalization, with_running_statistics)
def test_running_statistics_by_hand(norm: Normalization, form: str) -> None:
    # {0, 2, 4}: mean 2, squares 8, unbiased variance 8/2 = 4. {6, 6, 9}: mean 7, squares 6, variance 3.
    m = norm.momentum
    with running(form):
        network = network_of_one_unit(norm)
        passed = network.over(3, training=True)
        passed.forward(np.array([[0.0], [2], [4]]))
        mean, var = (network.running[f"hidden1.{name}"] for name in ("mean", "var"))
        biased = 2 / 3 if norm.dialect == "keras" else 1
        np.testing.assert_allclose([mean[0], var[0]], [m * 2, 1 + m * (4 * biased - 1)], rtol=1e-14)
        passed.forward(np.array([[6.0], [6], [9]]))
        expected = [(1 - m) * (m * 2) + m * 7, (1 - m) * (1 + m * (4 * biased - 1)) + m * 3 * biased]
        np.testing.assert_allclose([mean[0], var[0]], expected, rtol=1e-14)


@each_form
@each("norm", Normalization, with_running_statistics)
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
@each("norm", Normalization, with_running_statistics)
def test_evaluation_agrees_with_training_after_many_batches(norm: Normalization, form: str) -> None:
    x = SHIFTED[:, :1]
    with running(form):
        network = network_of_one_unit(norm)
        for _ in range(3000):
            trained = network.over(8, training=True).forward(x).copy()
        evaluated = network.over(8, training=False).forward(x)
    var = np.var(x)
    share = 1 if norm.dialect == "keras" else 8 / 7  # biased in training, unbiased in evaluation
    shrink = ((var + norm.eps) / (var * share + norm.eps)) ** 0.5
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
        network = Network(12, (6,), 2, Linear(), norm, (), np.dtype("float64"))
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
    network = Network(3, (6,), 2, Linear(), norm, (), np.dtype("float64"))
    vain = over_batch(norm) and norm.where == "before"
    assert ("hidden1.bias" in network.value) == (not vain)
    assert "output.bias" in network.value
    assert ("hidden1.gamma" in network.value) == normalizing(norm)
    assert ("hidden1.beta" in network.value) == centred(norm)


@each("norm", Normalization, lambda one: over_batch(one) and one.evaluate == "batch")
def test_evaluation_by_the_statistics_of_what_is_evaluated(norm: Normalization) -> None:
    network = network_of_one_unit(norm)
    assert not network.rows_by_themselves
    x = SHIFTED[:, :1]
    trained = network.over(8, training=True).forward(x).copy()
    before = [array.copy() for array in network.running.values()]
    np.testing.assert_array_equal(network.over(8, training=False).forward(x), trained)
    for old, new in zip(before, network.running.values(), strict=True):
        np.testing.assert_array_equal(old, new)


def gained(v: np.ndarray) -> tuple[Network, np.ndarray]:
    """A network with weight normalization whose first layer's direction is v, after a pass; and its weights."""
    network = Network(len(v), (v.shape[1],), 1, Linear(), WeightNormalization(), (), np.dtype("float64"))
    rng = np.random.default_rng(3)
    network.θ[:] = rng.normal(size=network.size)
    network.value["hidden1.weight"][:] = v
    passed = network.over(6, training=True)
    passed.forward(rng.normal(size=(6, len(v))))
    passed.backward(rng.normal(size=(6, 1)))
    return network, passed.stages[0].W


@each_form
def test_weights_have_the_length_of_their_gain(form: str) -> None:
    v = np.random.default_rng(4).normal(size=(5, 3))
    with running(form):
        network, W = gained(v)
    g = network.value["hidden1.gain"]
    np.testing.assert_allclose(W, g * v / np.linalg.norm(v, axis=0), rtol=1e-14)
    # A step along its gradient leaves v's length as it is, to first order.
    np.testing.assert_allclose(np.sum(network.gradient["hidden1.weight"] * v, axis=0), 0, atol=1e-13)


@each_form
def test_weights_start_as_they_are_drawn(form: str) -> None:
    x = np.ones((2, 5))
    with running(form):
        plain, other = (
            Network(5, (4,), 1, Linear(), norm, (), np.dtype("float64"))
            for norm in (NoNormalization(), WeightNormalization())
        )
        for network in (plain, other):
            network.initialize(HeNormal(), 0, x)
        np.testing.assert_allclose(
            plain.over(2, training=False).forward(x), other.over(2, training=False).forward(x), rtol=1e-14
        )


@each_form
def test_a_direction_of_zero_is_not_nan(form: str) -> None:
    with running(form):
        network, W = gained(np.zeros((5, 3)))
    assert not W.any()
    assert np.isfinite(network.g).all()


@pytest.mark.parametrize(("groups", "width", "fits"), [(2, 4, True), (3, 4, False), (4, 4, True), (8, 4, False)])
def test_groups_must_divide_the_width(groups: int, width: int, fits: bool) -> None:
    norm = GroupNormalization(groups=groups)
    if fits:
        assert norm.groups_of(width) == groups
    else:
        with pytest.raises(Misfit, match=f"{groups} groups do not divide a layer of {width}"):
            norm.groups_of(width)


@pytest.mark.parametrize("where", ["before", "after"])
def test_one_group_is_layer_normalization(where: str) -> None:
    one, other = (
        stage(GroupNormalization(groups=1, where=where), SHIFTED),
        stage(LayerNormalization(where=where), SHIFTED),
    )
    np.testing.assert_array_equal(one.forward(one.x), other.forward(other.x))
