"""benchmarks/targets.py, shortened: how often the verdict on times to a target is wrong."""

from __future__ import annotations

import math

import pytest

from tests.benchmarks.script import imported

targets = imported("targets")
Truth, measure = targets.Truth, targets.measure


@pytest.mark.parametrize(
    "truth",
    [
        Truth("paired", 8, failing=0.1),
        Truth("unpaired", 6, in_pairs=False),
        Truth("stopped early", 8, early=(0.5, 0.0)),
    ],
    ids=lambda truth: truth.what,
)
def test_claims_without_a_difference_are_rare(truth):
    counts = measure(truth, 200, 1.0, seed=3)
    assert counts.share("claims") <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 200)
    assert counts.share("held") == pytest.approx(0.95, abs=0.06)


def test_claims_where_there_is_a_difference_are_usual():
    assert measure(Truth("paired", 10), 100, 0.5, seed=4).share("claims") > 0.6
