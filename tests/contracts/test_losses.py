"""Losses: gradients against central differences, values at the start and at the ends, decisions, closed forms."""

from __future__ import annotations

from math import log
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nnexp.components.base import members
from nnexp.components.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Focal,
    Hinge,
    Huber,
    KlDivergence,
    LogCosh,
    Loss,
    Mae,
    Mse,
    Poisson,
    Quantile,
)
from nnexp.config.schema import ExperimentConfig
from nnexp.engine.compiling import FORMS
from nnexp.engine.experiment import Experiment
from nnexp.engine.learner import loss_stage
from nnexp.engine.trainer import Trainer
from nnexp.errors import Misfit
from tests.derivatives import check
from tests.forms import each_form, running
from tests.tasks import task, tasks
from tests.variants import each

FLOAT64 = np.dtype("float64")


def evaluated(loss: Loss, z: np.ndarray, t: np.ndarray) -> tuple[float, np.ndarray]:
    """The loss of outputs z (B, O) for encoded targets, and its gradient."""
    stage = loss_stage(loss, *z.shape, z.dtype)
    return stage(z, t), stage.d


@each_form
@each("loss", Loss)
def test_gradient(loss: Loss, form: str) -> None:
    rng = np.random.default_rng(1)
    with running(form):
        for one in tasks(loss, 7):
            z = rng.normal(size=(7, one.outputs))
            middle = one.encoded if one.encoded.shape == z.shape else 0

            def probe(z=z, t=one.encoded, middle=middle) -> tuple[float, np.ndarray]:
                return evaluated(loss, z, t)[0], np.sign(z - middle)

            check(evaluated(loss, z, one.encoded)[1], z, probe)


@each_form
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each("loss", Loss)
def test_extreme_outputs(loss: Loss, dtype: str, form: str) -> None:
    with running(form):
        for one in tasks(loss, 6, dtype):
            for sign in (1, -1):
                z = np.full((6, one.outputs), -1e4 * sign, dtype)
                z[::2, 0] = 1e4 * sign
                with np.errstate(over="ignore"):
                    value, gradient = evaluated(loss, z, one.encoded)
                    meant = loss.predict(z).astype(dtype)
                if one.classes is None and not np.isfinite(meant).all():
                    assert value == np.inf  # the prediction itself has no such number
                    continue
                assert np.isfinite(value)
                assert value >= 0
                assert np.isfinite(gradient).all()
                assert gradient.dtype == dtype


@each_form
@each("loss", Loss)
def test_mean_of_single_examples(loss: Loss, form: str) -> None:
    rng = np.random.default_rng(2)
    with running(form):
        for one in tasks(loss, 6):
            z = rng.normal(size=(6, one.outputs))
            value, gradient = evaluated(loss, z, one.encoded)
            single = [evaluated(loss, z[i : i + 1], one.encoded[i : i + 1]) for i in range(6)]
            assert value == pytest.approx(sum(v for v, _ in single) / 6, rel=1e-12)
            np.testing.assert_allclose(gradient, np.concatenate([d for _, d in single]) / 6, rtol=1e-12)


@each_form
@each("loss", Loss)
def test_nan_is_not_hidden(loss: Loss, form: str) -> None:
    with running(form):
        for one in tasks(loss, 4):
            for column in range(one.outputs):
                z = np.zeros((4, one.outputs))
                z[1, column] = np.nan
                value, gradient = evaluated(loss, z, one.encoded)
                assert np.isnan(value)
                assert np.isnan(gradient[1, column])


def options(cls: type[Loss], draw: Any, classes: int) -> dict[str, Any]:
    """Fields of a loss, any that it accepts."""
    fields = {}
    for key, field in cls.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        kinds = tuple(getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind for kind in kinds)
        choices: list[Any] = [st.just(field.default)]
        if bool in kinds:
            choices.append(st.booleans())
        if float in kinds:
            choices.append(st.floats(0, 4))
        choices += [st.sampled_from(get_args(k)) for k in kinds if get_origin(k) is Literal]
        if any(get_origin(k) is tuple for k in kinds):
            choices.append(st.lists(st.floats(0.1, 5), min_size=classes, max_size=classes))
        fields[key] = draw(st.one_of(choices))
        try:
            cls(**{key: fields[key]})
        except ValidationError:
            fields[key] = field.default
    return fields


