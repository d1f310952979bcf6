"""Data: disjoint, complete and stratified splits; preprocessing that saw only training; whole epochs."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict
from threadpoolctl import threadpool_limits

from nnexp.components.base import members
from nnexp.components.batching import FullBatch, MiniBatch
from nnexp.components.conditions import Condition
from nnexp.components.datasets import Dataset, Generated, Table
from nnexp.components.preprocessing import Linear, Preprocessing, Scaled
from nnexp.config.load import fingerprint
from nnexp.config.schema import ExperimentConfig
from nnexp.engine import data as module
from nnexp.engine.data import Batches, Data, load, prepare, split_indices
from nnexp.engine.streams import stream
from nnexp.errors import Misfit
from tests.small import batches_of
from tests.variants import described, each, variants


class Given(Dataset):
    """Examples that a test hands over; not a member, since it has no name."""

    model_config = ConfigDict(allow_inf_nan=True)

    x: list[list[float]]
    t: list[float]
    classes: tuple[str, ...] | None = None
    tested: tuple[bool, ...] | None = None

    def load(self, rng: np.random.Generator) -> Table:
        kind = float if self.classes is None else int
        features = tuple(f"x{i}" for i in range(len(self.x[0])))
        tested = None if self.tested is None else np.array(self.tested)
        return Table(np.array(self.x), np.array(self.t, kind), features, self.classes, tested)


def table(sizes: list[int]) -> Table:
    """Classes of the given sizes."""
    t = np.repeat(np.arange(len(sizes)), sizes)
    return Table(np.arange(float(len(t)))[:, None], t, ("x",), tuple(map(str, range(len(sizes)))))


# -- splits ----------------------------------------------------------------------------------------

Shares = st.tuples(st.floats(0, 0.6), st.floats(0, 0.6)).filter(lambda shares: sum(shares) < 0.99)


@settings(max_examples=300, derandomize=True)
@given(sizes=st.lists(st.integers(1, 60), min_size=2, max_size=8), shares=Shares)
@example(sizes=[74, 22, 53], shares=(0.01, 0.38))  # an example of class 1 was in both training and test
def test_splits_are_disjoint_complete_and_stratified(sizes: list[int], shares: tuple[float, float]) -> None:
    validation, test = shares
    whole = table(sizes)
    parts = split_indices(whole, validation, test, np.random.default_rng(0))
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(whole.t)))
    for c, size in enumerate(sizes):
        trained, held, tested = (int(np.sum(whole.t[part] == c)) for part in parts)
        assert trained >= 1
        assert abs(tested - test * size) <= 1 + 1e-6
        assert abs(trained - (1 - test - validation) * size) <= 1 + 1e-6
        assert abs(held - validation * size) < 2


@settings(max_examples=100, derandomize=True)
@given(n=st.integers(10, 500), shares=Shares)
def test_splits_of_a_real_target(n: int, shares: tuple[float, float]) -> None:
    validation, test = shares
    parts = split_indices(
        Table(np.zeros((n, 1)), np.zeros(n), ("x",), None), validation, test, np.random.default_rng(0)
    )
    assert sorted(np.concatenate(parts).tolist()) == list(range(n))
    assert len(parts[2]) == round(n * test)
    assert abs(len(parts[1]) - n * validation) <= 1


def test_sizes_of_the_splits_by_hand() -> None:
    # 10 + 20 + 30 examples at 20 % and 20 %: 2 + 4 + 6 each.
    whole = table([10, 20, 30])
    train, held, tested = (
        Counter(whole.t[p].tolist()) for p in split_indices(whole, 0.2, 0.2, np.random.default_rng(0))
    )
    assert held == tested == {0: 2, 1: 4, 2: 6}
    assert train == {0: 6, 1: 12, 2: 18}


def test_splits_are_drawn_by_their_stream_and_keep_the_file_order() -> None:
    whole = table([50, 50])
    first, again, other = (split_indices(whole, 0.2, 0.2, stream(seed, "split")) for seed in (1, 1, 2))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert set(a.tolist()) != set(c.tolist())
        assert a.tolist() == sorted(a.tolist())


@each("dataset", Dataset)
def test_every_data_set_prepares(dataset: Dataset) -> None:
    one = prepare(dataset, 0, "float32")
    loaded = dataset.load(stream(0, "data"))
    assert sum(len(one.split(name)) for name in module.SPLITS) == len(loaded.t)
    for name in module.SPLITS:
        split = one.split(name)
        assert split.x.dtype == np.float32
        assert split.x.flags.c_contiguous
        assert np.isfinite(split.x).all()
    if one.classes is not None:
        assert set(one.train.t.tolist()) == set(range(len(one.classes)))
        for name, share in (("validation", dataset.validation), ("test", dataset.test)):
            whole, part = Counter(loaded.t.tolist()), Counter(one.split(name).t.tolist())
            assert all(abs(part[c] - share * whole[c]) <= 1 for c in whole)


@each("dataset", Dataset)
def test_seeds_share_a_table_that_is_not_drawn(dataset: Dataset) -> None:
    one, other = load(dataset, 0), load(dataset, 1)
    assert one.drawn == isinstance(dataset, Generated)
    assert one.drawn or one.digest == other.digest
    assert one.digest == load(dataset, 0).digest


def test_a_generator_that_only_has_children_counts_as_drawn_from() -> None:
    class Spawning(Given):
        def load(self, rng: np.random.Generator) -> Table:
            rng.spawn(1)
            return super().load(rng)

    assert load(Spawning(x=[[0.0]] * 20, t=[0.0] * 20), 0).drawn
    assert not load(Given(x=[[0.0]] * 20, t=[0.0] * 20), 0).drawn


def test_a_given_test_split_is_taken() -> None:
    dataset = members(Dataset)["two_domains"](n=100, test=0.3, validation=0.1)
    whole = dataset.load(stream(0, "data"))
    assert whole.test is not None
    parts = split_indices(whole, 0.1, 0.3, stream(0, "split"))
    assert sorted(np.concatenate(parts).tolist()) == list(range(100))
    assert [len(part) for part in parts] == [60, 10, 30]
    assert set(parts[2].tolist()) == set(np.flatnonzero(whole.test).tolist())
    assert [np.bincount(whole.t[part]).tolist() for part in parts] == [[30, 30], [5, 5], [15, 15]]
    for part in parts:
        assert sorted(part.tolist()) == part.tolist(), "in the file's order"
    x, t, first = np.arange(40.0).reshape(20, 2).tolist(), [0.0] * 20, (True,) * 5 + (False,) * 15
    one, other = (prepare(Given(x=x, t=t, tested=tested), 0, "float64") for tested in (first, first[::-1]))
    assert one.digest != other.digest
    one = prepare(Given(x=x, t=t, tested=first, preprocessing=()), 0, "float64")
    assert sorted(one.test.x[:, 0]) == [0, 2, 4, 6, 8]
    assert sorted([*one.train.x[:, 0], *one.validation.x[:, 0]]) == list(range(10, 40, 2))
    assert len(one.validation) == 4


# -- conditions ------------------------------------------------------------------------------------


def conditioned(*conditions: Condition, preprocessing: tuple[Preprocessing, ...] = (), seed: int = 0) -> Data:
    """Three classes of 60, 40 and 40 examples that carry their own number, 84 of them for training."""
    x = [[float(i), float(i % 7)] for i in range(140)]
    t = [float(number >= 60) + float(number >= 100) for number in (i * 37 % 140 for i in range(140))]
    dataset = Given(x=x, t=t, classes=("a", "b", "c"), conditions=conditions, preprocessing=preprocessing)
    return prepare(dataset, seed, "float64")


CONDITIONS = [one for one in variants(Condition) if "examples" not in type(one).model_fields]
CONDITIONS += [members(Condition)["limit"](examples=20)]
CONDITIONS = [one for one in CONDITIONS if getattr(one, "size", None) is None or one.label() != "label_noise"]


@pytest.mark.parametrize("condition", CONDITIONS, ids=described)
def test_conditions_change_only_the_training_split(condition: Condition) -> None:
    plain, changed = conditioned(), conditioned(condition)
    for name in ("validation", "test"):
        np.testing.assert_array_equal(plain.split(name).x, changed.split(name).x)
        np.testing.assert_array_equal(plain.split(name).t, changed.split(name).t)
    assert plain.train.x.tobytes() + plain.train.t.tobytes() != changed.train.x.tobytes() + changed.train.t.tobytes()
    assert len(changed.notes) == 1
    assert changed.digest == plain.digest, "they are in the configuration"
    again, other = conditioned(condition), conditioned(condition, seed=1)
    np.testing.assert_array_equal(again.train.x, changed.train.x)
    assert not np.array_equal(other.train.x, changed.train.x)


@pytest.mark.parametrize("condition", CONDITIONS, ids=described)
def test_preprocessing_is_fitted_on_the_changed_split(condition: Condition) -> None:
    raw = conditioned(condition)
    step = members(Preprocessing)["standardize"]()
    fitted = step.fit(raw.train.x)
    found = conditioned(condition, preprocessing=(step,))
    np.testing.assert_array_equal(found.train.x, fitted(raw.train.x))
    np.testing.assert_array_equal(found.test.x, fitted(raw.test.x))


def test_conditions_come_in_the_order_of_the_list_and_with_streams_of_their_own() -> None:
    kinds = members(Condition)
    noise, order, limit = kinds["label_noise"](rate=0.5), kinds["sorted"](), kinds["limit"](examples=30)
    assert (np.diff(conditioned(noise, order).train.t) >= 0).all()
    assert not (np.diff(conditioned(order, noise).train.t) >= 0).all()
    one = conditioned(limit, order)
    assert (np.diff(one.train.t) >= 0).all()
    assert [note.split()[0] for note in one.notes] == ["30", "the"]
    # a condition draws the same whatever stands before it
    swapped, alone = conditioned(kinds["outliers"](), noise), conditioned(noise)
    np.testing.assert_array_equal(swapped.train.t, alone.train.t)
    # and two of them do not choose the same examples
    both, plain = conditioned(kinds["outliers"](rate=0.5), noise), conditioned()
    moved, wrong = (both.train.x != plain.train.x).any(axis=1), both.train.t != plain.train.t
    assert moved.sum() == wrong.sum() == 42
    assert (moved & wrong).sum() < 32


def test_a_real_target_is_scaled_as_it_is_trained_on() -> None:
    dataset = members(Dataset)["diabetes"]
    one = prepare(dataset(conditions=(members(Condition)["label_noise"](rate=0.5, size=5.0),)), 0, "float64")
    assert one.target_shift == pytest.approx(one.train.t.mean())
    assert one.target_scale == pytest.approx(one.train.t.std())
    assert one.target_scale > 2 * prepare(dataset(), 0, "float64").target_scale


@each("condition", Condition)
def test_conditions_are_part_of_what_a_run_is_known_by(condition: Condition) -> None:
    dataset = members(Dataset)["digits"]
    with_and_without = [
        fingerprint(ExperimentConfig(dataset=dataset(conditions=conditions)), "the same data")
        for conditions in ((), (condition,))
    ]
    assert len(set(with_and_without)) == 2


# -- preprocessing ---------------------------------------------------------------------------------


WIDE = [cls for cls in members(Generated).values() if "features" in cls.model_fields]
"""Enough features for products that BLAS shares among threads."""


@pytest.mark.parametrize(
    ("cls", "step"),
    [
        *((WIDE[0], step) for step in variants(Preprocessing)),
        *((cls, members(Preprocessing)["center"]()) for cls in WIDE),
    ],
)
def test_the_number_of_blas_threads_changes_no_bit(cls: type[Generated], step: Preprocessing) -> None:
    dataset = cls(n=3000, features=300, preprocessing=(step,))
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            one = prepare(dataset, 0, "float64")
            found.append((one.digest, one.train.x.tobytes(), one.test.x.tobytes()))
    assert found[0] == found[1]


@each("step", Preprocessing)
def test_preprocessing_sees_only_the_training_split(step: Preprocessing) -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(3, 2, (50, 2)), rng.integers(0, 5, 50)])  # two measurements and a category
    dataset = Given(x=x.tolist(), t=[0.0] * 50, preprocessing=(step,))
    before = prepare(dataset, 0, "float64")
    train, *others = split_indices(dataset.load(rng), 0.2, 0.2, stream(0, "split"))
    for part in others:
        x[part] = np.column_stack([1e6 * rng.normal(size=(len(part), 2)), rng.integers(100, 105, len(part))])
    after = prepare(Given(x=x.tolist(), t=[0.0] * 50, preprocessing=(step,)), 0, "float64")
    np.testing.assert_array_equal(before.train.x, after.train.x)
    assert not np.allclose(before.test.x, after.test.x)
    assert before.features == after.features
    (first,), (second,) = before.fitted, after.fitted
    assert {k: v.tobytes() for k, v in first.arrays().items()} == {k: v.tobytes() for k, v in second.arrays().items()}
    np.testing.assert_array_equal(after.train.x, step.fit(x[train])(x[train]))
    np.testing.assert_array_equal(after.test.x, step.fit(x[train])(x[others[1]]))


@each("step", Preprocessing)
def test_splits_may_be_empty(step: Preprocessing) -> None:
    x = np.random.default_rng(0).normal(3, 2, (50, 2)).tolist()
    one = prepare(Given(x=x, t=[0.0] * 50, preprocessing=(step,), validation=0.0, test=0.0), 0, "float64")
    assert one.train.x.shape == (50, len(one.features))
    assert one.validation.x.shape == one.test.x.shape == (0, len(one.features))


@each("step", Preprocessing)
def test_constant_features(step: Preprocessing) -> None:
    for constant in (0.0, 1.0, 0.1, 1e8 + 0.1, -1e-300):
        x = np.column_stack([np.full(50, constant), np.arange(50.0)])
        one = prepare(Given(x=x.tolist(), t=[0.0] * 50, preprocessing=(step,)), 0, "float64")
        for name in module.SPLITS:
            values = one.split(name).x
            assert np.isfinite(values).all()
            assert values.shape[1] == len(one.features)
            if one.features == ("x0", "x1") and isinstance(one.fitted[0], Scaled | Linear):
                assert np.ptp(values[:, 0]) == 0
                assert abs(values[0, 0]) <= max(2, abs(constant))


def test_steps_come_in_the_order_of_the_list() -> None:
    x = np.random.default_rng(1).normal(3, 2, (50, 2))
    kinds = members(Preprocessing)
    steps = (kinds["standardize"](), kinds["minmax"]())
    one = prepare(Given(x=x.tolist(), t=[0.0] * 50, preprocessing=steps), 0, "float64")
    assert one.train.x.min() == pytest.approx(0, abs=1e-12)
    assert one.train.x.max() == pytest.approx(1)
    one = prepare(Given(x=x.tolist(), t=[0.0] * 50, preprocessing=steps[::-1]), 0, "float64")
    np.testing.assert_allclose(one.train.x.mean(axis=0), 0, atol=1e-12)


def test_missing_values_are_named_or_filled() -> None:
    x = np.arange(40.0).reshape(20, 2)
    x[3, 1] = np.nan
    with pytest.raises(Misfit, match="missing in 'x1'"):
        prepare(Given(x=x.tolist(), t=[0.0] * 20, preprocessing=()), 0, "float64")
    filled = prepare(
        Given(x=x.tolist(), t=[0.0] * 20, preprocessing=(members(Preprocessing)["impute"](),)), 0, "float64"
    )
    assert all(np.isfinite(filled.split(name).x).all() for name in module.SPLITS)


def test_categories_before_missing_values_are_filled() -> None:
    x = np.array([[float(i % 3), float(i), 1.0] for i in range(30)])
    x[4, 0] = x[7, 1] = np.nan
    steps = tuple(members(Preprocessing)[name]() for name in ("one_hot", "impute", "standardize"))
    one = prepare(Given(x=x.tolist(), t=[0.0] * 30, preprocessing=steps), 0, "float64")
    assert one.features == ("x0=0", "x0=1", "x0=2", "x1", "x2")
    assert one.train.x.shape[1] == 5
    for wrong in (steps[:1], steps[::-1]):
        with pytest.raises(Misfit, match=r"missing in .*'x1'; begin with impute"):
            prepare(Given(x=x.tolist(), t=[0.0] * 30, preprocessing=wrong), 0, "float64")


def test_a_step_takes_the_names_that_the_one_before_gave() -> None:
    kinds = members(Preprocessing)
    x = [[float(i % 3), float(i), float(i % 5)] for i in range(30)]
    one_hot, pca = kinds["one_hot"](columns=("x2",)), kinds["pca"](components=3)
    one = prepare(Given(x=x, t=[0.0] * 30, preprocessing=(one_hot, kinds["center"]())), 0, "float64")
    assert one.features == ("x0", "x1", *(f"x2={v}" for v in range(5)))
    one = prepare(Given(x=x, t=[0.0] * 30, preprocessing=(one_hot, pca)), 0, "float64")
    assert one.features == ("component1", "component2", "component3")
    with pytest.raises(Misfit, match="no feature 'x2'; there are component1, component2, component3"):
        prepare(Given(x=x, t=[0.0] * 30, preprocessing=(pca, one_hot)), 0, "float64")


def test_real_targets_are_scaled_by_the_training_split() -> None:
    dataset = members(Dataset)["diabetes"]
    one = prepare(dataset(), 0, "float64")
    assert one.target_shift == pytest.approx(one.train.t.mean())
    assert one.target_scale == pytest.approx(one.train.t.std())
    plain = prepare(dataset(scale_target=False), 0, "float64")
    assert (plain.target_shift, plain.target_scale) == (0.0, 1.0)


def test_digest_is_of_the_data_alone() -> None:
    x, t = np.arange(40.0).reshape(20, 2), [0.0, 1.0] * 10
    digest = prepare(Given(x=x.tolist(), t=t), 0, "float64").digest
    for seed, precision, step in (
        (1, "float64", ()),
        (0, "float32", ()),
        (0, "float64", tuple(variants(Preprocessing)[:1])),
    ):
        assert prepare(Given(x=x.tolist(), t=t, preprocessing=step), seed, precision).digest == digest
    other = x.copy()
    other[7, 1] += 1e-9
    assert prepare(Given(x=other.tolist(), t=t), 0, "float64").digest != digest
    assert prepare(Given(x=x.tolist(), t=[*t[:-1], 2.0]), 0, "float64").digest != digest


def test_precision_is_only_rounding() -> None:
    dataset = members(Dataset)["moons"](n=50)
    single, double = (prepare(dataset, 0, precision) for precision in ("float32", "float64"))
    np.testing.assert_array_equal(single.train.x, double.train.x.astype(np.float32))


# -- batches ---------------------------------------------------------------------------------------


def batches(n: int, **fields: object) -> Batches:
    """Batches of n examples that carry their own number."""
    x = np.arange(float(n))[:, None].repeat(2, axis=1)
    return Batches(x, np.arange(n), MiniBatch(**fields), seed=0)  # type: ignore[arg-type]


def seen(one: Batches, epoch: int, start: int = 0) -> list[list[int]]:
    """The examples of each batch of an epoch; checks that inputs and targets belong together."""
    found = []
    for x, t in batches_of(one, epoch, start):
        np.testing.assert_array_equal(x[:, 0], t)
        np.testing.assert_array_equal(x[:, 1], t)
        found.append(t.tolist())
    return found


@pytest.mark.parametrize("n", [4, 5, 7, 8, 9, 23, 24])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", ["epoch", "once", "never", "sklearn"])
def test_each_example_once_an_epoch(n: int, drop_last: bool, shuffle: str) -> None:
    one = batches(n, size=4, shuffle=shuffle, drop_last=drop_last)
    for epoch in (1, 2):
        found = seen(one, epoch)
        assert len(found) == one.steps == one.batching.steps(n)
        assert [len(batch) for batch in found[:-1]] == [4] * (one.steps - 1)
        examples = list(chain(*found))
        assert len(set(examples)) == len(examples) == (n // 4 * 4 if drop_last else n)
        assert set(examples) <= set(range(n))


@pytest.mark.parametrize("n", [4, 23, 24])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", ["epoch", "once", "never", "sklearn"])
def test_an_epoch_goes_on_at_any_batch(n: int, drop_last: bool, shuffle: str) -> None:
    one = batches(n, size=4, shuffle=shuffle, drop_last=drop_last)
    whole = seen(one, 2)
    for start in range(one.steps + 1):
        assert seen(batches(n, size=4, shuffle=shuffle, drop_last=drop_last), 2, start) == whole[start:]


def test_batches_by_their_indices() -> None:
    one = batches(23, size=4)
    full, rest = one.indices(1)
    assert (full.shape, rest.shape) == ((5, 4), (1, 3))
    assert [*full.tolist(), *rest.tolist()] == seen(one, 1)
    (late, rest) = one.indices(1, start=3)
    assert [*late.tolist(), *rest.tolist()] == seen(one, 1)[3:]
    assert [index.tolist() for index in one.indices(1, start=6)] == []


def test_shuffle_says_when_the_order_changes() -> None:
    orders = {
        shuffle: [list(chain(*seen(batches(30, size=4, shuffle=shuffle), epoch))) for epoch in (1, 2, 3)]
        for shuffle in ("epoch", "once", "never")
    }
    assert orders["never"] == [list(range(30))] * 3
    first, second, third = orders["once"]
    assert first == second == third != list(range(30))
    assert len({tuple(order) for order in orders["epoch"]}) == 3
    assert all(order != list(range(30)) for order in orders["epoch"])


def test_the_batch_size_does_not_change_the_order() -> None:
    fours, sevens = (list(chain(*seen(batches(30, size=size), 1))) for size in (4, 7))
    assert fours == sevens


def test_a_full_batch_is_all_examples() -> None:
    x = np.arange(10.0)[:, None]
    ((found, t),) = batches_of(Batches(x, np.arange(10), FullBatch(), seed=0), 1)
    assert sorted(found[:, 0].tolist()) == sorted(t.tolist()) == list(range(10))


def test_orders_are_uniform() -> None:
    # Over 2000 epochs each of 5 examples comes first 400 times, give or take 5 standard deviations of 18.
    one = batches(5, size=1)
    counts = Counter(int(one.order(epoch)[0]) for epoch in range(1, 2001))
    assert all(abs(count - 400) < 90 for count in counts.values())
    assert len(counts) == 5
