"""The components' scalar formulas run over arrays: as NumPy expressions, or fused by numba into one pass.

Each function here takes formulas and returns a callable on preallocated arrays. Its two forms compute the same; the
environment variable NNEXP_FORM=numpy chooses the plain one, which needs no compiler and is the reference in tests.
c is always a small array of coefficients in the run's precision; a formula sees it as a tuple.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from nnexp.engine.compiling import Formula, compiler, fixed, plain, stamp_of


@cache
def update(rule: Formula, slots: int, count: int) -> Callable[..., None]:
    """An optimizer's step: (θ, g, *slots, c), all of shape (D,); θ and the slots are written."""
    if plain():

        def run(θ, g, *rest):
            *state, c = rest
            new = rule(θ, g, *state, tuple(c))
            for old, value in zip((θ, *state), new if state else (new,), strict=True):
                old[:] = value

        return run
    jit, formula = compiler()
    stamp, rule = stamp_of(rule), formula(rule)
    if slots == 0:

        @jit
        def loop0(θ, g, c):
            stamp  # noqa: B018
            h = fixed(c, count)
            for i in range(θ.size):
                θ[i] = rule(θ[i], g[i], h)

        return loop0
    if slots == 1:

        @jit
        def loop1(θ, g, a, c):
            stamp  # noqa: B018
            h = fixed(c, count)
            for i in range(θ.size):
                θ[i], a[i] = rule(θ[i], g[i], a[i], h)

        return loop1
    if slots == 2:

        @jit
        def loop2(θ, g, a, b, c):
            stamp  # noqa: B018
            h = fixed(c, count)
            for i in range(θ.size):
                θ[i], a[i], b[i] = rule(θ[i], g[i], a[i], b[i], h)

        return loop2

    @jit
    def loop3(θ, g, a, b, d, c):
        stamp  # noqa: B018
        h = fixed(c, count)
        for i in range(θ.size):
            θ[i], a[i], b[i], d[i] = rule(θ[i], g[i], a[i], b[i], d[i], h)

    return loop3


@cache
def penalty(slope: Formula, count: int) -> Callable[..., None]:
    """A penalty's share of the gradient: (w, g, c), g += slope(w); w and g of shape (D,)."""
    if plain():

        def run(w, g, c):
            g += slope(w, tuple(c))

        return run
    jit, formula = compiler()
    stamp, slope = stamp_of(slope), formula(slope)

    @jit
    def loop(w, g, c):
        stamp  # noqa: B018
        h = fixed(c, count)
        for i in range(w.size):
            g[i] += slope(w[i], h)

    return loop


@cache
def activity(slope: Formula) -> Callable[..., None]:
    """An activity penalty's share of the gradient: (a, d, c), d += slope(a, c[0]); a and d of shape (B, O)."""
    if plain():

        def run(a, d, c):
            d += slope(a, c[0])

        return run
    jit, formula = compiler()
    stamp, slope = stamp_of(slope), formula(slope)

    @jit
    def loop(a, d, c):
        stamp  # noqa: B018
        for i in range(a.shape[0]):
            for j in range(a.shape[1]):
                d[i, j] += slope(a[i, j], c[0])

    return loop


@cache
def apply(value: Formula, count: int) -> Callable[..., None]:
    """An activation without bias: (z, e, y, c), y = value(z, e); all of shape (B, O), y may be z."""
    if plain():

        def run(z, e, y, c):
            y[:] = value(z, e, tuple(c))

        return run
    jit, formula = compiler()
    stamp, value = stamp_of(value), formula(value)

    @jit
    def loop(z, e, y, c):
        stamp  # noqa: B018
        h = fixed(c, count)
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                y[i, j] = value(z[i, j], e[i, j], h)

    return loop


@cache
def apply_biased(value: Formula, count: int) -> Callable[..., None]:
    """An activation without exponentials: (z, b, y, c), z += b and y = value(z); y may be z, b has shape (O,)."""
    if plain():

        def run(z, b, y, c):
            z += b
            y[:] = value(z, None, tuple(c))

        return run
    jit, formula = compiler()
    stamp, value = stamp_of(value), formula(value)

    @jit
    def loop(z, b, y, c):
        stamp  # noqa: B018
        h = fixed(c, count)
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                z[i, j] += b[j]
                y[i, j] = value(z[i, j], z[i, j], h)

    return loop


