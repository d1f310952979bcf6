"""Networks: the gradient of everything together, what stands where, and what evaluation leaves out."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
import pytest

from nnexp.components.activations import Activation, Linear, Softplus, Tanh
from nnexp.components.base import members
from nnexp.components.initializers import Initializer
from nnexp.components.losses import Loss, Mse
from nnexp.components.normalizations import NoNormalization, Normalization
from nnexp.components.optimizers import Optimizer, Sgd
from nnexp.components.regularizers import Noise, Penalty, Regularizer
from nnexp.engine.learner import Learner
from nnexp.engine.network import Network
from nnexp.engine.stages import ForkStage, JoinStage, LinearStage, RowActivationStage, WeightNormStage
from tests.derivatives import check
from tests.forms import each_form, running
from tests.tasks import task, tasks
from tests.variants import described, each, variants

FLOAT64 = np.dtype("float64")
WIDTHS = (6, 12)
"""Both can be cut into two or three groups."""
NOISES = [one for one in variants(Regularizer) if isinstance(one, Noise)]
PENALTIES = [one for one in variants(Regularizer) if isinstance(one, Penalty)]


def learner(
    activation: Activation,
    normalization: Normalization,
    loss: Loss,
    outputs: int,
    noises: tuple[Noise, ...] = (),
    penalties: tuple[Penalty, ...] = (),
    dtype: str = "float64",
    optimizer: Optimizer | None = None,
) -> Learner:
    """A network of widths 3-6-12-O with parameters of order 1, none of them at a special value."""
    rng = np.random.default_rng(3)
    optimizer = optimizer or next(iter(members(Optimizer).values()))()
    network = Network(3, WIDTHS, outputs, activation, normalization, noises, np.dtype(dtype), rng)
    network.θ[:] = rng.normal(0, 0.7, network.size)
    return Learner(network, loss, optimizer, penalties)


def in_training(one: Normalization) -> bool:
    """Whether it is a case of its own while training: what evaluation and running statistics do is the same there."""
    told = {"evaluate": "running", "dialect": "pytorch"}
    return all(getattr(one, field, value) == value for field, value in told.items())


def largest(stage: RowActivationStage) -> np.ndarray:
    """Which of a unit's pre-activations is the largest."""
    return stage.z.reshape(-1, stage.f.inputs_per_unit).argmax(axis=1)


def check_gradient(one: Learner, x: np.ndarray, t: np.ndarray, penalties: tuple[Penalty, ...] = ()) -> None:
    """The learner's gradient against central differences of loss + penalties, with the noise held still."""
    network, rng = one.network, one.network.noise_rng
    start = rng.bit_generator.state
    one.gradient(x, t)
    passed, stage = network.over(len(x), training=True), one.loss_over(len(x))

    def probe() -> tuple[float, np.ndarray]:
        rng.bit_generator.state = start
        z = passed.forward(x)
        value = stage(z, t) + sum(p.share(len(x)) * p.value(network.θ[: network.weights]) for p in penalties)
        distance = z - t if t.shape == z.shape else z
        kinked = (*network._buffers[True].arrays, distance, network.θ)
        signs = np.sign(np.concatenate([array.ravel() for array in kinked]))
        return value, np.concatenate([signs, *(largest(s) for s in passed.stages if isinstance(s, RowActivationStage))])

    check(network.g, network.θ, probe)


def in_turn(members_of: list[Any], *labels: str) -> Any:
    """One of the list, another for other labels: every pair of two lists need not meet every member of a third."""
    return members_of[crc32(" ".join(labels).encode()) % len(members_of)]


@each_form
@each("normalization", Normalization, in_training)
@each("activation", Activation)
def test_gradient(activation: Activation, normalization: Normalization, form: str) -> None:
    x = np.random.default_rng(0).normal(size=(6, 3))
    loss = in_turn([cls() for cls in members(Loss).values()], described(activation), described(normalization))
    with running(form):
        one = task(loss, 6)
        check_gradient(learner(activation, normalization, loss, one.outputs), x, one.encoded)


@each_form
@each("loss", Loss)
def test_gradient_of_each_loss(loss: Loss, form: str) -> None:
    x = np.random.default_rng(0).normal(size=(6, 3))
    with running(form):
        for one in tasks(loss, 6):
            check_gradient(learner(Tanh(), NoNormalization(), loss, one.outputs), x, one.encoded)


