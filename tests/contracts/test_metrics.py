"""Metrics: what is better is better, in any order of the examples."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from nnexp.components.base import members
from nnexp.components.metrics import Metric
from tests.small import rows, trainer
from tests.variants import each

RNG = np.random.default_rng(0)


def targets(metric: Metric) -> np.ndarray:
    return np.arange(60) % 3 if metric.task == "classification" else RNG.normal(100, 20, 60)


def spoiled(metric: Metric, t: np.ndarray, share: float) -> np.ndarray:
    """Predictions of which a share misses the target."""
    predicted = t.copy()
    wrong = int(share * len(t))
    predicted[:wrong] = (t[:wrong] + 1) % 3 if metric.task == "classification" else t[:wrong] + 7
    return predicted


@each("metric", Metric)
def test_better_predictions_score_better(metric: Metric) -> None:
    t = targets(metric)
    scores = [metric.measure(spoiled(metric, t, share), t) for share in (0, 0.2, 0.5, 1)]
    assert all(isinstance(score, float) for score in scores)
    assert all((a > b) == metric.higher_is_better and a != b for a, b in pairwise(scores))
    assert scores[0] == (1 if metric.higher_is_better else 0)


@each("metric", Metric)
def test_the_order_does_not_matter(metric: Metric) -> None:
    t = targets(metric)
    predicted, order = spoiled(metric, t, 0.3), RNG.permutation(60)
    assert metric.measure(predicted[order], t[order]) == pytest.approx(metric.measure(predicted, t), rel=1e-12)


@each("metric", Metric)
def test_twice_the_examples_score_the_same(metric: Metric) -> None:
    t = targets(metric)
    predicted = spoiled(metric, t, 0.3)
    assert metric.measure(np.tile(predicted, 2), np.tile(t, 2)) == pytest.approx(
        metric.measure(predicted, t), rel=1e-12
    )


def test_by_hand() -> None:
    kinds = members(Metric)
    assert kinds["accuracy"]().measure(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])) == 0.75
    t, predicted = (
        np.array([1.0, 2.0, 6.0]),
        np.array([2.0, 2.0, 4.0]),
    )  # misses 1, 0, 2; from the mean 3: 2, 1, 3
    assert kinds["rmse"]().measure(predicted, t) == pytest.approx((5 / 3) ** 0.5)
    assert kinds["r2"]().measure(predicted, t) == pytest.approx(1 - 5 / 14)
    assert kinds["r2"]().measure(np.full(3, 3.0), t) == 0
    assert np.isnan(kinds["r2"]().measure(predicted, np.ones(3)))


@pytest.mark.parametrize("dataset", ["iris", "diabetes"])
def test_every_metric_of_the_task_is_a_column(dataset: str) -> None:
    one = trainer(dataset=dataset, stop=1)
    (_, row) = rows(one)
    for name, cls in members(Metric).items():
        fits = cls.task == one.experiment.data.task
        for split in ("train", "validation"):
            assert (f"{split}_{name}" in row) == fits
            assert one.experiment.higher_is_better(f"{split}_{name}") == (fits and cls.higher_is_better)
    assert not one.experiment.higher_is_better("validation_loss")
