"""Surfaces: gradients against central differences, minima and saddles that are what they are called."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from nnexp.components.surfaces import Quadratic, Surface
from tests.variants import each

QUADRATICS = [
    Quadratic(spectrum=(3.0,)),
    Quadratic(spectrum=(0.0, 2.0, 5.0), rotated=True),
    Quadratic(spectrum=(-1.0, 2.0, 0.5), rotated=True),
    Quadratic(dimension=7, condition=1000.0, rotated=True),
]
h = 1e-6


def points(surface: Surface, count: int = 20, seed: int = 0) -> np.ndarray:
    """Places around the origin, and the start."""
    drawn = np.random.default_rng(seed).normal(scale=1.5, size=(count, surface.size()))
    return np.concatenate((drawn, [surface.first()]))


def hessian(surface: Surface, θ: np.ndarray) -> np.ndarray:
    """The second derivatives at θ (D,), shape (D, D), from differences of the gradient."""
    steps = 1e-5 * np.eye(len(θ))
    return np.array([(surface.gradient(θ + e) - surface.gradient(θ - e)) / 2e-5 for e in steps])


def around(θ: np.ndarray, radius: float) -> np.ndarray:
    """Points on a small sphere around θ (D,), shape (many, D)."""
    d = np.random.default_rng(1).normal(size=(500, len(θ)))
    return θ + radius * d / np.linalg.norm(d, axis=1, keepdims=True)


@each("surface", Surface)
def test_gradient_is_that_of_the_value(surface: Surface) -> None:
    for θ in points(surface):
        steps = h * np.maximum(1, np.abs(θ)) * np.eye(len(θ))
        differences = [(surface.value(θ + e) - surface.value(θ - e)) / (2 * np.max(e)) for e in steps]
        # 1e-16 |f| / h is what rounding makes of a difference
        scale = max(1.0, float(np.abs(differences).max()), abs(float(surface.value(θ))))
        np.testing.assert_allclose(surface.gradient(θ), differences, rtol=0, atol=2e-8 * scale)


@pytest.mark.parametrize("surface", QUADRATICS, ids=lambda surface: str(surface.size()))
def test_gradient_of_quadratics(surface: Quadratic) -> None:
    # A = Qᵀ diag(λ) Q has the given curvatures as eigenvalues, and f = θᵀ A θ / 2, g = A θ.
    A = hessian(surface, np.zeros(surface.size()))
    np.testing.assert_allclose(A, A.T, atol=1e-8)
    np.testing.assert_allclose(np.linalg.eigvalsh(A), np.sort(surface.λ), atol=1e-7)
    assert surface.rotated == (np.abs(A - np.diag(np.diag(A))).max() > 1e-3)
    for θ in points(surface):
        assert surface.value(θ) == pytest.approx(θ @ A @ θ / 2, rel=1e-6)
        np.testing.assert_allclose(surface.gradient(θ), A @ θ, rtol=1e-6, atol=1e-6)


@each("surface", Surface)
def test_value_takes_many_points_at_once(surface: Surface) -> None:
    many = points(surface)
    grid = many.T.reshape(surface.size(), 3, 7)
    together = surface.value(grid)
    assert together.shape == (3, 7)
    np.testing.assert_allclose(together.ravel(), [surface.value(θ) for θ in many], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each("surface", Surface)
def test_one_precision(surface: Surface, dtype: str) -> None:
    θ = surface.first().astype(dtype)
    assert surface.first().shape == (surface.size(),)
    assert surface.gradient(θ).dtype == dtype
    assert np.asarray(surface.value(θ)).dtype == dtype


@each("surface", Surface)
def test_minima_are_minima(surface: Surface) -> None:
    for θ in surface.minima():
        f = float(surface.value(θ))
        assert np.abs(surface.gradient(θ)).max() < 1e-11  # a coordinate's rounding error times a curvature of 100
        curvatures = np.linalg.eigvalsh(hessian(surface, θ))
        assert curvatures.min() > -1e-6 * curvatures.max()
        assert all(surface.value(p) >= f - 1e-15 for p in around(θ, 1e-3))
        assert surface.distance(θ) < 1e-12
        # the lowest of all places that are looked at, and of one depth
        assert all(surface.value(p) >= f - 1e-12 for p in points(surface, 300))
        assert f == pytest.approx(float(surface.value(surface.minima()[0])), abs=1e-20)


@each("surface", Surface)
def test_saddles_are_saddles(surface: Surface) -> None:
    for θ in surface.saddles():
        f = float(surface.value(θ))
        assert np.abs(surface.gradient(θ)).max() < 1e-12
        near = np.array([surface.value(p) for p in around(θ, 1e-2)])
        assert near.min() < f < near.max(), "ways lead up and ways lead down"
        curvatures = np.linalg.eigvalsh(hessian(surface, θ))
        assert curvatures.min() < 0 < curvatures.max() or np.abs(curvatures).max() < 1e-4


@each("surface", Surface)
def test_without_minima_there_is_no_floor(surface: Surface) -> None:
    lowest = [float(min(surface.value(p) for p in around(np.zeros(surface.size()), r))) for r in (10.0, 100.0, 1000.0)]
    bottomless = all(b < 10 * a < 0 for a, b in pairwise(lowest))
    assert bottomless == (len(surface.minima()) == 0)
    assert np.isinf(surface.distance(surface.first())) == bottomless


@each("surface", Surface)
def test_distance_is_the_least(surface: Surface) -> None:
    for θ in points(surface, 5):
        away = surface.distance(θ)
        assert all(away <= np.linalg.norm(θ - m) + 1e-12 for m in surface.minima())
        # nothing nearer is as low as a minimum
        for m in surface.minima()[:1]:
            inside = θ + (around(np.zeros(len(θ)), 1.0) * 0.99 * away)
            assert all(surface.value(p) > surface.value(m) for p in inside)


@each("surface", Surface)
def test_does_not_start_where_it_would_stay(surface: Surface) -> None:
    assert np.linalg.norm(surface.gradient(surface.first())) > 1e-3


@each("surface", Surface)
def test_a_start_has_a_number_a_coordinate(surface: Surface) -> None:
    fields = surface.model_dump(exclude={"start"})
    D = surface.size()
    given = type(surface)(**fields, start=[0.5] * D)
    assert given.first().tolist() == [0.5] * D
    with pytest.raises(ValidationError, match=f"{D + 1} numbers, but θ has {D}"):
        type(surface)(**fields, start=[0.5] * (D + 1))
