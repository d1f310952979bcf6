"""Initializers: shapes, the spread that they claim, and the signal that they keep alive."""

from __future__ import annotations

import numpy as np
import pytest

from nnexp.components.base import members
from nnexp.components.initializers import He, Initializer, Orthogonal, Xavier
from tests.variants import each, each_member


def drawn(one: Initializer, fan_in: int, fan_out: int, seed: int = 0) -> np.ndarray:
    return one.draw(np.random.default_rng(seed), fan_in, fan_out)


@pytest.mark.parametrize(("fan_in", "fan_out"), [(1, 1), (3, 5), (64, 10)])
@each("one", Initializer)
def test_shape_and_precision(one: Initializer, fan_in: int, fan_out: int) -> None:
    w = drawn(one, fan_in, fan_out)
    assert w.shape == (fan_in, fan_out)
    assert w.dtype == np.float64
    assert np.isfinite(w).all()


@each("one", Initializer)
def test_the_generator_decides(one: Initializer) -> None:
    np.testing.assert_array_equal(drawn(one, 30, 20), drawn(one, 30, 20))
    if np.ptp(drawn(one, 30, 20)):
        other = drawn(one, 30, 20, seed=1)
        zero = (drawn(one, 30, 20) == 0) & (other == 0)
        assert (drawn(one, 30, 20) != other)[~zero].mean() > 0.99
        rng = np.random.default_rng(0)
        assert not np.array_equal(one.draw(rng, 30, 20), one.draw(rng, 30, 20))


@each("one", Initializer)
def test_statistics(one: Initializer) -> None:
    # 400,000 weights: the mean is within 5 standard errors of 0, the standard deviation within 1 %.
    w = drawn(one, 800, 500)
    std = one.spread(800, 500)
    if std == 0:
        assert np.ptp(w) == 0
        return
    assert abs(w.mean()) < 5 * std / w.size**0.5
    assert w.std() == pytest.approx(std, rel=0.01)
    # Rows and columns are spread alike: nothing was drawn once and repeated. Zeros in between make that less exact.
    share = np.mean(w != 0)
    assert np.abs(w.std(axis=0) / std - 1).max() < 0.15 / share**0.5
    assert np.abs(w.std(axis=1) / std - 1).max() < 0.2 / share**0.5
    # Uniform: √3 standard deviations, nearly reached. Normal: the largest of so many is near 4.5 of them; cut at two
    # standard deviations of the whole normal, 2 / 0.8796 of what is left. Zeros between them do not count.
    std = std / share**0.5
    largest = np.abs(w).max() / std
    truncated = 2 / 0.8796256610342398
    assert any(0.999 * bound < largest <= bound * (1 + 1e-12) for bound in (3**0.5, truncated)) or 4 < largest < 6.5


@each("one", Initializer)
def test_biases_stay_near_what_they_are_told(one: Initializer) -> None:
    rng = np.random.default_rng(0)
    b = one.model_copy(update={"bias": 0.3}).draw_bias(rng, 400, 500)
    assert b.shape == (500,)
    assert np.abs(b - 0.3).max() <= 3**0.5 * one.spread(400, 500)


@each("one", Initializer, lambda one: isinstance(one, Orthogonal))
@pytest.mark.parametrize(("fan_in", "fan_out"), [(1, 1), (7, 4), (4, 7), (5, 5)])
def test_orthogonal_keeps_lengths(one: Orthogonal, fan_in: int, fan_out: int) -> None:
    w = drawn(one, fan_in, fan_out) / one.gain
    gram = w.T @ w if fan_in >= fan_out else w @ w.T
    np.testing.assert_allclose(gram, np.eye(min(fan_in, fan_out)), atol=1e-14)


def test_orthogonal_is_uniform_over_rotations() -> None:
    # Without the signs of R's diagonal the first entry of a 2 x 2 matrix would never be positive (or never negative).
    firsts = [drawn(Orthogonal(), 2, 2, seed)[0, 0] for seed in range(400)]
    assert 150 < sum(first > 0 for first in firsts) < 250


@each_member("cls", He)
def test_relu_layers_keep_the_signal(cls: type[He]) -> None:
    # With the default gain the mean square stays 1 through ten layers; with gain 1 it is halved in each.
    for gain, expected in ((None, 1.0), (1.0, 2.0**-10)):
        one = cls() if gain is None else cls(gain=gain)
        rng = np.random.default_rng(0)
        h = np.maximum(rng.normal(size=(200, 400)), 0) * 2**0.5
        for _ in range(10):
            h = np.maximum(h @ one.draw(rng, 400, 400), 0)
        assert expected / 1.6 < np.mean(h**2) < expected * 1.6


@each_member("cls", Xavier)
def test_linear_layers_keep_signal_and_gradient(cls: type[Xavier]) -> None:
    # Between widths I and O the variance grows by 2 I/(I + O) forward and by 2 O/(I + O) backward.
    rng = np.random.default_rng(1)
    w = cls().draw(rng, 300, 600)
    forward, backward = rng.normal(size=(500, 300)) @ w, rng.normal(size=(500, 600)) @ w.T
    assert np.mean(forward**2) == pytest.approx(2 / 3, rel=0.03)
    assert np.mean(backward**2) == pytest.approx(4 / 3, rel=0.03)


def test_families_of_one_formula_share_their_std() -> None:
    for family in (He, Xavier):
        kinds = [cls() for cls in members(family).values()]
        assert len({drawn(one, 300, 300).std().round(2) for one in kinds}) == 1
