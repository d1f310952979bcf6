"""Optimizers: every one finds the bottom of a parabola, in both forms, and hides nothing."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from nnexp.components.optimizers import Adam, Adamw, Amsgrad, Momentum, Nag, Optimizer, Rmsprop, Sgd
from nnexp.engine import compiling
from tests.forms import built, each_form
from tests.variants import described, each

CURVATURE = np.array([1.0, 4.0])


class Follower:
    """Parameters that an optimizer moves by the gradients it is given."""

    def __init__(self, optimizer: Optimizer, θ: np.ndarray, form: str, lr: float | None = None):
        start, (slots, rule) = optimizer.start(), optimizer.kernel()
        self.optimizer, self.θ, self.t = optimizer, θ.copy(), 0
        self.lr = optimizer.lr if lr is None else lr
        self.state = [np.full_like(θ, start.get(name, 0.0)) for name in slots]
        self.c = np.zeros(len(optimizer.coefficients(1.0, 1)), θ.dtype)
        self.update = built(form, "update", rule, len(self.state), len(self.c))

    def step(self, g: np.ndarray) -> None:
        self.t += 1
        self.c[:] = self.optimizer.coefficients(self.lr, self.t)
        self.update(self.θ, g.astype(self.θ.dtype), *self.state, self.c)


@each_form
@each("optimizer", Optimizer)
def test_solves_a_parabola(optimizer: Optimizer, form: str) -> None:
    start = np.array([1.0, -2.0])
    left = []
    for lr in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0):
        follower = Follower(optimizer, start, form, lr)
        with np.errstate(all="ignore"):  # the larger rates diverge for some
            for _ in range(2000):
                follower.step(CURVATURE * follower.θ)
            left.append(float(CURVATURE @ follower.θ**2))
    assert np.nanmin(left) < 1e-4 * float(CURVATURE @ start**2), left


@each_form
@each("optimizer", Optimizer)
def test_begins_against_the_gradient(optimizer: Optimizer, form: str) -> None:
    g = np.array([3.0, -3.0, 1e-3, -1e-3])
    follower = Follower(optimizer, np.zeros(4), form)
    follower.step(g)
    np.testing.assert_array_equal(np.sign(follower.θ), -np.sign(g))


@each("optimizer", Optimizer)
def test_many_steps_in_both_forms(optimizer: Optimizer) -> None:
    start = np.random.default_rng(0).normal(size=50)
    fused, plain = (Follower(optimizer, start, form) for form in compiling.FORMS)
    rng = np.random.default_rng(1)
    for _ in range(21):  # an odd number of equal steps cannot lead back to the start
        g = rng.normal(size=50)
        fused.step(g)
        plain.step(g)
    np.testing.assert_allclose(fused.θ, plain.θ, rtol=1e-12, atol=1e-14)
    for a, b in zip(fused.state, plain.state, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    assert (np.abs(fused.θ - start) > 0).all()


@each_form
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each("optimizer", Optimizer)
def test_zero_and_tiny_gradients_do_no_harm(optimizer: Optimizer, dtype: str, form: str) -> None:
    # In float32 the square of 1e-30 is 0: what divides by its root must not divide by 0.
    follower = Follower(optimizer, np.ones(3, dtype), form)
    for g in ([0.0, 1e-30, -1e-30], [0.0, 0.0, 0.0]):
        follower.step(np.array(g))
    assert follower.θ[0] == np.prod(np.full(2, optimizer.shrink(optimizer.lr), dtype))
    assert np.isfinite(follower.θ).all()
    assert all(np.isfinite(state).all() for state in follower.state)
    assert {array.dtype for array in (follower.θ, *follower.state)} == {np.dtype(dtype)}


@each_form
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@each("optimizer", Optimizer)
def test_a_spoiled_gradient_is_seen_where_it_is(optimizer: Optimizer, bad: float, form: str) -> None:
    follower = Follower(optimizer, np.ones(3), form)
    with np.errstate(invalid="ignore"):
        follower.step(np.array([1.0, bad, 1.0]))
    seen = optimizer.sees_size or np.isnan(bad)
    assert np.isfinite(follower.θ).tolist() == [True, not seen, True]


@each("optimizer", Optimizer)
def test_rule_takes_and_returns_its_slots(optimizer: Optimizer) -> None:
    slots, rule = optimizer.kernel()
    assert list(inspect.signature(rule).parameters) == ["θ", "g", *slots, "c"]
    new = rule(np.ones(2), np.ones(2), *(np.ones(2) for _ in slots), optimizer.coefficients(0.1, 1))
    assert (len(new) if isinstance(new, tuple) else 1) == 1 + len(slots)
    assert set(optimizer.start()) <= set(slots)


@each("optimizer", Optimizer, lambda optimizer: optimizer.scales_with_lr)
def test_learning_rate_zero_stands_still(optimizer: Optimizer) -> None:
    follower = Follower(optimizer, np.ones(2), "numpy", lr=0.0)
    for _ in range(3):
        follower.step(CURVATURE)
    np.testing.assert_array_equal(follower.θ, 1)


@each("optimizer", Optimizer)
def test_only_weight_decay_moves_what_has_no_gradient(optimizer: Optimizer) -> None:
    follower = Follower(optimizer, np.ones(2), "numpy", lr=0.1)
    for steps in (1, 2, 3):
        follower.step(np.zeros(2))
        np.testing.assert_allclose(follower.θ, optimizer.shrink(0.1) ** steps, rtol=1e-15)
    decay = getattr(optimizer, "weight_decay", 0.0)
    assert (optimizer.shrink(0.1) < 1) == (decay > 0)


@each("optimizer", Optimizer, lambda optimizer: optimizer.scales_with_lr and optimizer.shrink(1.0) == 1)
def test_steps_grow_with_the_learning_rate(optimizer: Optimizer) -> None:
    # With the same gradients the way from the start is proportional to the rate.
    ways = []
    for lr in (0.01, 0.02):
        follower = Follower(optimizer, np.zeros(2), "numpy", lr)
        for g in (1.0, -0.5, 2.0):
            follower.step(g * CURVATURE)
        ways.append(follower.θ)
    np.testing.assert_allclose(ways[1], 2 * ways[0], rtol=1e-12)


# -- theorems --------------------------------------------------------------------------------------


def path_of(optimizer: Optimizer, steps: int = 60) -> np.ndarray:
    """Where a follower of the same random gradients has been, a row a step."""
    rng = np.random.default_rng(3)
    follower, path = Follower(optimizer, rng.normal(size=8), "numpy"), []
    for _ in range(steps):
        follower.step(rng.normal(size=8) * 10.0 ** rng.integers(-3, 4, 8))
        path.append(follower.θ.copy())
    return np.array(path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Adamw(weight_decay=0.0), Adam()),
        (Nag(momentum=0.0), Momentum(momentum=0.0)),
        (Momentum(momentum=0.0), Sgd()),
        (Rmsprop(lr=0.01, alpha=0.9), Adam(lr=0.01, beta1=0.0, beta2=0.9, bias_correction=False)),
        (Rmsprop(momentum=1e-300), Rmsprop()),
        (Momentum(variant="sutskever"), Momentum()),
        (Nag(variant="sutskever"), Nag()),
    ],
    ids=described,
)
def test_two_optimizers_that_are_the_same(one: Optimizer, other: Optimizer) -> None:
    np.testing.assert_allclose(path_of(one), path_of(other), rtol=1e-10, atol=1e-13)


def test_adam_steps_far_on_a_rare_gradient() -> None:
    # After a long silence one gradient moves θ by up to (1 - β₁)/√(1 - β₂) times lr: 3.16 times with the defaults.
    follower = Follower(Adam(), np.zeros(1), "numpy")
    for _ in range(20_000):
        follower.step(np.zeros(1))
    follower.step(np.ones(1))
    assert -follower.θ[0] / follower.lr == pytest.approx((1 - 0.9) / (1 - 0.999) ** 0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("optimizer", "end"), [(Adam(beta2=0.99), 1.0), (Amsgrad(beta2=0.99), -1.0)], ids=["adam", "amsgrad"]
)
def test_the_sequence_on_which_adam_goes_the_wrong_way(optimizer: Optimizer, end: float) -> None:
    """f_t(x) = 1010 x every 101st time, else -10 x, on [-1, 1]: the best x is -1 (Reddi, Kale and Kumar 2018)."""
    follower = Follower(optimizer, np.zeros(1), "fused")
    often, rarely = np.array([-10.0]), np.array([1010.0])
    for t in range(1, 200_001):
        follower.lr = 0.5 / t**0.5
        follower.step(rarely if t % 101 == 1 else often)
        np.clip(follower.θ, -1, 1, out=follower.θ)
    assert follower.θ[0] == pytest.approx(end, abs=0.02)
