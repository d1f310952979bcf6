"""Regularizers: penalties whose slope is the derivative of their value, noises that keep the mean."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from nnexp.components.activations import Prelu, Tanh
from nnexp.components.losses import Mse
from nnexp.components.normalizations import NoNormalization, Normalization
from nnexp.components.optimizers import Sgd
from nnexp.components.regularizers import Activity, Constraint, Noise, Penalty, Regularizer
from nnexp.engine.learner import Learner
from nnexp.engine.network import Network
from nnexp.engine.stages import ActivationStage
from tests.derivatives import check
from tests.forms import built, each_form, running
from tests.small import arrays, trained
from tests.variants import each, variants


def is_penalty(one: Regularizer) -> bool:
    return isinstance(one, Penalty)


def is_noise(one: Regularizer) -> bool:
    return isinstance(one, Noise)


def is_activity(one: Regularizer) -> bool:
    return isinstance(one, Activity)


def is_constraint(one: Regularizer) -> bool:
    return isinstance(one, Constraint)


KINDS = (is_penalty, is_noise, is_activity, is_constraint)


def test_every_regularizer_is_of_one_kind() -> None:
    assert all(sum(kind(one) for kind in KINDS) == 1 for one in variants(Regularizer))
    assert all(any(kind(one) for one in variants(Regularizer)) for kind in KINDS)


def strong(penalty: Penalty, strength: float) -> Penalty:
    """The same penalty with another strength."""
    return penalty.model_copy(update={"strength": strength})


def slope(penalty: Penalty, w: np.ndarray) -> np.ndarray:
    return type(penalty).slope(w, penalty.coefficients())


@each_form
@each("penalty", Regularizer, is_penalty)
def test_slope_is_the_derivative(penalty: Penalty, form: str) -> None:
    one = strong(penalty, 0.7)
    w = np.random.default_rng(0).normal(size=30)
    g = np.zeros(30)
    c = one.coefficients()
    built(form, "penalty", type(one).slope, len(c))(w, g, np.array(c))
    check(g, w, lambda: (one.value(w), np.sign(w)))


@each("penalty", Regularizer, is_penalty)
def test_a_penalty_pulls_towards_zero(penalty: Penalty) -> None:
    one, half = strong(penalty, 1.0), strong(penalty, 0.5)
    pull = slope(one, np.array([-2.0, 0.0, 2.0]))
    assert pull[0] == -pull[2] < 0
    assert pull[1] == 0
    w = np.array([-2.0, 0.0, 3.0])
    assert one.value(w) > one.value(0.9 * w) > 0
    assert one.value(0 * w) == 0
    assert half.value(w) == pytest.approx(one.value(w) / 2)


@each("penalty", Regularizer, is_penalty)
def test_a_penalty_is_on_what_it_says(penalty: Penalty) -> None:
    for normalization in variants(Normalization):
        gradients = []
        for penalties in ((), (strong(penalty, 1.0),)):
            network = Network(2, (6,), 1, Prelu(), normalization, (), np.dtype("float64"))
            network.θ[:] = np.random.default_rng(1).normal(size=network.size)
            Learner(network, Mse(), Sgd(), penalties).gradient(np.eye(2), np.ones((2, 1)))
            gradients.append(network.gradient)
        for name, without in gradients[0].items():
            touched = penalty.on == "all" or name.endswith(".weight")
            assert np.array_equal(without, gradients[1][name]) == (not touched), name


@pytest.mark.parametrize("form", ["fused", "numpy"])
@each("noise", Regularizer, is_noise)
def test_noise_keeps_the_mean(noise: Noise, form: str) -> None:
    # The mean over an even grid of the chances in (0, 1): that of x, or 0 (and variance 1) where it was.
    n, c = 100_000, noise.coefficients()
    chance = (np.arange(n) + 0.5) / n
    u = (chance if noise.draws == "uniform" else norm.ppf(chance))[:, None]
    loop, y = built(form, "noise", type(noise).mask, type(noise).shift, len(c)), np.empty((n, 2))
    factor = np.repeat(u, 2, axis=1)
    loop(factor, np.tile([[-3.0, 3.0]], (n, 1)), y, np.array(c))
    np.testing.assert_allclose(y[:, 1] - y[:, 0], 6 * factor[:, 0], rtol=1e-12)
    assert y.std(axis=0).min() > 0.09
    if noise.keeps_mean:
        np.testing.assert_allclose(y.mean(axis=0), [-3, 3], rtol=2e-5)
    else:
        rng, one = np.random.default_rng(0), np.repeat(u, 2, axis=1)
        x = rng.permuted(np.repeat(norm.ppf(chance)[:, None], 2, axis=1), axis=0)
        loop(one, x, y, np.array(c))
        assert abs(y.mean()) < 0.01
        assert y.var() == pytest.approx(1, abs=0.02)


@each("regularizer", Regularizer)
def test_a_strength_of_zero_changes_nothing(regularizer: Regularizer) -> None:
    # A constraint is off where its limit is far away.
    field, value = next((f, v) for f, v in OFF.items() if f in type(regularizer).model_fields)
    off, on = ({**regularizer.model_dump(), field: v} for v in (value, ON[field]))
    assert arrays(trained(regularization=off)) == arrays(trained())
    assert arrays(trained(regularization=on)) != arrays(trained())


OFF = {"strength": 0.0, "rate": 0.0, "std": 0.0, "max": 1e6}
ON = {"strength": 0.1, "rate": 0.3, "std": 0.1, "max": 0.5}


@each_form
@each("activity", Regularizer, is_activity)
def test_activity_slope_is_the_derivative(activity: Activity, form: str) -> None:
    one = activity.model_copy(update={"strength": 0.7})
    a, d = np.random.default_rng(0).normal(size=(5, 4)), np.zeros((5, 4))
    built(form, "activity", one.slopes()[one.kind])(a, d, np.array([one.strength / len(a)]))
    check(d, a, lambda: (one.value(a), np.sign(a)))


@each_form
@each("activity", Regularizer, is_activity)
def test_an_activity_penalty_is_part_of_the_gradient(activity: Activity, form: str) -> None:
    # Over both hidden layers, in front of the dropout.
    one, x = activity.model_copy(update={"strength": 0.3}), np.random.default_rng(1).normal(size=(6, 3))
    with running(form):
        network = Network(3, (5, 4), 1, Tanh(), NoNormalization(), (), np.dtype("float64"), activities=(one,))
        network.θ[:] = np.random.default_rng(2).normal(size=network.size)
        learner, t = Learner(network, Mse(), Sgd(), ()), np.ones((6, 1))
        learner.gradient(x, t)
        passed, stage = network.over(6, training=True), learner.loss_over(6)
        outputs = [stage.y for stage in passed.stages if isinstance(stage, ActivationStage)]
        assert len(outputs) == 2

        def probe() -> tuple[float, np.ndarray]:
            value = stage(passed.forward(x), t)
            return value + sum(one.value(a) for a in outputs), np.sign(np.concatenate(outputs, axis=None))

        check(network.g.copy(), network.θ, probe)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each("constraint", Regularizer, is_constraint)
def test_a_constraint_holds_after_each_step(constraint: Constraint, dtype: str) -> None:
    limit = 0.4
    one = trained(regularization={**constraint.model_dump(), "max": limit}, precision=dtype)
    lengths = np.concatenate([np.linalg.norm(v, axis=0) for k, v in one.network.value.items() if k.endswith(".weight")])
    assert lengths.max() <= limit * (1 + 1e-6)
    assert np.sum(lengths > 0.99 * limit) > 3
    W = np.array([[3.0, 0.0, np.nan], [4.0, 0.1, 1.0]], dtype)
    before = W.copy()
    constraint.model_copy(update={"max": 5.0 + 1e-3}).limit(W)  # nothing is too long
    np.testing.assert_array_equal(W, before)


@pytest.mark.parametrize("rows", [1, 7])
@each("penalty", Regularizer, is_penalty)
def test_the_gradient_is_that_of_the_penalty_a_batch_sees(penalty: Penalty, rows: int) -> None:
    given = np.random.default_rng(2).normal(size=(rows, 2))
    gradients = []
    for penalties in ((), (strong(penalty, 0.7),)):
        network = Network(2, (3,), 1, Prelu(), NoNormalization(), (), np.dtype("float64"))
        network.θ[:] = np.random.default_rng(1).normal(size=network.size)
        learner = Learner(network, Mse(), Sgd(), penalties)
        learner.gradient(given, np.ones((rows, 1)))
        end = network.weights if penalty.on == "weights" else network.size
        gradients.append(network.g[:end].copy())
    w = network.θ[:end]
    check(gradients[1] - gradients[0], w, lambda: (learner.penalty(rows), np.sign(w)))