@st.composite
def situations(draw: Any, largest: float) -> tuple[Loss, np.ndarray, np.ndarray]:
    """A loss with any options, outputs up to `largest` for a batch of any size, and encoded targets."""
    cls = draw(st.sampled_from(sorted(members(Loss).values(), key=lambda cls: cls.label())))
    classes, rows = draw(st.sampled_from([None, 2, 3, 7])), draw(st.integers(1, 6))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    loss = cls(**options(cls, draw, classes or 1))
    try:
        outputs = loss.outputs(classes)
    except Misfit:
        classes = next(c for c in (3, 2, None) if fits(cls(), c))
        loss = cls(**options(cls, draw, classes or 1))
        outputs = loss.outputs(classes)
    number = st.floats(-largest, largest, width=32)
    t: Any = draw(st.lists(st.integers(0, (classes or 5) - 1), min_size=rows, max_size=rows))
    t = np.array(t, float if classes is None else int)
    try:
        loss.examine(t, classes)
    except Misfit:
        assume(False)  # a number that weighs two classes, and others
    loss = loss.fitted(np.arange(classes or 1), classes)
    z = draw(st.lists(number, min_size=rows * outputs, max_size=rows * outputs))
    return loss, np.array(z, dtype).reshape(rows, outputs), loss.encode(t, classes, np.dtype(dtype))


def fits(loss: Loss, classes: int | None) -> bool:
    try:
        return loss.outputs(classes) >= 1
    except Misfit:
        return False


@settings(max_examples=150, deadline=None)
@given(situation=situations(largest=1e4), form=st.sampled_from(FORMS))
def test_any_options_any_outputs(situation: tuple[Loss, np.ndarray, np.ndarray], form: str) -> None:
    # What may be infinite is a loss whose prediction is no number of this precision, and then it is not hidden.
    loss, z, t = situation
    with running(form), np.errstate(over="ignore"):
        value, gradient = evaluated(loss, z, t)
        meant = loss.predict(z).astype(z.dtype)
    assert gradient.dtype == z.dtype
    assert not np.isnan(value)
    assert not np.isnan(gradient).any()
    if z.shape[1] > 1 or np.isfinite(meant).all():
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


@settings(max_examples=200, deadline=None)
@given(situation=situations(largest=4.0))
def test_any_options_have_their_gradient(situation: tuple[Loss, np.ndarray, np.ndarray]) -> None:
    # Along a direction in which no two outputs move alike, so that no two kinks cancel. A kink within the difference
    # shows as one-sided slopes that differ, and is left out.
    loss, z, t = situation
    z, t = z.astype(np.float64), t.astype(np.float64) if t.dtype == np.float32 else t
    direction = 1 + (np.arange(z.size) * 0.6180339887 % 1).reshape(z.shape)
    h = 1e-6
    with running("numpy"):
        _, gradient = evaluated(loss, z, t)
        below, value, above = (evaluated(loss, z + step * direction, t)[0] for step in (-h, 0, h))
    left, right = (value - below) / h, (above - value) / h
    size = 1 + np.abs(gradient).sum()
    if abs(right - left) < 1e-4 * size:
        assert np.sum(gradient * direction) == pytest.approx((left + right) / 2, abs=1e-5 * size)


@each("loss", Loss)
def test_following_the_gradient_decides_right(loss: Loss) -> None:
    for one in tasks(loss, 6):
        z = np.zeros((6, one.outputs))
        values = []
        for _ in range(60):
            value, gradient = evaluated(loss, z, one.encoded)
            values.append(value)
            z -= 0.3 * gradient
        assert values[-1] < values[0]
        if one.classes is not None:
            np.testing.assert_array_equal(loss.decide(z), one.t)


@each("loss", Loss)
def test_a_tie_goes_to_the_first_class(loss: Loss) -> None:
    for one in tasks(loss, 4):
        if one.classes is not None:
            assert loss.decide(np.zeros((4, one.outputs))).tolist() == [0, 0, 0, 0]


