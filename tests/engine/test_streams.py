"""Streams: each purpose, seed and index has its own numbers, always the same."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from nnexp.engine.streams import PURPOSES, stream


def test_the_same_again() -> None:
    for purpose in PURPOSES:
        np.testing.assert_array_equal(stream(3, purpose, 1).random(10), stream(3, purpose, 1).random(10))


def test_the_same_in_another_process() -> None:
    # Text hashes differ between processes; a purpose's key must not.
    script = "from nnexp.engine.streams import *; print([stream(3, purpose).random() for purpose in PURPOSES])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str([stream(3, purpose).random() for purpose in PURPOSES])


def test_streams_are_independent() -> None:
    keys = [(seed, purpose, *index) for seed in (0, 1, 2**63 - 1) for purpose in PURPOSES for index in ((), (0,), (1,))]
    draws = {key: stream(*key).normal(size=2000) for key in keys}
    for a, b in combinations(keys, 2):
        assert abs(np.corrcoef(draws[a], draws[b])[0, 1]) < 0.12, (a, b)  # 5 standard errors of 1/√2000


def test_drawing_from_one_does_not_move_another() -> None:
    first, second = stream(0, "init"), stream(0, "dropout")
    expected = stream(0, "dropout").random(5)
    first.random(1000)
    np.testing.assert_array_equal(second.random(5), expected)


def test_leaves_the_global_generator_alone() -> None:
    before = np.random.get_state()[1].copy()
    stream(0, "init").random(10)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_a_purpose_has_to_be_known() -> None:
    with pytest.raises(AssertionError, match="luck"):
        stream(0, "luck")
