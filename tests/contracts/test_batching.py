"""Batch modes: how an epoch is cut, and that names for the same thing are the same to the bit."""

from __future__ import annotations

import pytest

from nnexp.components.batching import Batching
from nnexp.errors import Misfit
from tests.small import arrays, rows, trained, trainer
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


@pytest.mark.parametrize("shuffle", ["epoch", "once", "never"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(("name", "size"), [("single", 1), ("full", 36)])
def test_a_name_for_a_size(name: str, size: int, optimizer: str, shuffle: str) -> None:
    same = {"optimizer": optimizer, "regularization": "dropout"}
    named = trainer(batch={"name": name, "shuffle": shuffle}, **same)
    sized = trainer(batch={"name": "mini", "size": size, "shuffle": shuffle}, **same)
    assert len(named.experiment.data.train) == 36
    assert rows(named) == rows(sized)
    assert arrays(named) == arrays(sized)


def test_the_order_of_a_full_batch_is_only_rounding() -> None:
    # The exact gradient does not depend on the order of the examples.
    one, other = (
        trained(batch={"name": "full", "shuffle": shuffle}, precision="float64") for shuffle in ("epoch", "never")
    )
    assert one.network.θ == pytest.approx(other.network.θ, rel=1e-9, abs=1e-12)


def test_drop_last_leaves_the_rest_out() -> None:
    dropped = trained(batch={"name": "mini", "size": 8, "drop_last": True})
    assert dropped.learner.t == 4 * 4
    kept = trained(batch={"name": "mini", "size": 8})
    assert kept.learner.t == 4 * 5
