"""Variance components of crossed streams: against enumeration, hand calculation and simulation."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from nnexp.errors import InputError
from nnexp.report import variance
from nnexp.report.tables import as_json
from nnexp.report.variance import Subset, arranged, components, from_mean_squares, squares, subsets, table

RNG = np.random.default_rng(0)


def exact(f: np.ndarray) -> dict[Subset, float]:
    """The components of a score f (M, ..., M) whose seeds are drawn with replacement: variances of projections."""
    known: dict[Subset, np.ndarray] = {frozenset(): np.full([1] * f.ndim, f.mean())}
    for effect in subsets(f.ndim):
        mean = f.mean(axis=tuple(i for i in range(f.ndim) if i not in effect), keepdims=True)
        known[effect] = mean - sum(part for other, part in known.items() if other < effect)
    return {effect: float((part**2).mean()) for effect, part in known.items() if effect}


@pytest.mark.parametrize(("streams", "levels", "seeds"), [(1, 3, 4), (2, 2, 3), (2, 3, 2), (3, 2, 2)])
def test_over_all_draws_of_seeds_the_mean_estimate_is_the_component(streams: int, levels: int, seeds: int) -> None:
    f = RNG.normal(size=[seeds] * streams)
    sums = dict.fromkeys(subsets(streams), 0.0)
    count = 0
    for drawn in product(product(range(seeds), repeat=levels), repeat=streams):
        y = f[np.ix_(*drawn)][None]
        mean = {effect: value / (levels - 1) ** len(effect) for effect, value in squares(y).items()}
        for effect, value in from_mean_squares(mean, levels).items():
            sums[effect] += value
        count += 1
    for effect, value in exact(f).items():
        assert sums[effect] / count == pytest.approx(value)


def test_sums_of_squares_add_up() -> None:
    y = RNG.normal(size=(4, 3, 3, 3))
    between = 27 * ((y.mean(axis=(1, 2, 3)) - y.mean()) ** 2).sum()
    assert sum(squares(y).values()) + between == pytest.approx(((y - y.mean()) ** 2).sum())


def test_two_streams_by_hand() -> None:
    """Rows 1 3 / 5 7: effects of ±2 and ±1, no interaction. MS_a = 16, MS_b = 4, MS_ab = 0: V_a = 8, V_b = 2."""
    found = components(np.array([[[1.0, 3.0], [5.0, 7.0]]] * 2), ["a", "b"])
    assert [(part.source, part.variance) for part in found.parts] == [("a", 8), ("b", 2), ("interactions", 0)]
    assert [part.share for part in found.parts] == [0.8, 0.2, 0]
    assert [part.whole for part in found.parts] == [0.8, 0.2, None]
    assert (found.variance, found.mean) == (10, 4)


def test_one_stream_is_the_variance_within_blocks() -> None:
    y = RNG.normal(size=(5, 4))
    [part] = components(y, ["init"]).parts
    assert part.variance == pytest.approx(y.var(axis=1, ddof=1).mean())
    assert (part.share, part.interval) == (1, (1, 1))


def test_an_estimate_below_zero_is_told() -> None:
    y = np.array([[[0.0, 1.0], [1.0, 0.0]]] * 3)  # an interaction and nothing else
    found = components(y, ["a", "b"])
    assert [part.variance for part in found.parts] == pytest.approx([-0.5, -0.5, 1])
    assert [part.share for part in found.parts] == [0, 0, 1]
    assert [part.whole for part in found.parts] == pytest.approx([0.5, 0.5, None])
    assert any("the estimate for a and b is below zero" in note for note in table(found, "loss").notes)


def test_equal_scores_have_no_shares() -> None:
    found = components(np.full((3, 2, 2), 0.1), ["a", "b"])
    assert [part.share for part in found.parts] == [None] * 3
    assert table(found, "accuracy").notes == ["accuracy is the same in all runs: no stream changes it"]
    assert '"share": null' in as_json(table(found, "accuracy"))


@pytest.mark.parametrize("shape", [(1, 2, 2), (2, 1), (2, 2, 3)])
def test_what_is_no_design(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="needs two blocks and two levels"):
        components(np.zeros(shape), ["a", "b"])


def test_a_block_without_a_score_is_left_out() -> None:
    y, lost = arranged([1.0, 2.0, 3.0, None, 5.0, 6.0], 3, 2, 1)
    assert y.tolist() == [[1, 2], [5, 6]]
    assert lost == 1
    with pytest.raises(InputError, match="only 1 of the 3 blocks"):
        arranged([1.0, 2.0, math.inf, 4.0, 5.0, None], 3, 2, 1)


def simulated(parts: dict[Subset, float], blocks: int, levels: int, streams: int) -> np.ndarray:
    """Scores (B, K, ..., K) with normal effects of these variances."""
    y = np.zeros((blocks, *[levels] * streams))
    for effect, value in parts.items():
        shape = [blocks, *(levels if i in effect else 1 for i in range(streams))]
        y = y + math.sqrt(value) * RNG.normal(size=shape)
    return y


def test_intervals_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    """In 200 simulated designs each share lies in its interval in 95 of 100, up to four standard errors."""
    monkeypatch.setattr(variance, "DRAWS", 800)
    parts = {frozenset([0]): 0.5, frozenset([1]): 0.2, frozenset([0, 1]): 0.3}
    covered = np.zeros(5)
    for _ in range(200):
        found = components(simulated(parts, 12, 2, 2), ["a", "b"])
        ends = [part.interval for part in found.parts] + [part.whole_interval for part in found.streams]
        for i, (share, end) in enumerate(zip((0.5, 0.2, 0.3, 0.8, 0.5), ends, strict=True)):
            assert end is not None
            covered[i] += end[0] <= share <= end[1]
    assert (covered / 200 > 0.95 - 4 * math.sqrt(0.05 * 0.95 / 200)).all(), covered
