"""Conditions: exact numbers, larger ones that include smaller ones, and what holds for every condition."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnexp.components.base import members
from nnexp.components.conditions import Condition
from nnexp.errors import Misfit
from tests.variants import each

KINDS = members(Condition)
CLASSES = 4
rng = np.random.default_rng(0)
X = rng.normal([0.0, 100.0], [1.0, 20.0], (500, 2))
LABELS = rng.permutation(np.repeat(np.arange(CLASSES), [200, 150, 100, 50]))
REAL = 7 + 3 * rng.normal(size=500)

Found = tuple[np.ndarray, np.ndarray, str]


def applied(condition: Condition, t: np.ndarray = LABELS, seed: int = 0, x: np.ndarray = X) -> Found:
    classes = CLASSES if t.dtype.kind == "i" else None
    return condition.apply(x, t, classes, np.random.default_rng(seed))


def targets(condition: Condition) -> list[np.ndarray]:
    """The kinds of target that the condition takes; one at least."""
    fitting = []
    for t in (LABELS, REAL):
        with suppress(Misfit):
            applied(condition, t)
            fitting.append(t)
    assert fitting
    return fitting


# -- every condition -------------------------------------------------------------------------------


@each("condition", Condition)
def test_changes_a_copy_and_says_so_in_a_sentence(condition: Condition) -> None:
    for t in targets(condition):
        before = X.copy(), t.copy()
        x, changed, note = applied(condition, t)
        np.testing.assert_array_equal(X, before[0])
        np.testing.assert_array_equal(t, before[1])
        assert (x.dtype, changed.dtype) == (X.dtype, t.dtype)
        assert x.shape == (len(changed), 2)
        assert 0 < len(x) <= 500
        assert not (np.array_equal(x, X) and np.array_equal(changed, t)), "it does something"
        assert "training" in note


@each("condition", Condition)
def test_the_same_for_the_same_stream(condition: Condition) -> None:
    for t in targets(condition):
        first, again, other = applied(condition, t), applied(condition, t), applied(condition, t, seed=1)
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(a, b)
        drawn = not all(np.array_equal(a, b) for a, b in zip(first[:2], other[:2], strict=True))
        assert drawn == (condition.label() != "sorted")
        assert first[2] == other[2], "numbers do not depend on the stream"


@each("condition", Condition)
def test_examples_stay_what_they_were_but_for_what_is_told(condition: Condition) -> None:
    for t in targets(condition):
        x, changed, note = applied(condition, t)
        whole = Counter(zip(map(tuple, X.tolist()), t.tolist(), strict=True))
        found = Counter(zip(map(tuple, x.tolist()), changed.tolist(), strict=True))
        touched = sum((found - whole).values())
        assert (len(x) == 500) or touched == 0, "either fewer examples or other ones"
        if touched:
            assert note.startswith(f"{touched} of 500 ")
        elif len(x) < 500:
            assert note.startswith(f"{len(x)} of 500 ")


# -- limit -----------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None, derandomize=True)
@given(sizes=st.lists(st.integers(1, 60), min_size=2, max_size=8), share=st.floats(0, 1))
def test_a_limit_is_exact_stratified_and_nested(sizes: list[int], share: float) -> None:
    t = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    number = np.arange(float(len(t)))[:, None]
    examples = len(sizes) + round(share * (len(t) - len(sizes)))

    def limited(count: int) -> Found:
        return KINDS["limit"](examples=count).apply(number, t, len(sizes), np.random.default_rng(0))

    x, found, _ = limited(examples)
    chosen = x[:, 0].astype(int)
    assert len(set(chosen)) == examples
    np.testing.assert_array_equal(found, t[chosen])
    assert chosen.tolist() == sorted(chosen), "the others keep their order"
    for c, size in enumerate(sizes):
        assert (found == c).sum() >= 1
        # the first of each class goes before all others, which costs the largest classes their share of those
        assert abs((found == c).sum() - examples * size / len(t)) <= 2
    if examples > len(sizes):
        assert set(limited(examples - 1)[0][:, 0]) < set(chosen)


def test_a_limit_of_a_real_target() -> None:
    sizes = [len(applied(KINDS["limit"](examples=n), REAL)[1]) for n in (1, 100, 500)]
    assert sizes == [1, 100, 500]
    small, large = (applied(KINDS["limit"](examples=n), REAL)[1].tolist() for n in (50, 60))
    assert set(small) < set(large)


@pytest.mark.parametrize(
    ("examples", "message"),
    [(501, "501 examples; the training split has 500"), (3, "3 examples for 4 classes; each needs one at least")],
)
def test_a_limit_that_cannot_be(examples: int, message: str) -> None:
    with pytest.raises(Misfit, match=message):
        applied(KINDS["limit"](examples=examples))


# -- noise -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.1, 0.25, 0.999, 1.0])
@pytest.mark.parametrize("t", [LABELS, REAL], ids=["classes", "real"])
def test_exactly_as_many_targets_are_wrong(rate: float, t: np.ndarray) -> None:
    x, found, _ = applied(KINDS["label_noise"](rate=rate), t)
    np.testing.assert_array_equal(x, X)
    assert (found != t).sum() == round(rate * 500)


@pytest.mark.parametrize("t", [LABELS, REAL], ids=["classes", "real"])
def test_what_is_wrong_at_a_low_rate_is_as_wrong_at_a_higher_one(t: np.ndarray) -> None:
    low, high = (applied(KINDS["label_noise"](rate=rate), t)[1] for rate in (0.1, 0.3))
    np.testing.assert_array_equal(high[low != t], low[low != t])


def test_a_wrong_label_is_each_of_the_others_alike() -> None:
    t = np.repeat(np.arange(CLASSES), 3000)
    found = applied(KINDS["label_noise"](rate=1.0), t, x=np.zeros((len(t), 1)))[1]
    for c in range(CLASSES):
        counts = np.bincount(found[t == c], minlength=CLASSES)
        assert counts[c] == 0
        # 1000 each, give or take 5 standard deviations of 26
        assert all(abs(count - 1000) < 130 for other, count in enumerate(counts) if other != c)


@pytest.mark.parametrize("size", [None, 0.5, 10.0])
def test_noise_on_a_real_target_has_its_size(size: float | None) -> None:
    t = 7 + 3 * np.random.default_rng(0).normal(size=20_000)
    found = applied(KINDS["label_noise"](rate=0.5, size=size), t, x=np.zeros((len(t), 1)))[1]
    noise = (found - t)[found != t] / t.std()
    assert len(noise) == 10_000
    assert noise.mean() == pytest.approx(0, abs=0.05 * (size or 1))
    assert noise.std() == pytest.approx(size or 1, rel=0.05)


def test_labels_have_no_size_of_noise() -> None:
    with pytest.raises(Misfit, match="size is for a real target") as raised:
        applied(KINDS["label_noise"](size=2.0))
    assert raised.value.path == "dataset.conditions.label_noise.size"


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3, 1.0])
def test_outliers_are_moved_by_exactly_so_many_deviations(rate: float) -> None:
    x, t, _ = applied(KINDS["outliers"](rate=rate, size=4.0))
    np.testing.assert_array_equal(t, LABELS)
    moved = (x - X) / X.std(axis=0)
    far = np.abs(moved).max(axis=1) > 0
    assert far.sum() == round(rate * 500)
    np.testing.assert_allclose(np.abs(moved[far]), 4, rtol=1e-9)
    if rate == 1:
        assert abs(np.sign(moved).mean()) < 0.2, "in all directions"
    less = applied(KINDS["outliers"](rate=rate / 2, size=4.0))[0]
    changed = (less != X).any(axis=1)
    np.testing.assert_array_equal(x[changed], less[changed])


def test_outliers_leave_missing_values_missing() -> None:
    x = X.copy()
    x[::7, 1] = np.nan
    found = applied(KINDS["outliers"](rate=1.0, size=2.0), x=x)[0]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(x))
    np.testing.assert_allclose(np.nanmax(np.abs(found - x), axis=0), 2 * np.nanstd(x, axis=0))


# -- imbalance and order -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "ratio", "expected"),
    [
        ([100, 100, 100], 100.0, [100, 10, 1]),
        ([100, 100, 100, 100], 8.0, [100, 50, 25, 12]),  # 12.5, to the even number
        ([100, 100], 4.0, [100, 25]),
        ([60, 100, 100], 4.0, [60, 30, 15]),
        ([100, 20, 100], 4.0, [40, 20, 10]),  # the second class allows no more
        ([100, 100, 100], 1.0, [100, 100, 100]),
        ([50, 60, 70], 1.0, [50, 50, 50]),  # balanced
    ],
)
def test_classes_fall_geometrically(sizes: list[int], ratio: float, expected: list[int]) -> None:
    t = np.repeat(np.arange(len(sizes)), sizes)
    x, found, note = KINDS["imbalance"](ratio=ratio).apply(
        np.arange(float(len(t)))[:, None], t, len(sizes), np.random.default_rng(0)
    )
    assert np.bincount(found).tolist() == expected
    np.testing.assert_array_equal(t[x[:, 0].astype(int)], found)
    assert (np.diff(x[:, 0]) > 0).all(), "the others keep their order"
    assert note.endswith(f"{expected[0]} of the largest class, {expected[-1]} of the smallest")


def test_an_imbalance_that_cannot_be() -> None:
    with pytest.raises(Misfit, match="with 200 examples of the first class, a ratio of 500 leaves none of the last"):
        applied(KINDS["imbalance"](ratio=500.0))
    with pytest.raises(Misfit, match="imbalance is for classes"):
        applied(KINDS["imbalance"](), REAL)


@pytest.mark.parametrize("t", [LABELS, REAL], ids=["classes", "real"])
def test_sorted_keeps_the_order_of_equals(t: np.ndarray) -> None:
    x, found, _ = applied(KINDS["sorted"](), t, x=np.arange(500.0)[:, None])
    assert (np.diff(found) >= 0).all()
    assert sorted(x[:, 0]) == list(range(500))
    assert all((np.diff(x[found == value, 0]) > 0).all() for value in np.unique(found))
