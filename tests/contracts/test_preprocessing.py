"""Preprocessing: numbers by hand, and what holds for every step."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from nnexp.components.base import members
from nnexp.components.preprocessing import Preprocessing
from tests.variants import each

TRAINING = np.array([[1.0, 10.0], [3.0, 40.0], [5.0, 10.0], [7.0, 40.0]])
"""Means 4 and 25; variances (9 + 1 + 1 + 9)/4 = 5 and 225; of all together (20 + 900)/8 = 115."""
NEW = np.array([[9.0, 70.0]])

BY_HAND = [
    ("center", {}, [5, 45]),
    ("standardize", {}, [5 / 5**0.5, 45 / 15]),
    ("standardize", {"scale": "global"}, [5 / 115**0.5, 45 / 115**0.5]),
    ("minmax", {}, [8 / 6, 60 / 30]),
    ("minmax", {"low": -1.0, "high": 1.0}, [-1 + 2 * 8 / 6, -1 + 2 * 2]),
    ("impute", {}, [9, 70]),
]


@pytest.mark.parametrize(("name", "fields", "expected"), BY_HAND)
def test_by_hand(name: str, fields: dict, expected: list[float]) -> None:
    fitted = members(Preprocessing)[name](**fields).fit(TRAINING)
    np.testing.assert_allclose(fitted(NEW)[0], expected, rtol=1e-14)


def test_every_step_was_calculated_by_hand() -> None:
    assert {name for name, _, _ in BY_HAND} == set(members(Preprocessing))


def test_missing_values_become_the_mean_of_the_others() -> None:
    x = np.array([[1.0, np.nan], [np.nan, np.nan], [5.0, np.nan]])
    fitted = members(Preprocessing)["impute"]().fit(x)
    # A feature without any value becomes 0.
    np.testing.assert_array_equal(fitted(x), [[1, 0], [3, 0], [5, 0]])


@each("step", Preprocessing)
def test_keeps_shape_order_and_input(step: Preprocessing) -> None:
    before = TRAINING.copy()
    fitted = step.fit(TRAINING)
    found = fitted(TRAINING)
    np.testing.assert_array_equal(TRAINING, before)
    assert found.shape == TRAINING.shape
    assert found.dtype == np.float64
    for column, values in zip(found.T, TRAINING.T, strict=True):
        np.testing.assert_array_equal(
            np.sign(np.subtract.outer(column, column)), np.sign(np.subtract.outer(values, values))
        )


@each("step", Preprocessing)
def test_works_example_by_example(step: Preprocessing) -> None:
    fitted = step.fit(TRAINING)
    np.testing.assert_array_equal(fitted(TRAINING), [fitted(row[None])[0] for row in TRAINING])


@each("step", Preprocessing)
def test_again_changes_nothing(step: Preprocessing) -> None:
    once = step.fit(TRAINING)(TRAINING)
    np.testing.assert_allclose(step.fit(once)(once), once, rtol=1e-12, atol=1e-12)


@each("step", Preprocessing)
def test_does_not_depend_on_the_order_of_the_examples(step: Preprocessing) -> None:
    np.testing.assert_allclose(step.fit(TRAINING[::-1])(NEW), step.fit(TRAINING)(NEW), rtol=1e-14)


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ValidationError, match="below high"):
        members(Preprocessing)["minmax"](low=1.0, high=1.0)
