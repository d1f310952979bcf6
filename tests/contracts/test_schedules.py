"""Schedules: they begin at the base rate, stay in range, and count what they say."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest

from nnexp.components.schedules import Memory, PlateauSchedule, Schedule
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


@each("schedule", Schedule)
def test_says_whether_it_looks_at_the_end(schedule: Schedule) -> None:
    def factors(total: int) -> list[float]:
        return [schedule.factor(done, total) for done in range(41)]

    assert schedule.looks_at_end == (len({tuple(factors(total)) for total in (40, 41, 80, 4000)}) > 1)


# -- schedules that watch a metric -----------------------------------------------------------------


def watches(schedule: Schedule) -> bool:
    return schedule.watched is not None


def scales(schedule: Schedule, values: Iterable[float], higher: bool = False, lr: float = 1.0) -> list[float]:
    """The factor on the rate after each value."""
    memory, found = Memory(), []
    for value in values:
        memory = schedule.heed(memory, value, higher, lr)
        found.append(memory.scale)
    return found


@each("schedule", Schedule)
def test_only_one_that_watches_changes_its_mind(schedule: Schedule) -> None:
    changes = len(set(scales(schedule, [1.0] * 200))) > 1
    assert changes == watches(schedule)


@each("schedule", Schedule, watches)
def test_what_watches_cuts_and_never_raises(schedule: Schedule) -> None:
    rng = np.random.default_rng(0)
    for higher in (False, True):
        found = scales(schedule, rng.normal(size=300), higher)
        assert found[0] == 1
        assert all(0 <= later <= earlier for earlier, later in pairwise(found))
        assert found[-1] < 1


@each("schedule", Schedule, watches)
def test_what_gets_better_is_left_alone(schedule: Schedule) -> None:
    # By ten each time, so by far more than any threshold; through 0, where a share of the best has no sign.
    values = [500.0 - 10.0 * k for k in range(100)]
    assert set(scales(schedule, values)) == {1.0}
    assert set(scales(schedule, [-v for v in values], higher=True)) == {1.0}


@each("schedule", Schedule, watches)
def test_down_is_the_mirror_of_up(schedule: Schedule) -> None:
    values = np.random.default_rng(1).normal(size=200).round(1)
    assert scales(schedule, values) == scales(schedule, -values, higher=True)


@pytest.mark.parametrize("cooldown", [0, 3])
@pytest.mark.parametrize("patience", [0, 1, 5])
@each("schedule", Schedule, lambda schedule: isinstance(schedule, PlateauSchedule))
def test_a_plateau_is_cut_at_even_distances(schedule: PlateauSchedule, patience: int, cooldown: int) -> None:
    # The first value is the best; then patience + 1 bad ones make a cut, after which `cooldown` ones do not count.
    fields = {"patience": patience, "cooldown": cooldown, "min_lr": 0.0, "eps": 0.0}
    found = scales(schedule.model_copy(update=fields), [1.0] * 40)
    cuts = [k for k, (before, after) in enumerate(pairwise(found), 1) if after < before]
    distance = patience + 1 + cooldown
    assert cuts == list(range(patience + 1, 40, distance))
    assert found[-1] == pytest.approx(schedule.gamma ** len(cuts), rel=1e-12)