@each_form
@each("normalization", Normalization, in_training)
@pytest.mark.parametrize("noise", NOISES, ids=described)
def test_gradient_with_noise_and_penalties(noise: Noise, normalization: Normalization, form: str) -> None:
    x = np.random.default_rng(1).normal(size=(6, 3))
    activation = in_turn(variants(Activation), described(noise), described(normalization))
    loss = in_turn([cls() for cls in members(Loss).values()], described(normalization), described(noise))
    with running(form):
        one = task(loss, 6)
        # Penalties of the loss's own size: a wrong one cannot hide.
        penalties = tuple(p.model_copy(update={"strength": 0.3}) for p in PENALTIES if p.on == "weights")
        learning = learner(activation, normalization, loss, one.outputs, (noise,), penalties)
        check_gradient(learning, x, one.encoded, penalties)


@each_form
def test_gradient_of_a_linear_model_and_of_a_deep_one(form: str) -> None:
    rng = np.random.default_rng(2)
    x, loss = rng.normal(size=(5, 3)), next(iter(members(Loss).values()))()
    one = task(loss, 5)
    with running(form):
        for widths in ((), (1,), (3, 3, 3, 3)):
            network = Network(3, widths, one.outputs, Linear(), NoNormalization(), (), FLOAT64, rng)
            network.θ[:] = rng.normal(0, 0.7, network.size)
            optimizer = next(iter(members(Optimizer).values()))()
            check_gradient(Learner(network, loss, optimizer, ()), x, one.encoded)


def test_one_vector_holds_all_parameters_weights_first() -> None:
    network = Network(3, (5, 4), 2, Linear(), NoNormalization(), (), FLOAT64)
    assert network.size == (3 + 1) * 5 + (5 + 1) * 4 + (4 + 1) * 2
    assert network.weights == 3 * 5 + 5 * 4 + 4 * 2
    covered = np.zeros(network.size, int)
    for parameter in network.parameters:
        assert np.shares_memory(network.value[parameter.name], network.θ)
        assert np.shares_memory(network.gradient[parameter.name], network.g)
        covered[parameter.offset : parameter.offset + parameter.size] += 1
        assert parameter.is_weight == (parameter.offset < network.weights)
    assert (covered == 1).all()


@each("normalization", Normalization)
def test_places_do_not_overlap(normalization: Normalization) -> None:
    network = Network(3, WIDTHS, 2, Linear(), normalization, (), FLOAT64)
    for number, parameter in enumerate(network.parameters):
        network.value[parameter.name][:] = number
    for number, parameter in enumerate(network.parameters):
        assert (network.value[parameter.name] == number).all()
    assert sum(p.size for p in network.parameters) == network.size == len(network.θ)


@each_form
@each("normalization", Normalization, in_training)
@each("activation", Activation)
def test_batch_sizes_share_memory_and_do_not_disturb(
    activation: Activation, normalization: Normalization, form: str
) -> None:
    # An epoch's smaller last batch uses the first rows of the same buffers.
    loss = next(iter(members(Loss).values()))()
    x, one = np.random.default_rng(4).normal(size=(7, 3)), task(loss, 7)
    with running(form):
        shared = learner(activation, normalization, loss, one.outputs)
        rng = shared.network.noise_rng
        start = rng.bit_generator.state
        shared.gradient(x, one.encoded)
        memory = shared.network.buffer_bytes
        rng.bit_generator.state = start
        shared.gradient(x[:3], one.encoded[:3])
        small = shared.network.g.copy()
        assert shared.network.buffer_bytes == memory
        rng.bit_generator.state = start
        shared.gradient(x, one.encoded)
        large = shared.network.g.copy()
        for rows, found in ((3, small), (7, large)):
            alone = learner(activation, normalization, loss, one.outputs)
            alone.network.noise_rng.bit_generator.state = start
            alone.gradient(x[:rows], one.encoded[:rows])
            np.testing.assert_array_equal(found, alone.network.g)


@each("normalization", Normalization)
@pytest.mark.parametrize("noise", NOISES, ids=described)
def test_evaluation_is_without_noise_and_changes_nothing(noise: Noise, normalization: Normalization) -> None:
    x = np.random.default_rng(5).normal(size=(6, 3))
    noisy = learner(Linear(), normalization, Mse(), 2, (noise,))
    plain = learner(Linear(), normalization, Mse(), 2)
    noisy.network.θ[:] = plain.network.θ
    state = noisy.network.noise_rng.bit_generator.state
    before = [array.copy() for array in (noisy.network.θ, *noisy.network.running.values())]
    first = noisy.outputs(x)
    np.testing.assert_array_equal(first, noisy.outputs(x))
    np.testing.assert_array_equal(first, plain.outputs(x))
    assert noisy.network.noise_rng.bit_generator.state == state
    for old, new in zip(before, (noisy.network.θ, *noisy.network.running.values()), strict=True):
        np.testing.assert_array_equal(old, new)


