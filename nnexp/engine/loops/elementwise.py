"""Passes over parameters and units, each number by itself: updates, penalties, activations, biases and noise."""

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