@each("loss", Loss)
def test_refuses_what_it_does_not_fit(loss: Loss) -> None:
    assert task(loss, 4).outputs >= 1
    for classes in (3, 2, None):
        if classes in {one.classes for one in tasks(loss, 4)}:
            continue
        with pytest.raises(Misfit, match=loss.label()) as raised:
            loss.outputs(classes)
        assert raised.value.path == "loss"
        _, advised = raised.value.message.rsplit("try ", 1)
        members(Loss)[advised]().outputs(classes)


@each_form
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_cross_entropy_begins_at_the_logarithm_of_the_classes(classes: int, form: str) -> None:
    # All logits alike: every class has probability 1/C.
    with running(form):
        value, gradient = evaluated(CrossEntropy(), np.full((4, classes), 7.0), np.arange(4) % classes)
    assert value == pytest.approx(log(classes), rel=1e-14)
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-16)


@each_form
def test_binary_cross_entropy_begins_at_ln_2(form: str) -> None:
    with running(form):
        value, gradient = evaluated(BinaryCrossEntropy(), np.zeros((4, 1)), np.array([[0.0], [1], [1], [0]]))
    assert value == pytest.approx(log(2), rel=1e-14)
    np.testing.assert_allclose(gradient[:, 0], [0.125, -0.125, -0.125, 0.125], rtol=1e-14)


@each_form
def test_two_classes_by_softmax_are_one_by_sigmoid(form: str) -> None:
    # softmax(z)₁ = sigmoid(z₁ - z₀): the same loss of the difference; the logits' gradients are ± the one's.
    rng = np.random.default_rng(3)
    z, t = np.concatenate([rng.normal(0, 3, (20, 2)), [[-800, 800], [800, -800]]]), np.arange(22) % 2
    difference = np.ascontiguousarray(z[:, 1:] - z[:, :1])
    with running(form):
        softmax, by_logits = evaluated(CrossEntropy(), z, t)
        sigmoid, by_difference = evaluated(BinaryCrossEntropy(), difference, t[:, None].astype(float))
    assert softmax == pytest.approx(sigmoid, rel=1e-14)
    np.testing.assert_allclose(by_logits[:, 1], by_difference[:, 0], rtol=1e-12, atol=1e-17)
    np.testing.assert_allclose(by_logits[:, 0], -by_difference[:, 0], rtol=1e-12, atol=1e-17)


@each_form
def test_softmax_does_not_see_a_shift(form: str) -> None:
    z, t = np.random.default_rng(4).normal(size=(5, 3)), np.arange(5) % 3
    with running(form):
        value, gradient = evaluated(CrossEntropy(), z, t)
        shifted, gradient_shifted = evaluated(CrossEntropy(), z + 1000, t)
    assert value == pytest.approx(shifted, rel=1e-12)
    np.testing.assert_allclose(gradient, gradient_shifted, rtol=1e-10)


