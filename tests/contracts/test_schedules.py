"""Schedules: they begin at the base rate, stay in range, and count what they say."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from nnexp.components.schedules import Schedule
from tests.small import rows, trainer
from tests.variants import each


@pytest.mark.parametrize("total", [1, 2, 10, 1000])
@each("schedule", Schedule, lambda schedule: schedule.only_falls)
def test_begins_at_the_base_rate(schedule: Schedule, total: int) -> None:
    assert schedule.factor(schedule.warmup, total) == 1


@pytest.mark.parametrize("total", [1, 2, 10, 1000])
@each("schedule", Schedule)
def test_stays_in_range(schedule: Schedule, total: int) -> None:
    factors = [schedule.factor(done, total) for done in range(2 * total + 2)]
    assert all(math.isfinite(factor) and 0 <= factor <= 1 for factor in factors)


@pytest.mark.parametrize("total", [1, 2, 10, 1000])
@each("schedule", Schedule)
def test_falls_unless_it_says_otherwise(schedule: Schedule, total: int) -> None:
    factors = [schedule.factor(done, total) for done in range(schedule.warmup, 2 * total + 2)]
    falls = all(later <= earlier for earlier, later in pairwise(factors))
    assert falls or not schedule.only_falls
    if total == 1000:
        assert falls == schedule.only_falls


@each("schedule", Schedule)
def test_warms_up_along_a_line(schedule: Schedule) -> None:
    warm = schedule.model_copy(update={"warmup": 4, "warmup_start": 0.2})
    assert [warm.factor(done, 20) for done in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8], rel=1e-15)
    plain = schedule.model_copy(update={"warmup": 0})
    if not schedule.timed_by_warmup:
        assert [warm.factor(4 + done, 20) for done in range(16)] == [plain.factor(done, 16) for done in range(16)]


@each("schedule", Schedule)
def test_is_a_function_of_its_arguments(schedule: Schedule) -> None:
    forwards = [schedule.factor(done, 10) for done in range(10)]
    assert [schedule.factor(done, 10) for done in reversed(range(10))] == forwards[::-1]


@each("schedule", Schedule)
def test_epochs_and_steps_are_the_same_with_one_batch(schedule: Schedule) -> None:
    by_epoch, by_step = (
        rows(trainer(batch="full", stop=6, schedule={**schedule.model_dump(), "per": per})) for per in ("epoch", "step")
    )
    assert by_epoch == by_step


@each("schedule", Schedule)
def test_multiplies_the_base_rate(schedule: Schedule) -> None:
    one = trainer(schedule=schedule.model_dump(), optimizer={"name": "sgd", "lr": 0.5})
    total = one.total_epochs if schedule.per == "epoch" else one.total_steps
    every = one.batches.steps if schedule.per == "epoch" else 1
    for done in range(one.total_steps):
        assert one.lr(done) == 0.5 * schedule.factor(done // every, total)
