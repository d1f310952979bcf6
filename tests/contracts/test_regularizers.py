"""Regularizers: penalties whose slope is the derivative of their value, noises that keep the mean."""

from __future__ import annotations

import numpy as np
import pytest

from nnexp.components.activations import Linear
from nnexp.components.losses import Mse
from nnexp.components.normalizations import Normalization
from nnexp.components.optimizers import Sgd
from nnexp.components.regularizers import Noise, Penalty, Regularizer
from nnexp.engine.learner import Learner
from nnexp.engine.network import Network
from tests.derivatives import check
from tests.forms import built, each_form
from tests.small import arrays, trained
from tests.variants import each, variants


def is_penalty(one: Regularizer) -> bool:
    return isinstance(one, Penalty)


def is_noise(one: Regularizer) -> bool:
    return isinstance(one, Noise)


def test_every_regularizer_is_one_or_the_other() -> None:
    assert all(is_penalty(one) != is_noise(one) for one in variants(Regularizer))


@each_form
@each("penalty", Regularizer, is_penalty)
def test_slope_is_the_derivative(penalty: Penalty, form: str) -> None:
    one = type(penalty)(strength=0.7)
    w = np.random.default_rng(0).normal(size=30)
    g = np.zeros(30)
    built(form, "penalty", type(one).slope)(w, g, np.array([one.strength]))
    check(g, w, lambda: (one.value(w), np.sign(w)))


@each("penalty", Regularizer, is_penalty)
def test_a_penalty_pulls_towards_zero(penalty: Penalty) -> None:
    slope = type(penalty).slope(np.array([-2.0, 0.0, 2.0]), 1.0)
    assert slope[0] == -slope[2] < 0
    assert slope[1] == 0
    w = np.array([-2.0, 0.0, 3.0])
    assert type(penalty)(strength=1.0).value(w) > type(penalty)(strength=1.0).value(0.9 * w) > 0
    assert type(penalty)(strength=1.0).value(0 * w) == 0
    assert type(penalty)(strength=0.5).value(w) == pytest.approx(type(penalty)(strength=1.0).value(w) / 2)


@each("penalty", Regularizer, is_penalty)
def test_a_penalty_is_on_weights_only(penalty: Penalty) -> None:
    for normalization in variants(Normalization):
        gradients = []
        for penalties in ((), (type(penalty)(strength=1.0),)):
            network = Network(2, (3,), 1, Linear(), normalization, (), np.dtype("float64"))
            network.θ[:] = np.random.default_rng(1).normal(size=network.size)
            Learner(network, Mse(), Sgd(), penalties).gradient(np.eye(2), np.ones((2, 1)))
            gradients.append(network.gradient)
        for name, without in gradients[0].items():
            assert np.array_equal(without, gradients[1][name]) == (not name.endswith("weight")), name


@pytest.mark.parametrize("form", ["fused", "numpy"])
@each("noise", Regularizer, is_noise)
def test_noise_keeps_the_mean(noise: Noise, form: str) -> None:
    # The mean of the factor over an even grid of u in (0, 1).
    n, c = 100_000, noise.coefficients()
    u, x, y = ((np.arange(n) + 0.5) / n)[:, None], np.full((n, 1), 3.0), np.empty((n, 1))
    built(form, "noise", type(noise).mask, len(c))(u, x, y, np.array(c))
    assert u.mean() == pytest.approx(1, abs=2e-5)
    assert u.std() > 0.1
    np.testing.assert_array_equal(y, 3 * u)


@each("regularizer", Regularizer)
def test_a_strength_of_zero_changes_nothing(regularizer: Regularizer) -> None:
    (field,) = [key for key, field in type(regularizer).model_fields.items() if field.annotation is float]
    off = {"name": regularizer.label(), field: 0.0}
    assert arrays(trained(regularization=off)) == arrays(trained())
    assert arrays(trained(regularization=regularizer.model_dump())) != arrays(trained())


@pytest.mark.parametrize("rows", [1, 7])
@each("penalty", Regularizer, is_penalty)
def test_the_gradient_is_that_of_the_penalty_a_batch_sees(penalty: Penalty, rows: int) -> None:
    given = np.random.default_rng(2).normal(size=(rows, 2))
    gradients = []
    for penalties in ((), (type(penalty)(**penalty.model_dump() | {"strength": 0.7}),)):
        network = Network(2, (3,), 1, Linear(), variants(Normalization)[0], (), np.dtype("float64"))
        network.θ[:] = np.random.default_rng(1).normal(size=network.size)
        learner = Learner(network, Mse(), Sgd(), penalties)
        learner.gradient(given, np.ones((rows, 1)))
        gradients.append(network.g[: network.weights].copy())
    w = network.θ[: network.weights]
    check(gradients[1] - gradients[0], w, lambda: (learner.penalty(rows), np.sign(w)))