@cache
def apply_biased_over(value: Formula, count: int) -> Callable[..., None]:
    """The same written over z: (z, b, c), z = value(z + b). One array that is read and written can be vectorised."""
    if plain():

        def run(z, b, c):
            z += b
            z[:] = value(z, None, tuple(c))

        return run
    jit, formula = compiler()
    stamp, value = stamp_of(value), formula(value)

    @jit
    def loop(z, b, c):
        stamp  # noqa: B018
        h = fixed(c, count)
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                x = z[i, j] + b[j]
                z[i, j] = value(x, x, h)

    return loop


@cache
def apply_backward(slope: Formula, count: int) -> Callable[..., None]:
    """An activation's backward pass: (z, y, e, dy, db, c), dy *= f'(z) and db = its column sums."""
    if plain():

        def run(z, y, e, dy, db, c):
            dy *= slope(z, y, e, tuple(c))
            np.sum(dy, axis=0, out=db)

        return run
    jit, formula = compiler()
    stamp, slope = stamp_of(slope), formula(slope)

    @jit
    def loop(z, y, e, dy, db, c):
        stamp  # noqa: B018
        h = fixed(c, count)
        db[:] = 0
        for i in range(dy.shape[0]):
            for j in range(dy.shape[1]):
                dz = dy[i, j] * slope(z[i, j], y[i, j], e[i, j], h)
                dy[i, j] = dz
                db[j] += dz

    return loop


@cache
def broadcast() -> Callable[..., None]:
    """(given, a): a = given, which is one number for all or one for each; shapes (1,) or (O,), and (O,)."""
    if plain():

        def run(given, a):
            a[:] = given

        return run
    jit, _ = compiler()

    @jit
    def loop(given, a):
        for j in range(a.size):
            a[j] = given[j % given.size]

    return loop


@cache
def collect() -> Callable[..., None]:
    """(da, gradient): what `broadcast` wrote, summed again; shapes (O,), and (1,) or (O,)."""
    if plain():

        def run(da, gradient):
            gradient[:] = da if gradient.size > 1 else np.sum(da)

        return run
    jit, _ = compiler()

    @jit
    def loop(da, gradient):
        gradient[:] = 0
        for j in range(da.size):
            gradient[j % gradient.size] += da[j]

    return loop


@cache
def take(dimensions: int) -> Callable[..., None]:
    """(array, index, out): out = array[index], shapes (N, ...), (B,), (B, ...), of one or two dimensions."""
    if plain():

        def run(array, index, out):
            np.take(array, index, axis=0, out=out, mode="clip")  # the mode lets it write straight into out

        return run
    jit, _ = compiler()
    if dimensions == 1:

        @jit
        def numbers(array, index, out):
            for i in range(index.size):
                out[i] = array[index[i]]

        return numbers

    @jit
    def rows(array, index, out):
        for i in range(index.size):
            row = array[index[i]]
            for j in range(row.size):
                out[i, j] = row[j]

    return rows


@cache
def mix() -> Callable[..., None]:
    """(g, other, c): g = c[0] g + c[1] other; shapes (D,), (D,), (2,)."""
    if plain():

        def run(g, other, c):
            g *= c[0]
            g += c[1] * other

        return run
    jit, _ = compiler()

    @jit
    def loop(g, other, c):
        for i in range(g.size):
            g[i] = c[0] * g[i] + c[1] * other[i]

    return loop


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
def apply_learned(value: Formula) -> Callable[..., None]:
    """An activation with a learned number for each unit: (z, e, y, a), y = value(z, e, (a,)); a of shape (O,)."""
    if plain():

        def run(z, e, y, a):
            y[:] = value(z, e, (a,))

        return run
    jit, formula = compiler()
    stamp, value = stamp_of(value), formula(value)

    @jit
    def loop(z, e, y, a):
        stamp  # noqa: B018
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                y[i, j] = value(z[i, j], e[i, j], (a[j],))

    return loop


