"""Augmentations: what may become of an example, what stays, and that evaluation and resuming see none of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnexp.components.augmentations import (
    Augmentation,
    Cutout,
    Flip,
    ImageAugmentation,
    InputAugmentation,
    Mixup,
    Rotate,
    Shift,
)
from nnexp.components.datasets import Dataset
from nnexp.components.losses import CrossEntropy
from nnexp.engine.augment import Augmenter, Mixed
from nnexp.engine.learner import Learner, loss_stage
from nnexp.engine.streams import stream
from nnexp.errors import Misfit
from tests.small import arrays, batches_of, rows, trainer
from tests.variants import each, each_member, variants

RUN: dict[str, Any] = {"dataset": "digits", "stop": 1, "architecture": {"name": "mlp", "hidden": (4,)}}
IMAGES = np.random.default_rng(0).uniform(1, 2, (40, 6, 5))


def of_images(one: Augmentation) -> bool:
    return isinstance(one, ImageAugmentation)


def of_inputs(one: Augmentation) -> bool:
    return isinstance(one, InputAugmentation)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@each("one", Augmentation, of_images)
def test_images_keep_their_shape_and_their_original(one: ImageAugmentation) -> None:
    before = IMAGES.copy()
    changed, again, other = (one.change(IMAGES, rng(seed)) for seed in (1, 1, 2))
    assert changed.shape == IMAGES.shape
    np.testing.assert_array_equal(IMAGES, before)
    np.testing.assert_array_equal(changed, again)
    assert not np.array_equal(changed, other)
    assert np.isfinite(changed).all()
    assert changed.min() >= 0
    assert changed.max() <= IMAGES.max() + 1e-12


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each("one", Augmentation, of_inputs)
def test_inputs_keep_shape_precision_and_original(one: InputAugmentation, dtype: str) -> None:
    x = IMAGES.reshape(40, -1).astype(dtype)
    before = x.copy()
    changed = one.change(x, rng())
    assert changed.dtype == dtype
    assert changed.shape == x.shape
    np.testing.assert_array_equal(x, before)
    assert not np.array_equal(changed, x)


OFF = {"std": 0.0, "pixels": 0, "p": 0.0, "degrees": 0.0}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@each("one", Augmentation, lambda one: not isinstance(one, Mixup | Cutout))
def test_a_strength_of_zero_changes_nothing(one: Augmentation, precision: str) -> None:
    # Images take the way through the raw inputs, and must come out as the prepared ones to the bit.
    field = next(f for f in OFF if f in type(one).model_fields)
    run: dict[str, Any] = {
        "dataset": "digits",
        "stop": 1,
        "precision": precision,
        "architecture": {"name": "mlp", "hidden": (4,)},
    }
    plain, off = trainer(**run), trainer(**run, augmentation={**one.model_dump(), field: OFF[field]})
    assert rows(off) == rows(plain)
    assert arrays(off) == arrays(plain)


@each("one", Augmentation)
def test_training_changes_and_evaluation_does_not(one: Augmentation) -> None:
    plain, changed = trainer(**RUN), trainer(**RUN, augmentation=one.model_dump())
    assert changed.score("train") == plain.score("train")
    assert rows(changed)[1]["batch_loss"] != rows(plain)[1]["batch_loss"]


def test_resumed_in_the_middle_of_an_epoch_it_ends_alike() -> None:
    run: dict[str, Any] = {
        **RUN,
        "stop": 2,
        "augmentation": [cls.model_dump() for cls in {type(one): one for one in variants(Augmentation)}.values()],
        "batch": {"name": "mini", "size": 100},
    }
    whole = trainer(**run)
    expected = rows(whole)
    first = trainer(**run)
    batches = batches_of(first.batches, 1)
    first.epoch = 1
    for _ in range(4):
        first.learner.step(*first.augmenter(*next(batches), 1, first.position), first.lr(first.learner.t))
        first.position += 1
    again = trainer(**run)
    again.restore(first.state())
    found = rows(again)
    assert arrays(again) == arrays(whole)
    assert found[-1]["validation_loss"] == expected[-1]["validation_loss"]


def test_each_batch_has_a_draw_of_its_own() -> None:
    one = Augmenter(variants(Augmentation)[:1], (), np.dtype("float64"), seed=3)
    x, t = np.ones((5, 4)), np.arange(5)
    drawn = [one(x, t, epoch, position)[0].tobytes() for epoch in (1, 2) for position in (0, 1)]
    assert len(set(drawn)) == 4
    assert one(x, t, 1, 0)[0].tobytes() == drawn[0]


# -- images --------------------------------------------------------------------------------------------------------


def moved(image: np.ndarray, a: int, b: int) -> np.ndarray:
    """The image a rows down and b columns to the right, pixel by pixel."""
    H, W = image.shape
    found = np.zeros_like(image)
    for i in range(H):
        for j in range(W):
            if 0 <= i - a < H and 0 <= j - b < W:
                found[i, j] = image[i - a, j - b]
    return found


def test_shift_takes_every_way_alike() -> None:
    images = np.repeat(IMAGES[:1], 900, axis=0)
    changed = Shift(pixels=1).change(images, rng())
    ways = {(a, b): moved(IMAGES[0], a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)}
    counts = [sum(np.array_equal(one, way) for one in changed) for way in ways.values()]
    assert sum(counts) == 900
    assert min(counts) > 60  # 100 each on average, with a standard deviation of 9.4


def test_flips() -> None:
    both = [Flip(p=1.0, axis=axis) for axis in ("horizontal", "vertical")]
    np.testing.assert_array_equal(both[0].change(IMAGES, rng()), IMAGES[:, :, ::-1])
    np.testing.assert_array_equal(both[1].change(IMAGES, rng()), IMAGES[:, ::-1])
    half = Flip(p=0.5).change(np.repeat(IMAGES[:1], 1000, axis=0), rng())
    assert 430 < sum(np.array_equal(one, IMAGES[0]) for one in half) < 570


@pytest.mark.parametrize("quarters", [-1, 1, 2])
def test_a_quarter_turn_is_exact(quarters: int) -> None:
    always: Any = SimpleNamespace(uniform=lambda low, high, size: np.full(size, 90.0 * quarters))
    squares = IMAGES[:, :5, :5]
    turned = Rotate(degrees=180).change(squares, always)
    np.testing.assert_allclose(turned, np.rot90(squares, quarters, axes=(1, 2)), atol=1e-12)


def test_rotation_is_bilinear() -> None:
    # A plane is its own bilinear interpolation: inside, the turned plane is the plane at the place it comes from.
    i, j = np.mgrid[:21, :21] - 10.0
    plane = (3 + 0.2 * i - 0.1 * j)[None]
    always: Any = SimpleNamespace(uniform=lambda low, high, size: np.full(size, 25.0))
    turned = Rotate(degrees=30).change(plane, always)[0]
    c, s = np.cos(np.deg2rad(25)), np.sin(np.deg2rad(25))
    expected = 3 + 0.2 * (c * i + s * j) - 0.1 * (c * j - s * i)
    inside = i**2 + j**2 < 81
    np.testing.assert_allclose(turned[inside], expected[inside], rtol=1e-12)


@pytest.mark.parametrize("pixels", [1, 2, 3, 4])
def test_cutout_at_every_place(pixels: int) -> None:
    images = np.ones((20_000, 6, 5))
    changed = Cutout(pixels=pixels).change(images, rng())
    # All places of the middle, written out: the part of the square that lies inside.
    before = (pixels - 1) // 2

    def within(middle: int, size: int) -> int:
        return len(set(range(middle - before, middle - before + pixels)) & set(range(size)))

    expected = np.mean([within(a, 6) * within(b, 5) for a in range(6) for b in range(5)])
    cut = (changed == 0).sum(axis=(1, 2))
    assert cut.max() == min(pixels, 6) * min(pixels, 5)
    assert cut.mean() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("features", "shape", "known", "size"),
    [(64, None, (8, 8), (8, 8)), (30, (6, 5), None, (6, 5)), (64, (16, 4), (8, 8), (16, 4))],
)
def test_size_of_images(features: int, shape: Any, known: Any, size: tuple[int, int]) -> None:
    assert Shift(shape=shape).size(features, known) == size


@pytest.mark.parametrize(("features", "shape", "known"), [(64, None, None), (30, (5, 5), None), (30, None, (8, 8))])
def test_refuses_what_is_no_image(features: int, shape: Any, known: Any) -> None:
    with pytest.raises(Misfit, match=r"set shape: \[height, width\]"):
        Shift(shape=shape).size(features, known)


@each_member("cls", Dataset)
def test_a_data_set_of_images_has_as_many_features(cls: type[Dataset]) -> None:
    if cls.image is not None:
        table = cls().load(rng())
        assert cls.image[0] * cls.image[1] == table.x.shape[1]


# -- mixtures ------------------------------------------------------------------------------------------------------


def test_mixup_draws_from_a_beta_distribution() -> None:
    drawn = np.array([Mixup(alpha=0.4).draw(3, stream(0, "augment", 1, i))[0] for i in range(3000)])
    assert drawn.mean() == pytest.approx(0.5, abs=0.03)
    assert drawn.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.05)


def test_mixed_cross_entropy_is_that_of_the_mixed_target() -> None:
    z, first, second, λ = rng().normal(size=(5, 3)), np.arange(5) % 3, np.arange(5)[::-1] % 3, 0.3
    stage = loss_stage(CrossEntropy(), 5, 3, np.dtype("float64"))
    value = Learner._mixed(stage, z, Mixed(first, second, λ))
    q = λ * np.eye(3)[first] + (1 - λ) * np.eye(3)[second]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert value == pytest.approx(-np.mean(np.sum(q * np.log(p), axis=1)), rel=1e-13)
    np.testing.assert_allclose(stage.d, (p - q) / 5, rtol=1e-12, atol=1e-16)


def test_mixed_inputs_lie_between_two_examples() -> None:
    x, t = rng().normal(size=(6, 4)), np.arange(6)
    changed, targets = Augmenter([Mixup(alpha=1.0)], (), np.dtype("float64"), seed=0)(x, t, 1, 0)
    assert isinstance(targets, Mixed)
    np.testing.assert_array_equal(targets.first, t)
    np.testing.assert_allclose(changed, targets.λ * x + (1 - targets.λ) * x[targets.second], rtol=1e-14)
