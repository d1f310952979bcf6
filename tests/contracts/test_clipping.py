"""Clipping: small gradients pass, large ones are limited, and what is spoiled stays to be seen."""

from __future__ import annotations

import numpy as np
import pytest

from nnexp.components.clipping import Clipping, NormClipping
from tests.small import batches_of, trained, trainer
from tests.variants import each

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def limited(clipping: Clipping, g: np.ndarray) -> np.ndarray:
    g = g.copy()
    clipping.limit(g)
    return g


@DTYPES
@each("clipping", Clipping)
def test_a_small_gradient_is_left_alone(clipping: Clipping, dtype: str) -> None:
    g = (1e-3 * np.random.default_rng(0).normal(size=50)).astype(dtype)
    np.testing.assert_array_equal(limited(clipping, g), g)
    np.testing.assert_array_equal(limited(clipping, np.zeros(3, dtype)), 0)


@DTYPES
@pytest.mark.parametrize("size", [10.0, 1e6, 1e15])
@each("clipping", Clipping)
def test_a_large_gradient_is_limited_and_keeps_its_signs(clipping: Clipping, size: float, dtype: str) -> None:
    g = (size * np.random.default_rng(0).normal(size=50)).astype(dtype)
    found = limited(clipping, g)
    assert found.dtype == g.dtype
    np.testing.assert_array_equal(np.sign(found), np.sign(g))
    assert (np.abs(found) <= np.abs(g)).all()
    assert np.abs(found).max() <= clipping.max
    if isinstance(clipping, NormClipping):
        assert np.linalg.norm(found) == pytest.approx(clipping.max, rel=1e-5)
        np.testing.assert_allclose(found / np.linalg.norm(found), g / np.linalg.norm(g), rtol=1e-5)


@each("clipping", Clipping)
def test_nan_stays_nan(clipping: Clipping) -> None:
    assert np.isnan(limited(clipping, np.array([1.0, np.nan]))).any()


def test_pytorchs_own_numbers() -> None:
    # torch.nn.utils.clip_grad_norm_ of [3, 4] with max_norm 2: 2 / (5 + 1e-6) times each, here by hand.
    assert limited(NormClipping(max=2.0), np.array([3.0, 4.0])) == pytest.approx(
        [1.1999997600000480, 1.5999996800000640]
    )


@each("clipping", Clipping)
def test_a_limit_that_is_never_reached_changes_nothing(clipping: Clipping) -> None:
    wide = clipping.model_copy(update={"max": 1e6})
    plain, clipped = trained(), trained(clip=wide.model_dump())
    np.testing.assert_array_equal(plain.network.θ, clipped.network.θ)


@each("clipping", Clipping)
def test_penalties_are_added_behind_the_limit(clipping: Clipping) -> None:
    tight = {**clipping.model_dump(), "max": 1e-9}
    one = trainer(clip=tight, regularization={"name": "l2", "strength": 0.1}, optimizer={"name": "sgd", "lr": 1.0})
    before = one.network.θ.copy()
    x, t = next(iter(batches_of(one.batches, 1)))
    one.learner.step(x, t, 1.0)
    weights = one.network.weights
    np.testing.assert_allclose(one.network.θ[:weights], 0.9 * before[:weights], rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(one.network.θ[weights:], before[weights:], atol=1e-8)
