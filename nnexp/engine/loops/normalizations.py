"""Normalizations and their backward passes: of what units put out, and of the weights' columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from nnexp.engine.compiling import Formula, compiler, plain, stamp_of


@cache
def normalize(standard: Formula, over: str, centred: bool) -> Callable[..., None]:
    """(x, x̂, y, γ, β, mean, var, r, ε): y = γ x̂ + β; x̂ may be x, ε has the shape (1,).

    mean, var and r have the shape (O,), or (B G,) for G groups of features. Without `centred` the mean is 0 and the
    variance the mean square.
    """
    if plain():

        def run(x, x̂, y, γ, β, mean, var, r, eps):
            part, axis = (x, 0) if over == "batch" else (x.reshape(len(mean), -1), 1)
            mean[:] = np.mean(part, axis=axis) if centred else 0
            var[:] = np.var(part, axis=axis) if centred else np.mean(np.square(part), axis=axis)
            r[:] = 1 / np.sqrt(var + eps[0])
            a, b = (mean, r) if axis == 0 else (mean[:, None], r[:, None])
            x̂[:] = standard(part, a, b).reshape(x.shape)
            y[:] = γ * x̂ + β

        return run
    jit, formula = compiler()
    stamp, standard = stamp_of(standard), formula(standard)
    if over == "batch":

        @jit
        def columns(x, x̂, y, γ, β, mean, var, r, eps):
            stamp  # noqa: B018
            B, O = x.shape
            mean[:] = 0
            var[:] = 0
            for i in range(B):
                for j in range(O):
                    mean[j] += x[i, j]
            for j in range(O):
                mean[j] /= B
            for i in range(B):
                for j in range(O):
                    var[j] += (x[i, j] - mean[j]) * (x[i, j] - mean[j])
            for j in range(O):
                var[j] /= B
                r[j] = 1 / np.sqrt(var[j] + eps[0])
            for i in range(B):
                for j in range(O):
                    x̂[i, j] = standard(x[i, j], mean[j], r[j])
                    y[i, j] = γ[j] * x̂[i, j] + β[j]

        return columns

    @jit
    def rows(x, x̂, y, γ, β, mean, var, r, eps):
        stamp  # noqa: B018
        B, O = x.shape
        W = B * O // mean.size
        for k in range(mean.size):
            i, first = k * W // O, k * W % O
            total = x[i, first] * 0
            if centred:
                for j in range(first, first + W):
                    total += x[i, j]
            mean[k] = total / W
            square = x[i, first] * 0
            for j in range(first, first + W):
                square += (x[i, j] - mean[k]) * (x[i, j] - mean[k])
            var[k] = square / W
            r[k] = 1 / np.sqrt(var[k] + eps[0])
            for j in range(first, first + W):
                x̂[i, j] = standard(x[i, j], mean[k], r[k])
                y[i, j] = γ[j] * x̂[i, j] + β[j]

    return rows


@cache
def normalize_given(standard: Formula) -> Callable[..., None]:
    """(x, y, γ, β, mean, r): y = γ standard(x, mean, r) + β with given statistics of shape (O,)."""
    if plain():

        def run(x, y, γ, β, mean, r):
            y[:] = γ * standard(x, mean, r) + β

        return run
    jit, formula = compiler()
    stamp, standard = stamp_of(standard), formula(standard)

    @jit
    def loop(x, y, γ, β, mean, r):
        stamp  # noqa: B018
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                y[i, j] = γ[j] * standard(x[i, j], mean[j], r[j]) + β[j]

    return loop


@cache
def normalize_backward(backward: Formula, over: str) -> Callable[..., None]:
    """(x̂, dy, γ, r, dγ, dβ, mean_h, mean_hx): dy becomes dx; dγ and dβ are the gradients of γ and β.

    mean_h and mean_hx are scratch of r's shape, (O,) or (B G,).
    """
    if plain():

        def run(x̂, dy, γ, r, dγ, dβ, mean_h, mean_hx):
            np.sum(dy * x̂, axis=0, out=dγ)
            np.sum(dy, axis=0, out=dβ)
            dy *= γ
            h, g, axis = (dy, x̂, 0) if over == "batch" else (*(a.reshape(len(r), -1) for a in (dy, x̂)), 1)
            np.mean(h, axis=axis, out=mean_h)
            np.mean(h * g, axis=axis, out=mean_hx)
            a, b, c = (mean_h, mean_hx, r) if axis == 0 else (mean_h[:, None], mean_hx[:, None], r[:, None])
            dy[:] = backward(h, a, g, b, c).reshape(dy.shape)

        return run
    jit, formula = compiler()
    stamp, backward = stamp_of(backward), formula(backward)
    if over == "batch":

        @jit
        def columns(x̂, dy, γ, r, dγ, dβ, mean_h, mean_hx):
            stamp  # noqa: B018
            B, O = dy.shape
            dγ[:] = 0
            dβ[:] = 0
            for i in range(B):
                for j in range(O):
                    dβ[j] += dy[i, j]
                    dγ[j] += dy[i, j] * x̂[i, j]
            for j in range(O):
                mean_h[j] = γ[j] * dβ[j] / B
                mean_hx[j] = γ[j] * dγ[j] / B
            for i in range(B):
                for j in range(O):
                    dy[i, j] = backward(γ[j] * dy[i, j], mean_h[j], x̂[i, j], mean_hx[j], r[j])

        return columns

    @jit
    def rows(x̂, dy, γ, r, dγ, dβ, mean_h, mean_hx):
        stamp  # noqa: B018
        B, O = dy.shape
        W = B * O // r.size
        dγ[:] = 0
        dβ[:] = 0
        for k in range(r.size):
            i, first = k * W // O, k * W % O
            a = dy[i, first] * 0
            b = dy[i, first] * 0
            for j in range(first, first + W):
                dβ[j] += dy[i, j]
                dγ[j] += dy[i, j] * x̂[i, j]
                dy[i, j] *= γ[j]
                a += dy[i, j]
                b += dy[i, j] * x̂[i, j]
            mean_h[k] = a / W
            mean_hx[k] = b / W
            for j in range(first, first + W):
                dy[i, j] = backward(dy[i, j], mean_h[k], x̂[i, j], mean_hx[k], r[k])

    return rows


@cache
def follow() -> Callable[..., None]:
    """A running mean: (running, now, momentum, share), running += momentum (share now - running); shapes (O,), (1,)."""
    if plain():

        def run(running, now, momentum, share):
            running += momentum[0] * (now * share[0] - running)

        return run
    jit, _ = compiler()

    @jit
    def loop(running, now, momentum, share):
        for j in range(running.size):
            running[j] += momentum[0] * (now[j] * share[0] - running[j])

    return loop


@cache
def weights_of() -> Callable[..., None]:
    """(v, g, W, r): W = g v r with r = 1/‖v‖ of each column, 0 where it is 0; shapes (I, O), (O,), (I, O), (O,)."""
    if plain():

        def run(v, g, W, r):
            length = np.sqrt(np.sum(np.square(v), axis=0))
            r[:] = np.where(length == 0, 0, 1 / np.where(length == 0, 1, length))
            W[:] = v * (g * r)

        return run
    jit, _ = compiler()

    @jit
    def loop(v, g, W, r):
        r[:] = 0
        for i in range(v.shape[0]):
            for j in range(v.shape[1]):
                r[j] += v[i, j] * v[i, j]
        for j in range(r.size):
            if r[j] != 0:
                r[j] = 1 / np.sqrt(r[j])
        for i in range(v.shape[0]):
            for j in range(v.shape[1]):
                W[i, j] = v[i, j] * (g[j] * r[j])

    return loop


@cache
def weights_backward() -> Callable[..., None]:
    """(dW, v, g, r, dv, dg): dg = Σ dW v r and dv = g r (dW - dg v r), columns by themselves; dv may be dW."""
    if plain():

        def run(dW, v, g, r, dv, dg):
            np.sum(dW * v * r, axis=0, out=dg)
            dv[:] = g * r * (dW - dg * r * v)

        return run
    jit, _ = compiler()

    @jit
    def loop(dW, v, g, r, dv, dg):
        dg[:] = 0
        for i in range(v.shape[0]):
            for j in range(v.shape[1]):
                dg[j] += dW[i, j] * v[i, j] * r[j]
        for i in range(v.shape[0]):
            for j in range(v.shape[1]):
                dv[i, j] = g[j] * r[j] * (dW[i, j] - dg[j] * r[j] * v[i, j])

    return loop