def some(loss: Loss, classes: int | None = 3, n: int = 12, seed: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Random outputs for a batch, and targets as loaded."""
    rng = np.random.default_rng(seed)
    t = rng.gamma(2.0, 3.0, n) if classes is None else rng.integers(0, classes, n)
    return rng.normal(0, 2, (n, loss.outputs(classes))), t


def of(loss: Loss, z: np.ndarray, t: np.ndarray, classes: int | None = 3) -> tuple[float, np.ndarray]:
    return evaluated(loss, z, loss.encode(t, classes, FLOAT64))


def same(a: tuple[float, np.ndarray], b: tuple[float, np.ndarray]) -> None:
    """Two losses with their gradients agree to rounding."""
    assert a[0] == pytest.approx(b[0], rel=1e-13, abs=1e-15)
    np.testing.assert_allclose(a[1], b[1], rtol=1e-12, atol=1e-16)


@each_form
def test_a_class_weight_is_that_many_examples(form: str) -> None:
    # Whole weights are the plain mean over a batch in which each example stands that often.
    z, t = some(CrossEntropy())
    times = np.array([1, 2, 4])[t]
    with running(form):
        value, gradient = of(CrossEntropy(class_weights=(1.0, 2.0, 4.0)), z, t)
        repeated, each_gradient = of(CrossEntropy(), np.repeat(z, times, axis=0), np.repeat(t, times))
    assert value == pytest.approx(repeated, rel=1e-13)
    first = np.cumsum(times) - times
    np.testing.assert_allclose(gradient, each_gradient[first] * times[:, None], rtol=1e-12)


@each_form
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_equal_class_weights_are_none(smoothing: float, form: str) -> None:
    z, t = some(CrossEntropy())
    with running(form):
        plain = of(CrossEntropy(label_smoothing=smoothing), z, t)
        same(of(CrossEntropy(label_smoothing=smoothing, class_weights=(2.5, 2.5, 2.5)), z, t), plain)


def test_balanced_weights_give_each_class_the_same_sum() -> None:
    t = np.repeat([0, 1, 2], [70, 25, 5])
    loss: Any = CrossEntropy(class_weights="balanced").fitted(t, 3)
    np.testing.assert_allclose(np.bincount(t) * np.array(loss.class_weights), 100 / 3, rtol=1e-14)
    assert CrossEntropy().fitted(t, 3) == CrossEntropy()


@each_form
@pytest.mark.parametrize("loss", [CrossEntropy, BinaryCrossEntropy], ids=lambda cls: cls.label())
def test_smoothing_is_the_expected_loss_of_changed_labels(loss: type[Loss], form: str) -> None:
    classes = 2 if loss is BinaryCrossEntropy else 3
    z, t = some(loss(), classes)
    with running(form):
        smoothed = of(loss(label_smoothing=0.3), z, t, classes)
        kept = of(loss(), z, t, classes)
        changed = [of(loss(), z, np.full_like(t, c), classes) for c in range(classes)]
    mean = sum(v for v, _ in changed) / classes, sum(d for _, d in changed) / classes
    same(smoothed, (0.7 * kept[0] + 0.3 * mean[0], 0.7 * kept[1] + 0.3 * mean[1]))


@each_form
def test_kl_divergence_is_cross_entropy_less_the_entropy(form: str) -> None:
    z, t = some(KlDivergence())
    q = np.array([0.8, 0.1, 0.1])
    with running(form):
        value, gradient = of(KlDivergence(label_smoothing=0.3), z, t)
        cross, cross_gradient = of(CrossEntropy(label_smoothing=0.3), z, t)
        reached, no_gradient = of(KlDivergence(label_smoothing=0.3), np.log([q, q[[1, 0, 2]]]), np.array([0, 1]))
    same((value, gradient), (cross + float(np.sum(q * np.log(q))), cross_gradient))
    assert reached == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(no_gradient, 0, atol=1e-16)


@each_form
def test_focal_without_focus_is_cross_entropy(form: str) -> None:
    z, t = some(Focal())
    with running(form):
        same(of(Focal(gamma=0.0), z, t), of(CrossEntropy(), z, t))
        right, wrong = (of(Focal(), np.array([[8.0, 0, 0]]), np.array([c]))[1] for c in (0, 1))
        usual = of(CrossEntropy(), np.array([[8.0, 0, 0]]), np.array([0]))[1]
    assert np.abs(right).max() < 1e-5 * np.abs(usual).max()
    assert np.abs(wrong).max() > 0.99


@each_form
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_weighs_classes(gamma: float, form: str) -> None:
    # A weight multiplies what the examples of its class would give, and the mean stays that over all examples.
    z, t = some(Focal())
    α = np.array([0.5, 3.0, 1.25])
    with running(form):
        value, gradient = of(Focal(gamma=gamma, alpha=tuple(α)), z, t)
        alone = [of(Focal(gamma=gamma), z[i : i + 1], t[i : i + 1]) for i in range(len(t))]
        same(of(Focal(gamma=gamma, alpha=(1.0, 1.0, 1.0)), z, t), of(Focal(gamma=gamma), z, t))
        check(gradient, z, lambda: (of(Focal(gamma=gamma, alpha=tuple(α)), z, t)[0], np.zeros(1)))
    single = np.array([v for v, _ in alone]), np.concatenate([d for _, d in alone])
    same((value, gradient), (float(np.mean(α[t] * single[0])), α[t][:, None] * single[1] / len(t)))


@each_form
@pytest.mark.parametrize("alpha", [0.25, 0.9])
def test_focal_of_two_classes_is_that_of_a_sigmoid(alpha: float, form: str) -> None:
    # The paper's, and torchvision's: α_t (1 - p_t)^γ CE(p, t) with p = sigmoid(x), here of the logits' difference.
    z, t = some(Focal(), 2, n=20)
    x = z[:, 1] - z[:, 0]
    p = 1 / (1 + np.exp(-x))
    p_t, α_t = p * t + (1 - p) * (1 - t), alpha * t + (1 - alpha) * (1 - t)
    expected = α_t * (1 - p_t) ** 1.5 * -np.log(p_t)
    with running(form):
        value, gradient = of(Focal(gamma=1.5, alpha=alpha), z, t, 2)
    assert value == pytest.approx(expected.mean(), rel=1e-12)
    by_x = (1 - 2 * t) * α_t * (1 - p_t) ** 1.5 * (1 - p_t - 1.5 * p_t * np.log(p_t)) / len(t)
    np.testing.assert_allclose(gradient, np.stack([-by_x, by_x], axis=1), rtol=1e-11)


def test_balanced_alpha_is_that_of_cross_entropy_with_another_mean() -> None:
    # Over the training split the weights' mean is 1, so there the two means are the same.
    t = np.repeat([0, 1, 2], [7, 3, 2])
    z = np.random.default_rng(12).normal(size=(12, 3))
    focal: Any = Focal(gamma=0.0, alpha="balanced").fitted(t, 3)
    weighted: Any = CrossEntropy(class_weights="balanced").fitted(t, 3)
    assert focal.alpha == weighted.class_weights
    same(of(focal, z, t), of(weighted, z, t))
    few, few_weighted = of(focal, z[:7], t[:7]), of(weighted, z[:7], t[:7])
    assert few[0] == pytest.approx(few_weighted[0] * focal.alpha[0], rel=1e-12)


@each_form
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_hinge_begins_at_the_number_of_wrong_classes(classes: int, squared: bool, form: str) -> None:
    loss, t = Hinge(squared=squared), np.arange(10) % classes
    with running(form):
        assert of(loss, np.zeros((10, loss.outputs(classes))), t, classes)[0] == classes - 1


@each_form
@pytest.mark.parametrize("squared", [False, True])
def test_binary_hinge_is_that_of_two_outputs(squared: bool, form: str) -> None:
    # The margin 1 - z_target + z_other is 1 - y s for s = z₁ - z₀.
    rng = np.random.default_rng(8)
    z, t = rng.normal(0, 2, (20, 2)), np.arange(20) % 2
    with running(form):
        two, by_both = evaluated(Hinge(squared=squared), z, t)
        one, by_one = evaluated(Hinge(squared=squared), np.ascontiguousarray(z[:, 1:] - z[:, :1]), t)
    assert two == pytest.approx(one, rel=1e-14)
    np.testing.assert_allclose(by_both, by_one * [[-1, 1]], rtol=1e-12, atol=1e-17)
    assert 0 < np.count_nonzero(by_one == 0) < 20


@each_form
def test_binary_weight_counts_the_second_class(form: str) -> None:
    z, t = some(BinaryCrossEntropy(), 2)
    with running(form):
        weighted = of(BinaryCrossEntropy(pos_weight=3.0), z, t, 2)
        repeated, _ = of(BinaryCrossEntropy(), np.repeat(z, 1 + 2 * t, axis=0), np.repeat(t, 1 + 2 * t), 2)
    assert weighted[0] == pytest.approx(repeated * (1 + 2 * t).sum() / len(t), rel=1e-13)


@each_form
def test_losses_of_errors_between_mse_and_mae(form: str) -> None:
    z, t = some(Mse(), None)
    with running(form):
        (square, by_square), (absolute, by_absolute) = of(Mse(), z, t, None), of(Mae(), z, t, None)
        same(of(Huber(delta=1e6), z, t, None), (square / 2, by_square / 2))
        value, gradient = of(Huber(delta=1e-9), z, t, None)
        same(of(Quantile(), z, t, None), (absolute / 2, by_absolute / 2))
        far, _ = of(LogCosh(), z + 100, t, None)
        shifted, _ = of(Mae(), z + 100, t, None)
    assert value / 1e-9 == pytest.approx(absolute, rel=1e-8)
    np.testing.assert_allclose(gradient / 1e-9, by_absolute, rtol=1e-12)
    assert far == pytest.approx(shifted - log(2), rel=1e-13)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_the_best_constant_for_quantile_is_the_quantile(level: float) -> None:
    t = np.random.default_rng(9).gamma(2.0, 3.0, 1001)
    place, losses = np.quantile(t, level), []
    for z in (place - 0.05, place, place + 0.05):
        losses.append(of(Quantile(level=level), np.full((1001, 1), z), t, None)[0])
    assert losses[1] < min(losses[0], losses[2])


@each_form
def test_the_best_rate_for_poisson_is_the_mean(form: str) -> None:
    t = np.random.default_rng(10).poisson(3.0, 50).astype(float)
    z = np.full((50, 1), log(t.mean()))
    with running(form):
        assert of(Poisson(), z, t, None)[1].sum() == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(Poisson().predict(z), t.mean(), rtol=1e-14)


@each_form
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_squared_error_of_probabilities_cannot_unlearn(output: Literal["softmax", "sigmoid"], form: str) -> None:
    # Wrong by 20 logits: cross-entropy pulls with its whole strength, the squared error not at all.
    z, t = np.array([[20.0, -20.0]]), np.array([1])
    with running(form):
        value, gradient = of(Mse(output=output), z, t, 2)
        _, by_logits = of(CrossEntropy(), z, t, 2)
    assert value == pytest.approx(1.0, rel=1e-8)
    assert np.abs(gradient).max() < 1e-8
    np.testing.assert_allclose(by_logits, [[1, -1]], rtol=1e-8)


@each_form
def test_squared_error_of_a_softmax_begins_where_all_are_alike(form: str) -> None:
    with running(form):
        value, _ = of(Mse(output="softmax"), np.full((4, 5), 3.0), np.arange(4), 5)
    assert value == pytest.approx((0.8**2 + 4 * 0.2**2) / 5, rel=1e-14)


# -- in training -------------------------------------------------------------------------------------


def trainer(**fields: Any) -> Trainer:
    config = {"precision": "float64", "stop": 2, **fields}
    return Trainer(Experiment(ExperimentConfig.model_validate(config)))


def test_balanced_weights_are_of_the_training_split() -> None:
    of_iris = trainer(dataset="breast_cancer", loss={"name": "cross_entropy", "class_weights": "balanced"})
    counts = np.bincount(of_iris.experiment.data.train.t)
    loss: Any = of_iris.experiment.loss
    np.testing.assert_allclose(loss.class_weights, counts.sum() / (2 * counts), rtol=1e-14)
    assert of_iris.config.loss == CrossEntropy(class_weights="balanced")
    focal: Any = trainer(dataset="breast_cancer", loss={"name": "focal", "alpha": "balanced"}).experiment.loss
    assert focal.alpha == loss.class_weights


def test_a_splits_loss_is_weighted_as_a_whole() -> None:
    weights = np.array([1.0, 5.0, 0.2])
    one = trainer(dataset="iris", loss={"name": "cross_entropy", "class_weights": weights.tolist()})
    list(one.run())
    for split in ("train", "validation", "test"):
        examples = one.experiment.data.split(split)
        z = one.learner.outputs(examples.x)
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        surprise = -np.log(p[np.arange(len(z)), examples.t])
        expected = np.average(surprise, weights=weights[examples.t])
        assert one.score(split)[f"{split}_loss"] == pytest.approx(expected, rel=1e-12)


def test_metrics_of_poisson_are_of_the_rate() -> None:
    one = trainer(
        dataset={"name": "diabetes", "scale_target": False},
        loss="poisson",
        initialization={"name": "zeros", "output_bias": log(150.0)},
    )
    t = one.experiment.data.validation.t
    assert one.score("validation")["validation_rmse"] == pytest.approx(np.sqrt(np.mean((t - 150) ** 2)), rel=1e-12)


def test_a_user_of_poisson_is_told_what_does_not_fit() -> None:
    with pytest.raises(Misfit, match=r"0 or more, but the smallest is -2\.5; try mse") as raised:
        Poisson().examine(np.array([3.0, -2.5]), None)
    assert raised.value.path == "loss"