@cache
def apply_learned_backward(slope: Formula, slope_by: Formula) -> Callable[..., None]:
    """Its backward pass: (z, y, e, dy, db, a, da): dy *= f'(z), db = its column sums, da = the gradient of a."""
    if plain():

        def run(z, y, e, dy, db, a, da):
            np.sum(dy * slope_by(z, y, e, (a,)), axis=0, out=da)
            dy *= slope(z, y, e, (a,))
            np.sum(dy, axis=0, out=db)

        return run
    jit, formula = compiler()
    stamp = stamp_of(slope) + stamp_of(slope_by)
    slope, slope_by = formula(slope), formula(slope_by)

    @jit
    def loop(z, y, e, dy, db, a, da):
        stamp  # noqa: B018
        db[:] = 0
        da[:] = 0
        for i in range(dy.shape[0]):
            for j in range(dy.shape[1]):
                h = (a[j],)
                da[j] += dy[i, j] * slope_by(z[i, j], y[i, j], e[i, j], h)
                dz = dy[i, j] * slope(z[i, j], y[i, j], e[i, j], h)
                dy[i, j] = dz
                db[j] += dz

    return loop


@cache
def jitter(spread: Formula, slope: Formula) -> Callable[..., None]:
    """(n, z): z += n spread(z), and n becomes 1 + n slope(z), the new z's derivative by the old; shapes (B, O)."""
    if plain():

        def run(n, z):
            shift = n * spread(z)
            n[:] = 1 + n * slope(z)
            z += shift

        return run
    jit, formula = compiler()
    stamp = stamp_of(spread) + stamp_of(slope)
    spread, slope = formula(spread), formula(slope)

    @jit
    def loop(n, z):
        stamp  # noqa: B018
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                shift = n[i, j] * spread(z[i, j])
                n[i, j] = 1 + n[i, j] * slope(z[i, j])
                z[i, j] += shift

    return loop


@cache
def add_bias() -> Callable[..., None]:
    """(z, b): z += b, shapes (B, O) and (O,)."""
    if plain():

        def run(z, b):
            z += b

        return run
    jit, _ = compiler()

    @jit
    def loop(z, b):
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                z[i, j] += b[j]

    return loop


@cache
def column_sums() -> Callable[..., None]:
    """(d, db): db = the sums of d's columns, shapes (B, O) and (O,)."""
    if plain():

        def run(d, db):
            np.sum(d, axis=0, out=db)

        return run
    jit, _ = compiler()

    @jit
    def loop(d, db):
        db[:] = 0
        for i in range(d.shape[0]):
            for j in range(d.shape[1]):
                db[j] += d[i, j]

    return loop


@cache
def noise(mask: Formula, shift: Formula | None, count: int) -> Callable[..., None]:
    """(u, x, y, c): y = x mask(u) + shift(u), and u becomes the mask; all of shape (B, O)."""
    if plain():

        def run(u, x, y, c):
            added = 0 if shift is None else shift(u, tuple(c))
            u[:] = mask(u, tuple(c))
            np.multiply(x, u, out=y)
            y += added

        return run
    jit, formula = compiler()
    stamp, mask = stamp_of(mask), formula(mask)
    if shift is None:

        @jit
        def loop(u, x, y, c):
            stamp  # noqa: B018
            h = fixed(c, count)
            for i in range(y.shape[0]):
                for j in range(y.shape[1]):
                    u[i, j] = mask(u[i, j], h)
                    y[i, j] = x[i, j] * u[i, j]

        return loop
    stamp, shift = stamp + stamp_of(shift), formula(shift)

    @jit
    def shifted(u, x, y, c):
        stamp  # noqa: B018
        h = fixed(c, count)
        for i in range(y.shape[0]):
            for j in range(y.shape[1]):
                added = shift(u[i, j], h)
                u[i, j] = mask(u[i, j], h)
                y[i, j] = x[i, j] * u[i, j] + added

    return shifted


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
