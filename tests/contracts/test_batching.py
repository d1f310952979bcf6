"""Batch modes: how an epoch is cut, and that names for the same thing are the same to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from nnexp.components.batching import Batching, FullBatch
from nnexp.engine.experiment import Unfit
from nnexp.errors import Misfit
from tests.small import arrays, batches_of, rows, trained, trainer
from tests.variants import each


@pytest.mark.parametrize("n", [33, 34, 64, 100, 1000])
@each("batching", Batching)
def test_sizes_fit_together(batching: Batching, n: int) -> None:
    rows_, (full, rest) = batching.rows(n), batching.sizes(n)
    assert 1 <= rows_ <= n
    assert 0 <= rest < rows_
    assert full >= 1
    assert batching.steps(n) == full + (rest > 0)
    assert n - rows_ < full * rows_ + rest <= n


@each("batching", Batching)
def test_a_batch_is_no_larger_than_the_data(batching: Batching) -> None:
    try:
        assert batching.rows(2) <= 2
    except Misfit as misfit:
        assert "2 training examples" in misfit.message  # noqa: PT017 - either is right


@pytest.mark.parametrize("sampling", ["permutation", "replacement"])
@pytest.mark.parametrize("shuffle", ["epoch", "once", "never", "sklearn"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(("name", "size"), [("single", 1), ("full", 36)])
def test_a_name_for_a_size(name: str, size: int, optimizer: str, shuffle: str, sampling: str) -> None:
    if sampling == "replacement" and shuffle in ("never", "sklearn"):
        with pytest.raises(Unfit, match=f"batch.sampling: .* 'shuffle: {shuffle}' does not go with them"):
            trainer(batch={"name": name, "shuffle": shuffle, "sampling": sampling})
        return
    same = {"optimizer": optimizer, "regularization": "dropout"}
    order = {"shuffle": shuffle, "sampling": sampling}
    named = trainer(batch={"name": name, **order}, **same)
    sized = trainer(batch={"name": "mini", "size": size, **order}, **same)
    assert len(named.experiment.data.train) == 36
    assert rows(named) == rows(sized)
    assert arrays(named) == arrays(sized)


def test_the_order_of_a_full_batch_is_only_rounding() -> None:
    # The exact gradient does not depend on the order of the examples.
    one, other = (
        trained(batch={"name": "full", "shuffle": shuffle}, precision="float64") for shuffle in ("epoch", "never")
    )
    assert one.network.θ == pytest.approx(other.network.θ, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("n", [33, 100])
@each("batching", Batching)
def test_an_order_holds_each_example_once_or_draws_them(batching: Batching, n: int) -> None:
    order = batching.order(np.random.default_rng(0), n)
    assert order.shape == (n,)
    counts = np.bincount(order, minlength=n)
    if batching.sampling == "permutation":
        assert (counts == 1).all()
    else:
        assert 1.5 < counts.max() < 8


def test_draws_with_replacement_are_uniform() -> None:
    # 4,000 draws of 100 examples: counts with mean 40 and the spread of a binomial; chi-squared within 4 of its
    # standard deviations. Over the epochs of one run each epoch draws anew.
    rng = np.random.default_rng(1)
    batching = FullBatch(sampling="replacement")
    counts = sum(np.bincount(batching.order(rng, 100), minlength=100) for _ in range(40))
    assert abs(((counts - 40) ** 2 / 40).sum() - 99) < 4 * (2 * 99) ** 0.5
    one = trainer(batch={"name": "mini", "size": 8, "sampling": "replacement"})
    assert not np.array_equal(one.batches.order(1), one.batches.order(2))
    assert one.batches.steps == 5
    sizes = [len(x) for x, _ in batches_of(one.batches, 1)]
    assert sizes == [8, 8, 8, 8, 4]


def test_never_is_the_order_of_the_file() -> None:
    # The training split is drawn at random from the table; its batches come as the table has them.
    one = trainer(dataset={"name": "iris", "preprocessing": "none"}, batch={"name": "mini", "shuffle": "never"})
    table = one.config.dataset.load(np.random.default_rng(0))
    rows_ = table.x.astype(np.float32).tolist()
    places, next_ = [], 0
    for x, _ in batches_of(one.batches, 1):
        for example in x.tolist():
            next_ = rows_.index(example, next_) + 1
            places.append(next_)
    assert len(places) == 90


def test_orders_of_scikit_learn_do_not_depend_on_who_asks() -> None:
    batch = {"name": "mini", "size": 8, "shuffle": "sklearn"}
    one, other = trainer(batch=batch), trainer(batch=batch)
    forwards = [one.batches.order(epoch) for epoch in range(1, 6)]
    backwards = [other.batches.order(epoch) for epoch in range(5, 0, -1)][::-1]
    for a, b in zip(forwards, backwards, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len({order.tobytes() for order in forwards if order is not None}) == 5


def test_drop_last_leaves_the_rest_out() -> None:
    dropped = trained(batch={"name": "mini", "size": 8, "drop_last": True})
    assert dropped.learner.t == 4 * 4
    kept = trained(batch={"name": "mini", "size": 8})
    assert kept.learner.t == 4 * 5
