"""Pre-training: hidden layers that know their inputs, whatever the targets; the mathematics against enumeration."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import ValidationError

from nnexp.components.activations import Activation, Linear, Prelu, Sigmoid, Softmax
from nnexp.components.base import members
from nnexp.components.initializers import HeNormal, Initializer, XavierNormal
from nnexp.components.normalizations import NoNormalization, Normalization
from nnexp.components.pretraining import Autoencoder, Pretraining, Rbm
from nnexp.components.regularizers import Dropout
from nnexp.engine.experiment import Experiment
from nnexp.engine.network import Network
from nnexp.engine.pretrain import AutoencoderModel, Pretrainer, RbmModel, inputs_of
from nnexp.engine.stages import LinearStage, WeightNormStage
from nnexp.engine.streams import PURPOSES
from nnexp.engine.trainer import Row, Trainer
from tests.derivatives import check
from tests.forms import each_form, running
from tests.small import arrays, rows, trained, trainer
from tests.variants import _other_numbers, each, each_member, variants

F64 = np.dtype("float64")


def quick(one: Pretraining, **changes: Any) -> dict[str, Any]:
    """A small experiment with that pre-training, in batches of 8, on inputs that it takes."""
    scaled = "minmax" if getattr(one, "visible", None) == "bernoulli" else "standardize"
    shortened = one.model_copy(update={"batch": 8, "epochs": min(one.epochs, 5)})
    dataset = {"name": "moons", "n": 60, "preprocessing": scaled}
    return {"dataset": dataset, "activation": "sigmoid", "pretrain": shortened.model_dump(), "stop": 1, **changes}


def begun(one: Trainer) -> Trainer:
    """The trainer at its first row."""
    next(event for event in one.run() if isinstance(event, Row))
    return one


# -- what holds for every member -------------------------------------------------------------------


@each("pretraining", Pretraining)
def test_only_hidden_layers_change(pretraining: Pretraining) -> None:
    one = begun(trainer(**quick(pretraining)))
    for name, array in trainer(**quick(pretraining)).network.value.items():
        assert np.array_equal(array, one.network.value[name]) == name.startswith("output"), name


@each("pretraining", Pretraining)
def test_the_same_again(pretraining: Pretraining) -> None:
    fields = quick(pretraining, stop=2)
    one, other = trainer(**fields), trainer(**fields)
    assert rows(one) == rows(other)
    assert arrays(one) == arrays(other)
    assert one.pretrained == other.pretrained
    assert arrays(trained(**fields, seed=1)) != arrays(one)


@each("pretraining", Pretraining)
def test_no_other_stream_is_moved(pretraining: Pretraining, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    import nnexp.engine.pretrain as module

    stream = module.stream
    monkeypatch.setattr(module, "stream", lambda seed, purpose, *index: asked.append(purpose) or stream(seed, purpose))
    fields = quick(pretraining, regularization="dropout", batch={"name": "mini", "size": 8, "shuffle": "sklearn"})
    one, plain = begun(trainer(**fields)), begun(trainer(**{**fields, "pretrain": None}))
    assert set(asked) == {"pretrain"} <= set(PURPOSES)
    assert one.noise_rng.bit_generator.state == plain.noise_rng.bit_generator.state
    for epoch in (1, 2):
        np.testing.assert_array_equal(one.batches.order(epoch), plain.batches.order(epoch))


@each("pretraining", Pretraining)
def test_targets_and_held_out_examples_are_not_looked_at(pretraining: Pretraining) -> None:
    one = trainer(**quick(pretraining))
    data = one.experiment.data
    wrong = replace(data.train, t=data.train.t[::-1].copy())
    held = {name: replace(data.split(name), x=data.split(name).x + 1) for name in ("validation", "test")}
    other = Trainer(Experiment(one.config, replace(data, train=wrong, **held)))
    np.testing.assert_array_equal(begun(one).network.θ, begun(other).network.θ)


@each("pretraining", Pretraining)
def test_every_layer_is_reconstructed_better(pretraining: Pretraining) -> None:
    fields = quick(pretraining, architecture={"name": "mlp", "hidden": (20, 10)}, initialization="xavier_normal")
    digits = {**fields["dataset"], "name": "digits"}
    digits.pop("n")
    if digits["preprocessing"] == "standardize":
        digits["preprocessing"] = {"name": "standardize", "scale": "global"}
    one = begun(trainer(**fields | {"dataset": digits}))
    assert [found["layer"] for found in one.pretrained] == ["hidden1", "hidden2"]
    for found in one.pretrained:
        assert 0 < found["after"] < 0.7 * found["before"]
    assert one.seconds > 0, "the seconds of pre-training are training seconds"


@pytest.mark.parametrize("precision", ["float32", "float64"])
@each("pretraining", Pretraining)
def test_one_precision(pretraining: Pretraining, precision: str) -> None:
    one = begun(trainer(**quick(pretraining), precision=precision))
    config = one.config
    assert config.pretrain is not None
    layers = Pretrainer(config.pretrain, one.network, config.initialization, one.experiment.data.train.x, 0)
    model = layers._model(0, one.network.layers[0], np.random.default_rng(0))
    model.step(layers.x[:8])
    assert model.reconstruct(layers.x).dtype == one.network.θ.dtype == np.dtype(precision)


@each_member("cls", Pretraining)
def test_layer_after_layer(cls: type[Pretraining]) -> None:
    # The second layer learns from what the first makes once it is pre-trained.
    one = trainer(**quick(cls(), precision="float64"))
    net, config, x = one.network, one.config, one.experiment.data.train.x
    assert config.pretrain is not None
    layers = Pretrainer(config.pretrain, net, config.initialization, x, config.seed)
    start, first = net.θ.copy(), None
    for _ in layers.run():
        if first is None and layers.errors:
            first = inputs_of(net, 1, x)
            np.testing.assert_array_equal(net.value["hidden2.weight"], _named(net, start, "hidden2.weight"))
    assert first is not None
    z = x @ net.value["hidden1.weight"] + net.value["hidden1.bias"]
    np.testing.assert_allclose(first, 1 / (1 + np.exp(-z)), rtol=1e-12)
    assert not np.array_equal(net.value["hidden2.weight"], _named(net, start, "hidden2.weight"))
    other = begun(trainer(**quick(cls(), precision="float64")))
    assert other.pretrained == layers.errors, "from the initial network on, the trainer does the same"


def _named(network: Network, vector: np.ndarray, name: str) -> np.ndarray:
    return next(p for p in network.parameters if p.name == name).view(vector)


@pytest.mark.parametrize("model", [AutoencoderModel, RbmModel])
def test_each_epoch_shows_every_example_once(model: type[AutoencoderModel | RbmModel], monkeypatch: Any) -> None:
    shown: dict[str, list[np.ndarray]] = {}
    step = model.step

    def and_note(self: Any, x: np.ndarray) -> None:
        shown.setdefault(self.layer.name, []).append(x.copy())
        step(self, x)

    monkeypatch.setattr(model, "step", and_note)
    name = "autoencoder" if model is AutoencoderModel else "rbm"
    fields = {"activation": "sigmoid", "pretrain": {"name": name, "epochs": 2, "batch": 9}, "precision": "float64"}
    orders = []
    for seed in (0, 1):
        shown.clear()
        one = begun(trainer(**fields, seed=seed))
        for number in (0, 1):
            x = inputs_of(one.network, number, one.experiment.data.train.x)
            batches = shown[f"hidden{number + 1}"]
            assert [len(batch) for batch in batches] == [9] * 8, "36 examples in 2 epochs"
            for epoch in (batches[:4], batches[4:]):
                rows_of = np.concatenate(epoch)
                order = np.argmin(abs(rows_of[:, None] - x).sum(axis=2), axis=1)
                np.testing.assert_allclose(rows_of, x[order], rtol=1e-12)
                assert sorted(order) == list(range(36))
                orders.append(tuple(order))
    assert len(set(orders)) == 8, "another order for each epoch, layer and seed"


def test_what_a_layer_sees_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    # But where batch normalization takes its statistics from what it is given, that must be the whole split.
    for norm in variants(Normalization):
        one = trainer(
            architecture={"name": "mlp", "hidden": (6, 6)}, normalization=norm.model_dump(), precision="float64"
        )
        x = one.experiment.data.train.x
        passed = one.network.over(len(x), training=False)
        passed.forward(x)
        whole = [stage.x for stage in passed.stages if isinstance(stage, LinearStage | WeightNormStage)][2].copy()
        np.testing.assert_array_equal(inputs_of(one.network, 2, x), whole)
        monkeypatch.setattr("nnexp.engine.pretrain.CHUNK", 10)
        np.testing.assert_allclose(inputs_of(one.network, 2, x), whole, rtol=1e-12, atol=1e-15)


def test_its_seconds_are_training_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock that goes on by one with each look: there is one after each of 16 updates.
    for tick in (-1.0, 1e9):
        now = iter(range(100_000))
        monkeypatch.setattr("nnexp.engine.trainer.TICK", tick)
        monkeypatch.setattr("nnexp.engine.trainer.perf_counter", lambda now=now: float(next(now)))
        one = begun(trainer(pretrain={"name": "autoencoder", "epochs": 2, "batch": 8}))
        assert one.seconds == 17


@each_member("cls", Pretraining)
def test_a_rate_that_is_too_large_is_told(cls: type[Pretraining]) -> None:
    one = trainer(**quick(cls(lr=1e30)))
    assert rows(one) == []
    assert one.outcome is not None
    assert (one.outcome.status, one.outcome.epoch) == ("diverged", 0)
    assert one.outcome.reason.startswith("the reconstruction error of hidden1 became")
    assert one.outcome.reason.endswith("in pre-training")


@each("pretraining", Pretraining)
def test_every_option_does_something(pretraining: Pretraining) -> None:
    # Inputs in [0, 1] suit all of them.
    dataset = {"name": "moons", "n": 60, "preprocessing": "minmax"}
    fields = quick(pretraining, dataset=dataset, precision="float64")
    plain = begun(trainer(**fields)).network.θ
    given = type(pretraining).model_validate(fields["pretrain"])
    for key, field in type(pretraining).model_fields.items():
        value = getattr(given, key)
        switched = (not value,) if isinstance(value, bool) else ()
        others = (*get_args(field.annotation), *_other_numbers(value), *switched)
        for value in others if key != "name" else ():
            try:
                other = type(pretraining).model_validate({**given.model_dump(), key: value})
            except ValidationError:
                continue
            if other != given:
                found = begun(trainer(**fields | {"pretrain": other.model_dump()})).network.θ
                assert not np.array_equal(found, plain), key
                break
        else:
            assert key == "name", f"nothing else to say for {key}"


@each("initializer", Initializer)
def test_from_any_initialization(initializer: Initializer) -> None:
    # Also those that draw from another generator, of which nothing is taken.
    for cls in members(Pretraining).values():
        fields = quick(cls(), initialization=initializer.model_dump(), batch={"name": "mini", "shuffle": "sklearn"})
        one, plain = begun(trainer(**fields)), begun(trainer(**fields | {"pretrain": None}))
        assert np.isfinite(one.network.θ).all()
        assert len(one.pretrained) == 2
        np.testing.assert_array_equal(one.batches.order(1), plain.batches.order(1))
        one.experiment.rehearse()


# -- the layer that is handed over -----------------------------------------------------------------


@pytest.mark.parametrize("residual", [None, 1])
@each("normalization", Normalization)
def test_any_network_gets_the_layer_of_its_autoencoder(normalization: Normalization, residual: int | None) -> None:
    for f in ("prelu", "maxout", "noisy_relu", "swish"):
        _same_hidden_layer(normalization, f, residual)


@each("f", Activation)
def test_any_activation_can_be_pretrained(f: Activation) -> None:
    _same_hidden_layer(NoNormalization(), f, None)


def _same_hidden_layer(normalization: Normalization, f: Any, residual: int | None) -> None:
    """The network's own layer does with its inputs what the autoencoder's does."""
    one = trainer(
        architecture={"name": "mlp", "hidden": (6, 6), "residual": residual},
        activation=f if isinstance(f, str) else f.model_dump(),
        normalization=normalization.model_dump(),
        regularization=({"name": "dropout", "rate": 0.5}, "l2"),
        pretrain={"name": "autoencoder", "batch": 8, "epochs": 2},
        precision="float64",
    )
    net, x = one.network, one.experiment.data.train.x
    rng = np.random.default_rng(0)
    for number, layer in enumerate(net.layers[:-1]):
        pretraining = Autoencoder(batch=8, epochs=2, tied=layer.mapped == layer.outputs and number == 0)
        seen = inputs_of(net, number, x)
        model = AutoencoderModel(pretraining, net, layer, HeNormal(), rng)
        for start in range(0, 32, 8):
            model.step(seen[start : start + 8])
        before = {name: array.copy() for name, array in net.value.items()}
        model.hand_over()
        for name, array in net.value.items():
            mine = name.startswith(f"{layer.name}.")
            assert mine or np.array_equal(array, before[name])
        assert not np.array_equal(net.value[f"{layer.name}.weight"], before[f"{layer.name}.weight"])
        assert set(model.network.value) == {p.name.replace(layer.name, "hidden1") for p in layer.parameters()} | {
            "output.weight",
            "output.bias",
        }
        there = inputs_of(model.network, 1, seen)
        here = inputs_of(net, number + 1, x)
        expected = there + seen if residual and number else there
        np.testing.assert_allclose(here, expected, rtol=1e-12, atol=1e-14)


# -- the autoencoder -------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
def test_a_linear_autoencoder_comes_to_what_pca_can_do(tied: bool) -> None:
    # Eckart and Young 1936: the best reconstruction of rank k leaves the smaller singular values.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 5)) @ rng.normal(size=(5, 5)) + rng.normal(size=5)
    left = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2 / x.size
    for k in (1, 2, 4):
        network = Network(5, (k,), 1, Linear(), NoNormalization(), (), F64)
        network.initialize(XavierNormal(), 0, x)
        layers = Pretrainer(Autoencoder(epochs=4000, batch=64, lr=0.01, tied=tied), network, XavierNormal(), x, 0)
        for _ in layers.run():
            pass
        found, best = layers.errors[0]["after"], left[k:].sum()
        assert best * (1 - 1e-12) < found < best * 1.001


@each_form
@each("normalization", Normalization)
def test_tied_weights_have_the_gradient_of_both_parts(normalization: Normalization, form: str) -> None:
    _both_parts(Sigmoid(), normalization, form)


@each_form
@pytest.mark.parametrize("f", [Linear(), Prelu(), Softmax()], ids=lambda f: f.label())
def test_tied_weights_of_any_activation_have_it(f: Activation, form: str) -> None:
    _both_parts(f, NoNormalization(), form)


def _both_parts(f: Activation, normalization: Normalization, form: str) -> None:
    with running(form):
        rng = np.random.default_rng(3)
        network, x = Network(5, (12,), 1, f, normalization, (), F64), rng.normal(size=(6, 5))
        network.initialize(XavierNormal(), 0, x)
        model = AutoencoderModel(Autoencoder(tied=True), network, network.layers[0], XavierNormal(), rng)
        inner, learner = model.network, model.learner
        for bias in (name for name in inner.value if name.endswith("bias")):
            inner.value[bias][:] = rng.normal(size=inner.value[bias].shape)
        learner.objective(x, x)
        found = inner.g.copy()
        for one in inner.parameters:
            if one.name == "output.weight":
                assert not one.view(found).any()
            else:
                check(one.view(found), inner.value[one.name], lambda: (learner.objective(x, x), np.zeros(1)))


def test_tied_weights_of_a_linear_layer_by_hand() -> None:
    # loss = mean of (x W Wᵀ - x)², so dloss/dW = 2/(B I) (xᵀ e W + eᵀ x W) with e = x W Wᵀ - x.
    rng = np.random.default_rng(5)
    network = Network(4, (3,), 1, Linear(), NoNormalization(), (), F64)
    network.initialize(XavierNormal(), 0, np.zeros((1, 4)))
    model = AutoencoderModel(Autoencoder(tied=True), network, network.layers[0], XavierNormal(), rng)
    x, W = rng.normal(size=(7, 4)), network.value["hidden1.weight"]
    e = x @ W @ W.T - x
    assert model.learner.objective(x, x) == pytest.approx(np.mean(e**2), rel=1e-13)
    expected = 2 / x.size * (x.T @ e @ W + e.T @ x @ W)
    np.testing.assert_allclose(model.network.gradient["hidden1.weight"], expected, rtol=1e-12)
    np.testing.assert_allclose(model.reconstruct(x), x @ W @ W.T, rtol=1e-12)


@each("normalization", Normalization)
def test_tied_weights_stay_transposed(normalization: Normalization) -> None:
    network = Network(4, (6,), 1, Sigmoid(), normalization, (), F64)
    x = np.random.default_rng(0).normal(size=(16, 4))
    network.initialize(XavierNormal(), 0, x)
    model = AutoencoderModel(
        Autoencoder(tied=True), network, network.layers[0], XavierNormal(), np.random.default_rng(1)
    )
    before = np.mean((model.reconstruct(x) - x) ** 2)
    for _ in range(200):
        model.step(x)
    after = np.mean((model.reconstruct(x) - x) ** 2)
    assert after < before
    W, V = model.network.value["hidden1.weight"], model.network.value["output.weight"]
    if network.layers[0].has_gain:
        W = W / np.linalg.norm(W, axis=0) * model.network.value["hidden1.gain"]
    np.testing.assert_allclose(V, W.T, rtol=1e-14)


def test_tied_or_not_the_batches_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[np.ndarray] = []
    step = AutoencoderModel.step
    monkeypatch.setattr(AutoencoderModel, "step", lambda self, x: shown.append(x.copy()) or step(self, x))
    for tied in (False, True):
        begun(trainer(pretrain={"name": "autoencoder", "epochs": 2, "batch": 9, "tied": tied}))
    half = len(shown) // 2
    for one, other in zip(shown[: half // 2], shown[half : half + half // 2], strict=True):  # of the first layer
        np.testing.assert_array_equal(one, other)


def test_noise_damages_the_share_that_it_says() -> None:
    x = np.random.default_rng(0).normal(size=(1000, 20)).astype("float32")
    u = np.random.default_rng(1).random(x.shape, "float32")
    found = Autoencoder(noise=0.3).damaged(x, u)
    assert found.dtype == x.dtype
    assert np.mean(found == 0) == pytest.approx(0.3, abs=0.017)  # 5 standard errors
    np.testing.assert_array_equal(found[found != 0], x[found != 0])


def test_noise_is_in_the_inputs_and_not_in_what_is_asked_for() -> None:
    # With hardly anything left of the inputs nothing can be said but their mean.
    x = np.random.default_rng(0).normal(size=(64, 4)) + 3
    network = Network(4, (8,), 1, Sigmoid(), NoNormalization(), (), F64)
    network.initialize(XavierNormal(), 0, x)
    blind = Autoencoder(noise=1 - 1e-12, epochs=1000, batch=64)
    model = AutoencoderModel(blind, network, network.layers[0], XavierNormal(), np.random.default_rng(0))
    for _ in range(2000):
        model.step(x)
    np.testing.assert_allclose(model.reconstruct(np.zeros((1, 4)))[0], x.mean(axis=0), rtol=1e-4)


# -- the restricted Boltzmann machine, enumerated --------------------------------------------------

I, O = 4, 3
STATES = {n: np.array(list(product((0.0, 1.0), repeat=n))) for n in (I, O)}


def tiny(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W, a and b of a machine with 4 visible and 3 hidden units."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(I, O)), 0.5 * rng.normal(size=I), 0.5 * rng.normal(size=O)


def likelihood(v: np.ndarray, W: np.ndarray, a: np.ndarray, b: np.ndarray, gaussian: bool) -> np.ndarray:
    """ln p(v) of each row, by summing over all hidden states, and for Z over all there are."""
    h = STATES[O]
    energy = -(v @ a)[:, None] - h @ b - v @ W @ h.T
    if gaussian:
        energy += (v**2).sum(axis=1)[:, None] / 2
        # ∫ exp(a·v + v W h - ½‖v‖²) dv = (2π)^(I/2) exp(½‖a + W h‖²)
        Z = np.sum(np.exp(h @ b + ((a + h @ W.T) ** 2).sum(axis=1) / 2)) * (2 * np.pi) ** (I / 2)
    else:
        s = STATES[I]
        Z = np.sum(np.exp((s @ a)[:, None] + h @ b + s @ W @ h.T))
    return np.log(np.exp(-energy).sum(axis=1) / Z)


def by_differences(v: np.ndarray, parts: tuple[np.ndarray, ...], gaussian: bool) -> list[np.ndarray]:
    """The gradient of the mean log-likelihood by W, a and b."""
    found = []
    for part in parts:
        g = np.zeros_like(part)
        for i in np.ndindex(part.shape):
            middle, ends = part[i], []
            for step in (1e-5, -1e-5):
                part[i] = middle + step
                ends.append(np.mean(likelihood(v, *parts, gaussian)))  # type: ignore[call-arg]
            part[i], g[i] = middle, (ends[0] - ends[1]) / 2e-5
        found.append(g)
    return found


def test_likelihood_is_one() -> None:
    # The reference itself: probabilities of all visible states sum to 1, the density's integral is 1.
    W, a, b = tiny(0)
    assert np.exp(likelihood(STATES[I], W, a, b, gaussian=False)).sum() == pytest.approx(1, rel=1e-12)
    grid = np.arange(-8, 10, 0.6)
    v = np.array(list(product(grid, repeat=I)))
    assert np.exp(likelihood(v, W, a, b, gaussian=True)).sum() * 0.6**I == pytest.approx(1, rel=1e-6)


def test_conditionals_are_those_of_the_joint_distribution() -> None:
    W, a, b = tiny(1)
    s, h = STATES[I], STATES[O]
    joint = np.exp((s @ a)[:, None] + h @ b + s @ W @ h.T)
    joint /= joint.sum()
    np.testing.assert_allclose(Rbm.hidden(s, W, b), joint @ h / joint.sum(axis=1)[:, None], rtol=1e-12)
    expected = joint.T @ s / joint.sum(axis=0)[:, None]
    np.testing.assert_allclose(Rbm.visible_mean(h, W, a, gaussian=False), expected, rtol=1e-12)
    np.testing.assert_allclose(Rbm.visible_mean(h, W, a, gaussian=True), h @ W.T + a, rtol=1e-12)


@pytest.mark.parametrize("gaussian", [False, True])
def test_many_steps_give_the_gradient_of_the_likelihood(gaussian: bool) -> None:
    rng = np.random.default_rng(2)
    parts = tiny(3)
    data = rng.normal(size=(4, I)) if gaussian else STATES[I][[0, 3, 9, 14]]
    exact = by_differences(data, parts, gaussian)
    chains = np.repeat(data, 10_000, axis=0)
    found = Rbm(k=25).contrast(chains, *parts, gaussian, rng)
    # 5 standard errors over 40,000 chains: what is averaged is at most in [0, 1], or spread by about 2.
    bound = 5 * (2 if gaussian else 0.5) / 40_000**0.5
    for g, expected in zip(found, exact, strict=True):
        assert np.abs(expected).max() > 5 * bound
        np.testing.assert_allclose(g, expected, atol=bound)
    short = Rbm(k=1).contrast(chains, *parts, gaussian, rng)
    assert max(np.abs(g - expected).max() for g, expected in zip(short, exact, strict=True)) > 2 * bound


@pytest.mark.parametrize("gaussian", [False, True])
def test_persistent_chains_go_on(gaussian: bool) -> None:
    # At fixed parameters n updates of one step each are chains of n steps from the data, to the bit.
    parts, v = tiny(4), STATES[I][[0, 3, 9, 14]]
    for n in (1, 2, 7):
        chains, rng = v.copy(), np.random.default_rng(0)
        for _ in range(n):
            g = Rbm(persistent=True).contrast(v, *parts, gaussian, rng, chains)
        expected = Rbm(k=n).contrast(v, *parts, gaussian, np.random.default_rng(0))
        for one, other in zip(g, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("k", [1, 3])
def test_chains_that_have_the_distribution_keep_it(k: int) -> None:
    # Chains in all states as often as the machine says: their counts stay so, and g is the likelihood's gradient.
    rng, parts = np.random.default_rng(6), tiny(7)
    p = np.exp(likelihood(STATES[I], *parts, gaussian=False))
    n = 40_000
    chains = STATES[I][rng.choice(len(p), n, p=p)]
    data = np.repeat(STATES[I][[0, 3, 9, 14]], n // 4, axis=0)
    g = Rbm(k=k, persistent=True).contrast(data, *parts, False, rng, chains)
    counts = np.bincount((chains @ 2 ** np.arange(I)[::-1]).astype(int), minlength=len(p)) / n
    assert np.abs(counts - p).max() < 5 * np.sqrt(0.25 / n)
    for found, expected in zip(g, by_differences(data[:: n // 4], parts, False), strict=True):
        np.testing.assert_allclose(found, expected, atol=5 * 0.5 / n**0.5)


def test_persistent_chains_of_a_machine() -> None:
    network = Network(I, (O,), 1, Sigmoid(), NoNormalization(), (), F64)
    network.initialize(XavierNormal(), 0, np.zeros((1, I)))
    data, rng = np.repeat(STATES[I][[1, 2, 12, 1]], 20, axis=0), np.random.default_rng(0)
    kept = RbmModel(Rbm(persistent=True), network, network.layers[0], False, rng)
    fresh = RbmModel(Rbm(), network, network.layers[0], False, np.random.default_rng(0))
    kept.step(data)
    fresh.step(data)
    np.testing.assert_array_equal(kept.W, fresh.W)  # the first update begins at the data
    assert fresh.chains is None
    assert kept.chains is not None
    assert kept.chains.shape == data.shape
    np.testing.assert_array_equal(data[::20], STATES[I][[1, 2, 12, 1]])
    kept.step(data)
    fresh.step(data)
    assert not np.array_equal(kept.W, fresh.W)


@pytest.mark.parametrize(("k", "persistent"), [(1, False), (5, False), (1, True)])
@pytest.mark.parametrize("gaussian", [False, True])
def test_training_raises_the_likelihood(gaussian: bool, k: int, persistent: bool) -> None:
    rng = np.random.default_rng(0)
    data = np.repeat(STATES[I][[1, 2, 12]], 40, axis=0)
    if gaussian:
        data = 4 * data - 2 + rng.normal(size=data.shape)
    network = Network(I, (O,), 1, Sigmoid(), NoNormalization(), (), F64)
    network.initialize(XavierNormal(), 0, data)
    model = RbmModel(Rbm(lr=0.05, k=k, persistent=persistent), network, network.layers[0], gaussian, rng)
    before = likelihood(data, model.W, model.a, model.b, gaussian).mean()
    for _ in range(100):
        for start in range(0, 120, 20):
            model.step(rng.permutation(data)[start : start + 20])
    after = likelihood(data, model.W, model.a, model.b, gaussian).mean()
    assert after > before + 0.5
    model.hand_over()
    np.testing.assert_allclose(inputs_of(network, 1, data), Rbm.hidden(data, model.W, model.b), atol=1e-15)


def test_momentum_is_the_share_of_the_last_step_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(2, (1,), 1, Sigmoid(), NoNormalization(), (), F64)
    model = RbmModel(Rbm(lr=0.5, momentum=0.25), network, network.layers[0], False, np.random.default_rng(0))
    one = (np.ones((2, 1)), np.ones(2), np.ones(1))
    monkeypatch.setattr(Rbm, "contrast", lambda *args: one)
    seen = []
    for _ in range(3):
        model.step(np.zeros((1, 2)))
        seen.append(float(model.W[0, 0]))
    # steps 0.5, 0.625 and 0.65625
    assert seen == [0.5, 1.125, 1.78125]
    assert (model.a == 1.78125).all()
    assert (model.b == 1.78125).all()


def test_the_first_layer_is_what_it_says_and_those_above_are_bernoulli() -> None:
    for visible in ("gaussian", "bernoulli"):
        network = Network(2, (3, 3), 1, Sigmoid(), NoNormalization(), (Dropout(),), F64, np.random.default_rng(0))
        layers = Pretrainer(Rbm(visible=visible), network, HeNormal(), np.zeros((32, 2)), 0)  # type: ignore[arg-type]
        kinds = [layers._model(i, layer, np.random.default_rng(0)) for i, layer in enumerate(network.layers[:2])]
        assert [isinstance(one, RbmModel) and one.gaussian for one in kinds] == [visible == "gaussian", False]


def test_weights_keep_their_length_under_weight_normalization() -> None:
    fields = quick(Rbm(), normalization="weight", precision="float64")
    one, plain = begun(trainer(**fields)), begun(trainer(**{**fields, "normalization": "none"}))
    np.testing.assert_array_equal(one.network.value["hidden1.weight"], plain.network.value["hidden1.weight"])
    x = one.experiment.data.train.x
    np.testing.assert_allclose(one.learner.outputs(x), plain.learner.outputs(x), rtol=1e-12)
