"""The script for the coverage of variance shares counts what it says: a short form of docs/statistics.md's table."""

from __future__ import annotations

import pytest

from tests.benchmarks.script import imported

shares = imported("shares")


def test_coverage_is_about_what_the_page_says() -> None:
    for truth in (shares.TRUTHS[0], shares.TRUTHS[-1]):
        held = shares.coverage(truth, designs=40)
        assert held.shape == (2 * truth.streams + 1,)
        assert (held >= 0.84).all(), held  # three standard errors below 95 %


def test_a_share_of_nothing_is_held_up_to_rounding() -> None:
    truth = shares.Truth("only one stream", {(0,): 1.0, (1,): 0.0}, 6, 2)
    assert truth.shares == pytest.approx([1.0, 0.0, 0.0, 1.0, 0.0])
    assert shares.coverage(truth, designs=10).tolist() == [1.0] * 5
