"""Gradients by central differences, without the coordinates where a kink lies within the difference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Probe = Callable[[], tuple[float, np.ndarray]]
"""() -> (the function's value, the signs of everything in it that may have a kink at zero)."""


def check(gradient: np.ndarray, θ: np.ndarray, probe: Probe, skipped: float = 0.1) -> None:
    """The gradient of `probe`'s value by θ, which is changed in place and restored, holds to 2e-6.

    Each coordinate is held to 2e-6 of its own size, but not of less than a fiftieth of the largest: below
    that, differences of values near 1 have no digits left. The rounding errors of the two values are allowed
    for. Kinks may take the share `skipped` at most.
    """
    θ, gradient = θ.reshape(-1), gradient.reshape(-1).copy()
    numerical, smooth, rounding = np.zeros_like(gradient), np.ones(len(θ), bool), np.zeros_like(gradient)
    for i, kept in enumerate(θ.copy()):
        h = 1e-6 * max(1.0, abs(kept))
        θ[i] = kept + h
        above, upper = θ[i], probe()
        θ[i] = kept - h
        below, lower = θ[i], probe()
        θ[i] = kept
        smooth[i] = np.array_equal(upper[1], lower[1])
        numerical[i] = (upper[0] - lower[0]) / (above - below)
        rounding[i] = 4 * np.finfo(float).eps * max(abs(upper[0]), abs(lower[0])) / (above - below)
    assert np.mean(~smooth) <= skipped, f"{np.sum(~smooth)} of {len(θ)} coordinates are at a kink"
    found, expected = gradient[smooth], numerical[smooth]
    largest = np.abs(expected).max()
    assert largest > 1e-4, "a gradient that vanishes shows nothing"
    size = np.maximum(np.maximum(np.abs(found), np.abs(expected)), 2e-2 * largest)
    excess = np.maximum(np.abs(found - expected) - rounding[smooth], 0)
    error = excess / size
    assert error.max() < 2e-6, f"coordinate {error.argmax()} of the smooth ones: {error.max():.1e}"
    assert np.linalg.norm(excess) < 1e-6 * np.linalg.norm(expected)
