"""Losses: gradients against central differences, values at the start and at the ends, decisions."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from nnexp.components.base import members
from nnexp.components.losses import BinaryCrossEntropy, CrossEntropy, Loss
from nnexp.engine.learner import loss_stage
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
