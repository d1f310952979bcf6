"""Loops: the fused form computes what the NumPy form does, for every loop and every formula it can take."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.components.activations import Activation, ElementwiseActivation
from nnexp.components.losses import ElementwiseLoss, Loss, MarginLoss, SoftmaxLoss
from nnexp.components.normalizations import Normalization, StandardizingNormalization
from nnexp.components.optimizers import Optimizer
from nnexp.components.regularizers import Activity, Noise, Penalty, Regularizer
from nnexp.engine import compiling
from tests.forms import BUILDERS, built
from tests.variants import described, variants

B, O = 7, 5
WIDE = 12
"""Features that can be cut into groups."""
Case = tuple[str, tuple[Any, ...], tuple[Any, ...]]
"""What it is a case of, the formulas, and the arrays that the loop is called with."""


class Source:
    """Random arrays in one precision."""

    def __init__(self, dtype: str):
        self.dtype, self.rng = np.dtype(dtype), np.random.default_rng(11)

    def normal(self, *shape: int) -> np.ndarray:
        return self.rng.normal(0, 2, shape).astype(self.dtype)

    def positive(self, *shape: int) -> np.ndarray:
        return self.rng.uniform(0.1, 2, shape).astype(self.dtype)

    def empty(self, *shape: int) -> np.ndarray:
        return np.full(shape, np.nan, self.dtype)

    def c(self, *numbers: float) -> np.ndarray:
        return np.array(numbers or (0.0,), self.dtype)


def optimizers(s: Source) -> Iterator[Case]:
    for one in variants(Optimizer):
        slots, rule = one.kernel()
        state = [s.positive(B * O) for _ in slots]
        for t in (1, 20):
            c = one.coefficients(one.lr, t)
            arrays = (s.normal(B * O), s.normal(B * O), *state, s.c(*c))
            yield described(one), (rule, len(state), len(c)), arrays


def penalties(s: Source) -> Iterator[Case]:
    for one in variants(Regularizer):
        if isinstance(one, Penalty):
            w = s.normal(B * O)
            w[3] = 0
            c = one.coefficients()
            yield described(one), (type(one).slope, len(c)), (w, s.normal(B * O), s.c(*c))


def activities(s: Source) -> Iterator[Case]:
    for one in variants(Regularizer):
        if isinstance(one, Activity):
            a = s.normal(B, O)
            a[0, 0] = 0
            yield described(one), (one.slopes()[one.kind],), (a, s.normal(B, O), s.c(0.3))


def noises(s: Source) -> Iterator[Case]:
    for one in variants(Regularizer):
        if isinstance(one, Noise):
            c, u = one.coefficients(), s.rng.random((B, O), s.dtype)
            formulas = (type(one).mask, type(one).shift, len(c))
            yield described(one), formulas, (u, s.normal(B, O), s.empty(B, O), s.c(*c))


def elementwise() -> Iterator[ElementwiseActivation]:
    yield from (one for one in variants(Activation) if isinstance(one, ElementwiseActivation))


def activation_arrays(one: ElementwiseActivation, s: Source) -> tuple[np.ndarray, ...]:
    """z, y and e as they are before the backward pass; z is no more where the slope does not read it."""
    z, c = s.normal(B, O), one.coefficients()
    z[0, 0] = 0
    e = np.empty_like(z)
    one.transcend(z, e)
    e = e if one.transcends else z
    y = e if type(one).value is None else np.array(type(one).value(z, e, c), s.dtype)
    return z, y, e


def applied(s: Source) -> Iterator[Case]:
    for one in elementwise():
        if type(one).value is not None:
            z, _, e = activation_arrays(one, s)
            c = one.coefficients()
            yield described(one), (type(one).value, len(c)), (z, e, s.empty(B, O), s.c(*c))


def applied_with_bias(s: Source) -> Iterator[Case]:
    for one in elementwise():
        if type(one).value is not None and not one.transcends:
            c = one.coefficients()
            arrays = (s.normal(B, O), s.normal(O), s.empty(B, O), s.c(*c))
            yield described(one), (type(one).value, len(c)), arrays


def applied_with_bias_over(s: Source) -> Iterator[Case]:
    for one in elementwise():
        if type(one).value is not None and not one.transcends and "z" not in one.slope_reads:
            c = one.coefficients()
            yield described(one), (type(one).value, len(c)), (s.normal(B, O), s.normal(O), s.c(*c))


def broadcasts(s: Source) -> Iterator[Case]:
    yield "one", (), (s.normal(1), s.empty(O))
    yield "each", (), (s.normal(O), s.empty(O))


def collections(s: Source) -> Iterator[Case]:
    yield "one", (), (s.normal(O), s.empty(1))
    yield "each", (), (s.normal(O), s.empty(O))


def taken(s: Source) -> Iterator[Case]:
    index = np.array([3, 0, 3])
    yield "numbers", (1,), (s.normal(B), index, s.empty(3))
    yield "rows", (2,), (s.normal(B, O), index, s.empty(3, O))


def mixed(s: Source) -> Iterator[Case]:
    yield "", (), (s.normal(O), s.normal(O), s.c(0.25, 0.75))


def follows(s: Source) -> Iterator[Case]:
    yield "", (), (s.normal(O), s.normal(O), s.c(0.1), s.c(1.2))


def applied_backward(s: Source) -> Iterator[Case]:
    for one in elementwise():
        z, y, e = activation_arrays(one, s)
        c = one.coefficients()
        arrays = (z, y, e, s.normal(B, O), s.empty(O), s.c(*c))
        yield described(one), (type(one).slope, len(c)), arrays


def applied_learned(s: Source) -> Iterator[Case]:
    for one in elementwise():
        if one.learned is not None:
            z, _, e = activation_arrays(one, s)
            yield described(one), (type(one).value,), (z, e, s.empty(B, O), s.positive(O))


def applied_learned_backward(s: Source) -> Iterator[Case]:
    for one in elementwise():
        if one.learned is not None:
            z, y, e = activation_arrays(one, s)
            arrays = (z, y, e, s.normal(B, O), s.empty(O), s.positive(O), s.empty(O))
            yield described(one), (type(one).slope, type(one).slope_by), arrays


def jittered(s: Source) -> Iterator[Case]:
    for one in elementwise():
        if type(one).spread is not None:
            yield described(one), (type(one).spread, type(one).spread_slope), (s.normal(B, O), s.normal(B, O))


def composed(s: Source) -> Iterator[Case]:
    v = s.normal(B, O)
    v[:, 0] = 0
    yield "", (), (v, s.normal(O), s.empty(B, O), s.empty(O))


def composed_backward(s: Source) -> Iterator[Case]:
    yield "", (), (s.normal(B, O), s.normal(B, O), s.normal(O), s.positive(O), s.empty(B, O), s.empty(O))


def biases(s: Source) -> Iterator[Case]:
    yield "", (), (s.normal(B, O), s.normal(O))


def sums(s: Source) -> Iterator[Case]:
    yield "", (), (s.normal(B, O), s.empty(O))


def elementwise_losses(s: Source) -> Iterator[Case]:
    for one in variants(Loss):
        if isinstance(one, ElementwiseLoss):
            z, t = s.normal(B, O), s.rng.integers(0, 2, (B, O)).astype(s.dtype)
            z[0, 0] = t[0, 0]
            c = one.coefficients()
            yield described(one), (type(one).value, type(one).slope, len(c)), (z, t, s.empty(B, O), s.c(*c))


def shifts(s: Source) -> Iterator[Case]:
    yield "", (), (s.normal(B, O), np.arange(B) % O, s.empty(B, O), s.empty(B))
    yield "one class", (), (s.normal(B, 1), np.zeros(B, int), s.empty(B, 1), s.empty(B))


def softmax_losses(s: Source) -> Iterator[Case]:
    for one in variants(Loss):
        if isinstance(one, SoftmaxLoss):
            t, e, at_t, c = np.arange(B) % O, s.empty(B, O), s.empty(B), one.coefficients()
            built("numpy", "softmax_shift")(s.normal(B, O), t, e, at_t)
            formulas = (type(one).value, type(one).slope, type(one).factor, len(c))
            w = () if type(one).factor is None else (s.positive(O),)
            yield described(one), formulas, (np.exp(e), at_t, t, *w, s.empty(B, O), s.c(*c))


def quotients(s: Source) -> Iterator[Case]:
    yield "", (), (s.positive(B, O),)


def softmax_gradients(s: Source) -> Iterator[Case]:
    yield "", (), (s.positive(B, O), s.normal(B, O))


def soft_target_losses(s: Source) -> Iterator[Case]:
    for one in variants(Loss):
        soft = one.soft_targets(O)
        if isinstance(one, SoftmaxLoss) and soft is not None:
            t, e, at_t, c = np.arange(B) % O, s.empty(B, O), s.empty(B), one.coefficients()
            built("numpy", "softmax_shift")(s.normal(B, O), t, e, at_t)
            tables = [a.astype(s.dtype) for a in (soft.q, soft.mass, soft.weight, soft.floor)]
            formulas = (type(one).value, type(one).slope, len(c))
            yield described(one), formulas, (e, np.exp(e), t, *tables, s.empty(B, O), s.c(*c))


def margin_losses(s: Source) -> Iterator[Case]:
    for one in variants(Loss):
        if isinstance(one, MarginLoss):
            for columns in (O, 1):
                t, c = np.arange(B) % max(columns, 2), one.coefficients()
                arrays = (s.normal(B, columns), t, s.empty(B, columns), s.c(*c))
                yield described(one), (type(one).value, type(one).slope, len(c)), arrays


def standardizing() -> Iterator[StandardizingNormalization]:
    yield from (one for one in variants(Normalization) if isinstance(one, StandardizingNormalization))


def normalized(s: Source) -> Iterator[Case]:
    for one in standardizing():
        n = WIDE if one.over == "batch" else B * one.groups_of(WIDE)
        arrays = [s.normal(B, WIDE), s.empty(B, WIDE), s.empty(B, WIDE), s.positive(WIDE), s.normal(WIDE)]
        statistics = [s.empty(n), s.empty(n), s.empty(n), s.c(one.eps)]
        yield described(one), (type(one).standard, one.over, one.centred), (*arrays, *statistics)


def normalized_with_given(s: Source) -> Iterator[Case]:
    for one in standardizing():
        arrays = (s.normal(B, O), s.empty(B, O), s.positive(O), s.normal(O), s.normal(O), s.positive(O))
        yield described(one), (type(one).standard,), arrays


def normalized_backward(s: Source) -> Iterator[Case]:
    for one in standardizing():
        n = WIDE if one.over == "batch" else B * one.groups_of(WIDE)
        arrays = [s.normal(B, WIDE), s.normal(B, WIDE), s.positive(WIDE), s.positive(n)]
        scratch = [s.empty(WIDE), s.empty(WIDE), s.empty(n), s.empty(n)]
        yield described(one), (type(one).backward, one.over), (*arrays, *scratch)


CASES: dict[str, Callable[[Source], Iterator[Case]]] = {
    "update": optimizers,
    "penalty": penalties,
    "activity": activities,
    "noise": noises,
    "apply": applied,
    "apply_biased": applied_with_bias,
    "apply_biased_over": applied_with_bias_over,
    "broadcast": broadcasts,
    "collect": collections,
    "follow": follows,
    "take": taken,
    "mix": mixed,
    "apply_backward": applied_backward,
    "apply_learned": applied_learned,
    "apply_learned_backward": applied_learned_backward,
    "jitter": jittered,
    "weights_of": composed,
    "weights_backward": composed_backward,
    "add_bias": biases,
    "column_sums": sums,
    "elementwise_loss": elementwise_losses,
    "softmax_shift": shifts,
    "softmax_loss": softmax_losses,
    "softmax_divide": quotients,
    "softmax_backward": softmax_gradients,
    "soft_target_loss": soft_target_losses,
    "margin_loss": margin_losses,
    "normalize": normalized,
    "normalize_given": normalized_with_given,
    "normalize_backward": normalized_backward,
}


def test_every_loop_has_cases() -> None:
    assert set(CASES) == set(BUILDERS)


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("name", CASES)
def test_the_forms_agree(name: str, dtype: str, rtol: float) -> None:
    count = 0
    for what, formulas, arrays in CASES[name](Source(dtype)):
        count += 1
        results = {}
        for form in compiling.FORMS:
            given = [a.copy() if isinstance(a, np.ndarray) else a for a in arrays]
            value = built(form, name, *formulas)(*given)
            results[form] = [*given, 0.0 if value is None else value]
        for fused, plain in zip(results["fused"], results["numpy"], strict=True):
            assert np.asarray(fused).dtype == np.asarray(plain).dtype, what
            assert np.isfinite(fused).all(), what
            # A sum of terms that cancel is exact to its terms' size.
            atol = rtol * np.abs(plain).max()
            np.testing.assert_allclose(fused, plain, rtol=rtol, atol=atol, err_msg=what)
        written = [not np.array_equal(a, b) for a, b in zip(arrays, results["fused"], strict=False)]
        assert any(written), what
    assert count


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["apply", "apply_biased"])
def test_output_may_lie_over_input(name: str, dtype: str) -> None:
    for what, formulas, arrays in CASES[name](Source(dtype)):
        for form in compiling.FORMS:
            z, second, y, c = (a.copy() for a in arrays)
            loop = built(form, name, *formulas)
            loop(z.copy(), second, y, c)
            loop(z, second, z, c)
            np.testing.assert_array_equal(z, y, err_msg=f"{what} {form}")


def test_an_edited_formula_has_another_stamp() -> None:
    # The stamp keeps numba from running a compiled formula in its old form.
    def formula(a: float, b: float) -> float:
        return a + 2 * b

    def other_number(a: float, b: float) -> float:
        return a + 3 * b

    def other_sign(a: float, b: float) -> float:
        return a - 2 * b

    stamps = [compiling.stamp_of(f) for f in (formula, other_number, other_sign)]
    assert len(set(stamps)) == 3

    def renamed(a: float, b: float) -> float:
        return a + 2 * b

    assert compiling.stamp_of(renamed) == stamps[0]


def test_form_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, expected in (("numpy", True), ("fused", False), ("", False)):
        monkeypatch.setenv("NNEXP_FORM", text)
        assert compiling.plain() == expected
    monkeypatch.delenv("NNEXP_FORM")
    assert not compiling.plain()


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    # Else each run compiles anew and the cache grows for ever.
    script = (
        "from tests.engine.test_loops import CASES, Source\n"
        "from tests.forms import built\n"
        "for name, cases in CASES.items():\n"
        "    _, formulas, arrays = next(cases(Source('float32')))\n"
        "    loop = built('fused', name, *formulas)\n"
        "    loop(*arrays)\n"
        "    print(name, sum(loop.stats.cache_misses.values()))\n"
    )
    environment = {
        **os.environ,
        "NNEXP_CACHE": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    misses = []
    for _ in range(2):
        command = [sys.executable, "-c", script]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        misses.append(dict(line.split() for line in result.stdout.splitlines()))
    assert misses == [dict.fromkeys(CASES, "1"), dict.fromkeys(CASES, "0")]
