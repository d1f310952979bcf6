"""Losses with their gradients, and the softmax that they and the outputs need."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from nnexp.engine.compiling import Formula, compiler, fixed, plain, stamp_of


@cache
def elementwise_loss(value: Formula, slope: Formula, count: int) -> Callable[..., float]:
    """(z, t, d, c) -> the mean of value(z, t); d = its gradient. All of shape (B, O)."""
    if plain():

        def run(z, t, d, c):
            h = tuple(c)
            d[:] = slope(z, t, h) / z.size
            return float(np.mean(value(z, t, h), dtype=np.float64))

        return run
    jit, formula = compiler()
    stamp = stamp_of(value) + stamp_of(slope)
    value, slope = formula(value), formula(slope)

    @jit
    def loop(z, t, d, c):
        stamp  # noqa: B018
        h = fixed(c, count)
        total, weight = 0.0, 1.0 / z.size
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                total += value(z[i, j], t[i, j], h)
                d[i, j] = slope(z[i, j], t[i, j], h) * weight
        return total * weight

    return loop


@cache
def softmax_shift() -> Callable[..., None]:
    """(z, t, e, s): e = z - max z in each row, s = e at the target's class. Shapes (B, C), (B,), (B, C), (B,)."""
    if plain():

        def run(z, t, e, s):
            np.subtract(z, z.max(axis=1, keepdims=True), out=e)
            s[:] = e[np.arange(len(t)), t]

        return run
    jit, _ = compiler()

    @jit
    def loop(z, t, e, s):
        for i in range(z.shape[0]):
            top = z[i, 0]
            for j in range(1, z.shape[1]):
                if not z[i, j] <= top:  # NaN becomes the maximum and spoils the row, as it should
                    top = z[i, j]
            for j in range(z.shape[1]):
                e[i, j] = z[i, j] - top
            s[i] = e[i, t[i]]

    return loop


@cache
def softmax_loss(value: Formula, slope: Formula, factor: Formula | None, count: int) -> Callable[..., float]:
    """(e, s, t, d, c) -> the mean of value(s, Σe); d = its gradient by the logits. e = exp(z - max z), shape (B, C).

    With a factor: (e, s, t, w, d, c), the mean of w[t] value(s, Σe), with a weight w (C,) for each class.
    """
    if plain():

        def run(e, s, t, d, c):
            h = tuple(c)
            total = e.sum(axis=1)
            np.divide(e, total[:, None], out=d)
            hit = np.zeros_like(d)
            hit[np.arange(len(t)), t] = 1
            d[:] = slope(d, hit, h) / len(t)
            return float(np.mean(value(s, total, h), dtype=np.float64))

        def run_with_factor(e, s, t, w, d, c):
            run(e, s, t, d, c)
            h, total = tuple(c), e.sum(axis=1)
            assert factor is not None
            d *= (factor(s, total, h) * w[t])[:, None]
            return float(np.mean(w[t] * value(s, total, h), dtype=np.float64))

        return run if factor is None else run_with_factor
    jit, formula = compiler()
    stamp = stamp_of(value) + stamp_of(slope)
    value, slope = formula(value), formula(slope)
    if factor is None:

        @jit
        def loop(e, s, t, d, c):
            stamp  # noqa: B018
            h = fixed(c, count)
            loss, weight = 0.0, 1.0 / e.shape[0]
            for i in range(e.shape[0]):
                total = e[i, 0]
                for j in range(1, e.shape[1]):
                    total += e[i, j]
                loss += value(s[i], total, h)
                for j in range(e.shape[1]):
                    d[i, j] = slope(e[i, j] / total, j == t[i], h) * weight
            return loss * weight

        return loop
    stamp, factor = stamp + stamp_of(factor), formula(factor)

    @jit
    def with_factor(e, s, t, w, d, c):
        stamp  # noqa: B018
        h = fixed(c, count)
        loss, weight = 0.0, 1.0 / e.shape[0]
        for i in range(e.shape[0]):
            total = e[i, 0]
            for j in range(1, e.shape[1]):
                total += e[i, j]
            loss += w[t[i]] * value(s[i], total, h)
            share = factor(s[i], total, h) * w[t[i]] * weight
            for j in range(e.shape[1]):
                d[i, j] = slope(e[i, j] / total, j == t[i], h) * share
        return loss * weight

    return with_factor


@cache
def softmax_divide() -> Callable[..., None]:
    """(e): e / Σe in each row, in place; with e = exp(z - max z) that is softmax(z). Shape (B, C)."""
    if plain():

        def run(e):
            e /= e.sum(axis=1, keepdims=True)

        return run
    jit, _ = compiler()

    @jit
    def loop(e):
        for i in range(e.shape[0]):
            total = e[i, 0]
            for j in range(1, e.shape[1]):
                total += e[i, j]
            for j in range(e.shape[1]):
                e[i, j] /= total

    return loop


