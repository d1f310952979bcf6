"""Any combination of layers, shapes and precisions: finite for finite inputs, and a gradient that is the slope."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nnexp.components.activations import Activation
from nnexp.components.losses import CrossEntropy
from nnexp.components.normalizations import Normalization
from nnexp.components.optimizers import Sgd
from nnexp.components.regularizers import Activity, Noise, Penalty, Regularizer
from nnexp.engine import compiling
from nnexp.engine.learner import Learner
from nnexp.engine.network import Network
from tests.forms import running
from tests.variants import variants

CLASSES = 3


@st.composite
def learners(draw: Any, dtype: str) -> Learner:
    """A network of any layers with parameters of order 1; widths that groups of two and three divide."""
    widths = draw(st.lists(st.sampled_from([6, 12]), min_size=1, max_size=3))
    each = [draw(st.sampled_from(variants(Activation))) for _ in widths]
    regularizers = variants(Regularizer)
    noises = draw(st.lists(st.sampled_from([r for r in regularizers if isinstance(r, Noise)]), max_size=1))
    activities = draw(st.lists(st.sampled_from([r for r in regularizers if isinstance(r, Activity)]), max_size=1))
    penalties = draw(st.lists(st.sampled_from([r for r in regularizers if isinstance(r, Penalty)]), max_size=2))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    network = Network(
        draw(st.integers(1, 4)),
        widths,
        CLASSES,
        each,
        draw(st.sampled_from(variants(Normalization))),
        noises,
        np.dtype(dtype),
        rng,
        draw(st.sampled_from([None, 1])) if len(widths) > 1 and len(set(widths)) == 1 else None,
        activities,
    )
    network.θ[:] = rng.normal(0, draw(st.sampled_from([0.1, 0.7])), network.size)
    return Learner(network, CrossEntropy(), Sgd(), penalties)


def inputs(learner: Learner, rows: int, scale: float, constant: bool) -> tuple[np.ndarray, np.ndarray]:
    """A batch: inputs of a size, or the same numbers in each row; classes in turn."""
    x = np.random.default_rng(rows).normal(0, 1, (rows, learner.network.inputs)) * scale
    x[:] = x[0] if constant else x
    return x.astype(learner.network.dtype), np.arange(rows) % CLASSES


def over_batch(learner: Learner) -> bool:
    return any(layer.norm is not None and layer.norm.over == "batch" for layer in learner.network.layers)


@settings(max_examples=150)
@given(
    data=st.data(),
    dtype=st.sampled_from(["float32", "float64"]),
    form=st.sampled_from(compiling.FORMS),
    rows=st.integers(1, 5),
    scale=st.sampled_from([0.0, 1.0, 1e4]),
    constant=st.booleans(),
)
def test_finite_for_finite_inputs(data: Any, dtype: str, form: str, rows: int, scale: float, constant: bool) -> None:
    with running(form), np.errstate(all="ignore"):
        learner = data.draw(learners(dtype))
        rows = max(rows, 2) if over_batch(learner) else rows
        x, t = inputs(learner, rows, scale, constant)
        value = learner.gradient(x, t)
        assert np.isfinite(value)
        assert np.isfinite(learner.network.g).all()
        z = learner.outputs(x)
        assert z.dtype == learner.network.g.dtype == dtype
        assert np.isfinite(z).all()
        assert all(np.isfinite(array).all() for array in learner.network.running.values())


@settings(max_examples=100)
@given(data=st.data(), form=st.sampled_from(compiling.FORMS), rows=st.integers(2, 5))
def test_the_gradient_is_the_slope_along_a_direction(data: Any, form: str, rows: int) -> None:
    # Three points decide whether a kink lies between them: then the slopes on both sides differ by more than rounding.
    with running(form):
        learner = data.draw(learners("float64"))
        network = learner.network
        x, t = inputs(learner, rows, 1.0, False)
        state = network.noise_rng.bit_generator.state
        learner.gradient(x, t)
        g, θ = network.g.copy(), network.θ.copy()
        d = np.random.default_rng(1).normal(size=len(θ))
        d /= np.linalg.norm(d)
        values = []
        for way in (-1e-6, 0.0, 1e-6):
            network.θ[:] = θ + way * d
            network.noise_rng.bit_generator.state = state
            value = learner.objective(x, t)
            values.append(value + learner.penalty(rows))
        left, right = (values[1] - values[0]) / 1e-6, (values[2] - values[1]) / 1e-6
    if abs(left - right) > 1e-3 * (1 + abs(left)):
        return
    size = max(np.linalg.norm(g), 1.0)
    assert abs(float(np.sum(g * d)) - (left + right) / 2) < 1e-5 * size