@each("normalization", Normalization)
@each("activation", Activation)
def test_evaluation_in_chunks_is_row_by_row(activation: Activation, normalization: Normalization) -> None:
    x = np.random.default_rng(6).normal(size=(7, 3))
    one = learner(activation, normalization, Mse(), 2)
    whole = one.outputs(x)
    if not one.network.rows_by_themselves:
        return
    np.testing.assert_allclose(one.outputs(x, chunk=3), whole, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(one.outputs(x, chunk=1), whole, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("noise", [noise for noise in NOISES if noise.keeps_mean], ids=described)
def test_noise_keeps_the_expectation(noise: Noise) -> None:
    # In a network without non-linearity the mean over many masks is the output without noise.
    x, draws = np.ones((1000, 3)), 40
    one = learner(Linear(), NoNormalization(), Mse(), 2, (noise,))
    noisy = np.stack([one.network.over(1000, training=True).forward(x).copy() for _ in range(draws)])
    expected, error = one.outputs(x[:1])[0], noisy.std(axis=(0, 1)) / (1000 * draws) ** 0.5
    assert (error > 0).all()
    assert (np.abs(noisy.mean(axis=(0, 1)) - expected) < 5 * error).all()


X = np.random.default_rng(8).normal(size=(40, 3))


def initialized(initializer: Initializer, normalization: Normalization, dtype: str = "float64") -> Network:
    """A network of widths 3-6-12-2 from one seed."""
    network = Network(3, WIDTHS, 2, Linear(), normalization, (), np.dtype(dtype))
    network.initialize(initializer, 1, X.astype(dtype))
    return network


@each("initializer", Initializer, lambda initializer: not initializer.to_unit_variance)
def test_normalization_leaves_the_weights_as_they_are_drawn(initializer: Initializer) -> None:
    plain = initialized(initializer, NoNormalization())
    for normalization in variants(Normalization):
        network = initialized(initializer, normalization)
        for name, value in network.value.items():
            kind = name.split(".")[1]
            if kind == "gain":
                np.testing.assert_allclose(value, np.linalg.norm(plain.value[f"{name.split('.')[0]}.weight"], axis=0))
                continue
            expected = {"gamma": 1.0, "beta": 0.0}[kind] if kind in ("gamma", "beta") else plain.value[name]
            np.testing.assert_array_equal(value, np.broadcast_to(expected, value.shape))


@each("initializer", Initializer)
def test_both_precisions_start_at_the_same_point(initializer: Initializer) -> None:
    double, single = (initialized(initializer, NoNormalization(), dtype) for dtype in ("float64", "float32"))
    tolerance = 1e-6 if initializer.to_unit_variance else 0  # that takes a standard deviation in the run's precision
    np.testing.assert_allclose(single.θ, double.θ.astype("float32"), rtol=tolerance)


@each("initializer", Initializer, lambda initializer: initializer.to_unit_variance)
@each("normalization", Normalization)
def test_outputs_of_each_layer_have_unit_variance(initializer: Initializer, normalization: Normalization) -> None:
    network = initialized(initializer.model_copy(update={"bias": 0.5}), normalization)
    passed = network.over(len(X), training=False)
    passed.forward(X)
    linear = [stage for stage in passed.stages if isinstance(stage, LinearStage | WeightNormStage)]
    assert [np.std(stage.x @ stage.W) for stage in linear] == pytest.approx([1.0, 1.0, 1.0], rel=1e-12)


@pytest.mark.parametrize("bias", [0.7, (0.1, -0.2)])
@each("initializer", Initializer)
def test_the_output_can_start_with_a_bias_of_its_own(initializer: Initializer, bias: float | tuple) -> None:
    plain = initialized(initializer, NoNormalization())
    network = initialized(initializer.model_copy(update={"output_bias": bias}), NoNormalization())
    for name, value in network.value.items():
        expected = bias if name == "output.bias" else plain.value[name]
        np.testing.assert_array_equal(value, np.broadcast_to(expected, value.shape))


@each_form
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each("normalization", Normalization, in_training)
@each("activation", Activation)
def test_one_precision_everywhere(activation: Activation, normalization: Normalization, dtype: str, form: str) -> None:
    loss = next(iter(members(Loss).values()))()
    one = task(loss, 6, dtype)
    x = np.random.default_rng(7).normal(size=(6, 3)).astype(dtype)
    penalties = tuple(PENALTIES)
    with running(form):
        for cls in [in_turn(list(members(Optimizer).values()), described(activation), described(normalization), form)]:
            learning = learner(activation, normalization, loss, one.outputs, tuple(NOISES), penalties, dtype, cls())
            learning.step(x, one.encoded, 0.01)
            z = learning.outputs(x)
            network = learning.network
            arrays = [network.θ, network.g, z, learning.steps.coefficients]
            arrays += [*network.running.values(), *learning.slots.values()]
            for training in (True, False):
                arrays += network._buffers[training].arrays
            for passed in (*network._passes.values(), learning.loss_over(6)):
                for stage in getattr(passed, "stages", [passed]):
                    arrays += [value for value in vars(stage).values() if isinstance(value, np.ndarray)]
            assert {str(array.dtype) for array in arrays} == {dtype}


def test_the_first_layer_computes_no_input_gradient() -> None:
    network = Network(3, (5, 4), 2, Linear(), NoNormalization(), (), FLOAT64)
    passed = network.over(6, training=True)
    linear = [stage for stage in passed.stages if isinstance(stage, LinearStage)]
    assert [None if stage.into is None else stage.into.shape for stage in linear] == [None, (6, 5), (6, 4)]
    passed.connect(np.zeros((6, 2)))
    assert [len(stage.back) for stage in linear] == [1, 2, 2]


# -- one activation a layer, and shortcuts -----------------------------------------------------------------------------


@each_form
def test_each_layer_has_its_own_activation(form: str) -> None:
    rng = np.random.default_rng(9)
    x, loss = rng.normal(size=(6, 3)), Mse()
    each = tuple(variants(Activation))
    with running(form):
        network = Network(3, (2,) * len(each), 2, each, NoNormalization(), (), FLOAT64, rng)
        network.θ[:] = rng.normal(0, 1.2, network.size)
        assert [layer.activation for layer in network.layers] == [*each, None]
        z = network.over(6, training=False).forward(x)
        assert np.isfinite(z).all()
        pair = Network(3, (4, 2), 2, (Tanh(), Softplus()), NoNormalization(), (), FLOAT64, rng)
        pair.θ[:] = rng.normal(size=pair.size)
        v = pair.value
        h = np.log1p(
            np.exp(np.tanh(x @ v["hidden1.weight"] + v["hidden1.bias"]) @ v["hidden2.weight"] + v["hidden2.bias"])
        )
        expected = h @ v["output.weight"] + v["output.bias"]
        np.testing.assert_allclose(pair.over(6, training=False).forward(x), expected, rtol=1e-12)
        check_gradient(Learner(pair, loss, Sgd(), ()), x, rng.normal(size=(6, 2)))


@each_form
@pytest.mark.parametrize("every", [1, 2, 3])
@each("normalization", Normalization, in_training)
def test_shortcuts(normalization: Normalization, every: int, form: str) -> None:
    # h ← h + what left the layer `every` layers before, written out by hand for a linear network.
    rng = np.random.default_rng(10)
    x, depth = rng.normal(size=(6, 3)), 5
    with running(form):
        network = Network(3, (6,) * depth, 2, Linear(), NoNormalization(), (), FLOAT64, rng, every)
        network.θ[:] = rng.normal(0, 0.5, network.size)
        h, kept = x, None
        for number, layer in enumerate(network.layers[:-1]):
            h = h @ network.value[f"{layer.name}.weight"] + network.value[f"{layer.name}.bias"]
            if number % every == 0:
                h = h if kept is None else h + kept
                kept = h
        expected = h @ network.value["output.weight"] + network.value["output.bias"]
        np.testing.assert_allclose(network.over(6, training=False).forward(x), expected, rtol=1e-12)
        for noises in ((), tuple(NOISES[:1])):
            other = Network(3, (6,) * depth, 2, Tanh(), normalization, noises, FLOAT64, rng, every)
            other.θ[:] = rng.normal(0, 0.5, other.size)
            check_gradient(Learner(other, Mse(), Sgd(), ()), x, rng.normal(size=(6, 2)))


@pytest.mark.parametrize(("every", "joins"), [(1, [2, 3, 4, 5]), (2, [3, 5]), (3, [4]), (4, [5])])
def test_where_shortcuts_end(every: int, joins: list[int]) -> None:
    network = Network(3, (6,) * 5, 2, Linear(), NoNormalization(), (), FLOAT64, None, every)
    assert network.joins == [f"hidden{n}" for n in joins]
    stages = network.over(4, training=True).stages
    for kind in (ForkStage, JoinStage):
        assert sum(isinstance(stage, kind) for stage in stages) == len(joins)