@cache
def softmax_backward() -> Callable[..., None]:
    """(y, d): d = y (d - Σ y d) in each row, from y = softmax(z). Both of shape (B, C)."""
    if plain():

        def run(y, d):
            d -= np.sum(y * d, axis=1, keepdims=True)
            d *= y

        return run
    jit, _ = compiler()

    @jit
    def loop(y, d):
        for i in range(y.shape[0]):
            inner = y[i, 0] * d[i, 0]
            for j in range(1, y.shape[1]):
                inner += y[i, j] * d[i, j]
            for j in range(y.shape[1]):
                d[i, j] = y[i, j] * (d[i, j] - inner)

    return loop


@cache
def soft_target_loss(value: Formula, slope: Formula, count: int) -> Callable[..., float]:
    """(s, e, t, q, mass, weight, floor, d, c) -> the loss of components.losses.SoftTargets; d = its gradient.

    s = z - max z and e = exp(s), shape (B, C); the tables q (C, C), mass, weight and floor (C,). d may be s.
    """
    if plain():

        def run(s, e, t, q, mass, weight, floor, d, c):
            h = tuple(c)
            total = e.sum(axis=1, keepdims=True)
            rows = np.sum(q[t] * value(s, total, h), axis=1, dtype=np.float64)
            whole = np.sum(weight[t], dtype=np.float64)
            d[:] = slope(e / total, q[t], h) * (mass[t] / whole)[:, None]
            return float(np.sum(mass[t] * rows - floor[t]) / whole)

        return run
    jit, formula = compiler()
    stamp = stamp_of(value) + stamp_of(slope)
    value, slope = formula(value), formula(slope)

    @jit
    def loop(s, e, t, q, mass, weight, floor, d, c):
        stamp  # noqa: B018
        h = fixed(c, count)
        loss, whole = 0.0, 0.0
        for i in range(e.shape[0]):
            whole += weight[t[i]]
        for i in range(e.shape[0]):
            k, row, total = t[i], 0.0, e[i, 0]
            for j in range(1, e.shape[1]):
                total += e[i, j]
            share = mass[k] / whole
            for j in range(e.shape[1]):
                row += q[k, j] * value(s[i, j], total, h)
                d[i, j] = slope(e[i, j] / total, q[k, j], h) * share
            loss += mass[k] * row - floor[k]
        return loss / whole

    return loop


@cache
def margin_loss(value: Formula, slope: Formula, count: int) -> Callable[..., float]:
    """(z, t, d, c) -> the mean over rows of the summed value(m), m = 1 - z_t + z_j for j != t; d = its gradient.

    z and d have shape (B, C), t (B,). With a single column there is one margin, 1 - z for t = 1 and 1 + z for t = 0.
    """
    if plain():

        def run(z, t, d, c):
            h, n, rows = tuple(c), len(z), np.arange(len(z))
            if z.shape[1] == 1:
                y = (2 * t - 1).astype(z.dtype)[:, None]
                d[:] = -y * slope(1 - y * z, h) / n
                return float(np.sum(value(1 - y * z, h), dtype=np.float64) / n)
            m = 1 - z[rows, t][:, None] + z
            wrong = np.ones(z.shape, bool)
            wrong[rows, t] = False
            d[:] = np.where(wrong, slope(m, h) / n, 0)
            d[rows, t] = -d.sum(axis=1)
            return float(np.sum(np.where(wrong, value(m, h), 0), dtype=np.float64) / n)

        return run
    jit, formula = compiler()
    stamp = stamp_of(value) + stamp_of(slope)
    value, slope = formula(value), formula(slope)

    @jit
    def loop(z, t, d, c):
        stamp  # noqa: B018
        h = fixed(c, count)
        loss, weight = 0.0, 1.0 / z.shape[0]
        for i in range(z.shape[0]):
            k = t[i]
            if z.shape[1] == 1:
                y = 1 if k == 1 else -1
                loss += value(1 - y * z[i, 0], h)
                d[i, 0] = -y * slope(1 - y * z[i, 0], h) * weight
            else:
                pull = 0.0
                for j in range(z.shape[1]):
                    if j != k:
                        m = 1 - z[i, k] + z[i, j]
                        loss += value(m, h)
                        d[i, j] = slope(m, h) * weight
                        pull += d[i, j]
                d[i, k] = -pull
        return loss * weight

    return loop
