"""Verdicts that may be looked at after every seed: against enumeration, and how often they are wrong."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from nnexp.report import sequential
from nnexp.report.sequential import LEAST, earliest, first_crossing, judge, looks, sign_vectors
from tests.benchmarks.script import imported

RNG = np.random.default_rng(0)


def enumerated(d: list[float], budget: int, level: float, side: str) -> int | None:
    """`first_crossing` in plain Python: each sign vector's path, and each look's boundary by counting."""
    allowed_of = {"both": abs, "above": float, "below": lambda s: -s}[side]
    gone: set[tuple[int, ...]] = set()
    everything = list(product((1, -1), repeat=budget))
    for n in range(LEAST, len(d) + 1):
        reach = {
            signs: round(allowed_of(sum(s * v for s, v in zip(signs, d[:n], strict=False))), 9)
            for signs in everything
            if signs not in gone
        }
        best: set[tuple[int, ...]] = set()
        for value in sorted(set(reach.values()), reverse=True):
            more = {signs for signs, one in reach.items() if one >= value}
            if len(gone | more) > level * n / budget * len(everything):
                break
            best = more
        if (1,) * budget in best:
            return n
        gone |= best
    return None


@pytest.mark.parametrize("side", ["both", "above", "below"])
@pytest.mark.parametrize("level", [0.05, 0.2, 0.5])
def test_the_boundary_is_that_of_enumerating_all_signs(level: float, side: sequential.Side) -> None:
    found = set()
    for shift in (-1.0, 0.0, 0.5, 1.0):
        for d in (RNG.normal(shift, 1, 9), RNG.integers(-1, 3, 9) + np.round(shift)):
            given = [float(v) for v in d]
            expected = enumerated(given, 9, level, side)
            assert first_crossing(given, 9, level, side) == expected
            found.add(expected)
    assert len(found) > 1


def test_over_all_signs_no_more_are_rejected_than_the_level_says() -> None:
    d = RNG.normal(size=8)
    times = [first_crossing(d * signs, 8, 0.25) for signs in sign_vectors(8)]
    for n in range(LEAST, 9):
        share = sum(t is not None and t <= n for t in times) / 256
        assert 0 < share <= 0.25 * n / 8


@pytest.mark.parametrize("d", [[0.0] * 50, [1.0, -1.0] * 25])
def test_no_difference_is_found_where_there_is_none(d: list[float]) -> None:
    assert first_crossing(d, 50, 0.05) is None


def test_equal_differences_are_no_certainty() -> None:
    """A t test of six equal differences has p = 0; of 64 sign vectors two are as extreme."""
    assert first_crossing([0.01] * 50, 50, 0.05) == earliest(50, 1) == 8
    assert first_crossing([0.01] * 50, 50, 0.05 / 4) == earliest(50, 4) == 10


def test_scale_and_sign_do_not_matter() -> None:
    d = RNG.normal(0.7, 1, 40)
    times = {first_crossing(d * factor, 40, 0.05) for factor in (1, -1, 1e-6, 1e6)}
    assert len(times) == 1
    assert times != {None}


def test_more_differences_than_the_budget() -> None:
    with pytest.raises(ValueError, match="7 differences are more than the budget of 6"):
        first_crossing([1.0] * 7, 6, 0.05)


def test_words() -> None:
    good, none = [0.02 + 0.001 * i for i in range(20)], [0.001, -0.001] * 15
    assert [v.word for v in judge([good, none], 30)] == ["better", "open"]
    assert [v.word for v in judge([good, none], 30, higher=False)] == ["worse", "open"]
    [equal] = judge([none], 30, margin=0.01)
    assert equal.word == "equivalent"
    assert equal.at is not None
    small = [0.004 + 0.0001 * (i % 3) for i in range(30)]
    assert [v.word for v in judge([small], 30)] == ["better"]
    assert [v.word for v in judge([small], 30, margin=0.01)] == ["equivalent"]  # one side each, so it comes first
    assert [v.word for v in judge([good], 30, margin=0.01)] == ["better"]


def test_settled_comparisons_leave_their_error_rate_to_the_others() -> None:
    good, weak = [1.0] * 30, [float(v) for v in RNG.normal(0.5, 1, 30)]
    alone, shared = first_crossing(weak, 30, 0.05), first_crossing(weak, 30, 0.05 / 5)
    assert alone is not None
    assert shared is None or shared > alone
    verdicts = judge([good] * 4 + [weak], 30)
    assert verdicts[-1].at == alone
    assert judge([good] * 4 + [weak], 30, margin=1e-9)[-1].at == shared


def test_looks_end_at_the_budget() -> None:
    assert list(looks(8, 50))[-2:] == [46, 50]
    assert list(looks(60, 50)) == [50]
    assert all(2.0 ** (2 - earliest(n, m)) > 0.05 / m * (earliest(n, m) - 1) / n for n in (20, 50, 200) for m in (1, 9))


def test_the_simulation_in_small() -> None:
    """benchmarks/sequential.py with few sweeps: errors are rare, and a clear difference takes a third of 30 seeds."""
    simulate = imported("sequential")
    none = simulate.simulate(simulate.RULES["spending, sign flips"], simulate.normal, 0.0, 60, 3, 50)
    assert none.wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)
    clear = simulate.simulate(simulate.RULES["spending, sign flips"], simulate.normal, 2.0, 5, 1, 50)
    assert clear.found == 1
    assert clear.seeds < 12
