"""Searches that go by what came out: better than chance, and the same whenever they are asked."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest

from nnexp.errors import InputError
from nnexp.sweep.search import Halving, RandomSearch, Strategy, TpeSearch, strategies
from tests.sweep.test_space import nothing, space

SPACE = space(
    x={"log": [1e-4, 1]},
    y={"uniform": [-1, 1]},
    f={"choice": ["good", "bad"]},
    z=[{"int": [1, 9], "when": {"f": "good"}}, {"int": [11, 19], "when": {"f": "bad"}}],
)


def surface(point: dict[str, Any]) -> float:
    """Highest, with 0, at x = 0.01, y = 0.5, f = good and z = 3."""
    off = math.log10(point["x"] / 0.01) ** 2 + 4 * (point["y"] - 0.5) ** 2 + ((point["z"] - 3) / 6) ** 2
    return -off - (point["f"] == "bad")


def searched(
    strategy: Strategy, trials: int, score: Callable[[dict[str, Any]], float | None] = surface, higher: bool = True
) -> list[tuple[dict[str, Any], float | None]]:
    """All points of a search, in their order, with their scores."""
    searcher = strategy.searcher(SPACE, nothing, trials, higher)
    found = []
    while points := searcher.ask():
        scores = [score(point) for point in points]
        searcher.tell(scores)
        found += list(zip(points, scores, strict=True))
    return found


@pytest.fixture
def _optuna() -> None:
    pytest.importorskip("optuna")


@pytest.mark.usefixtures("_optuna")
@pytest.mark.slow
def test_tpe_finds_the_better_part_more_often_than_chance() -> None:
    def share(strategy: Strategy) -> float:
        """The share of the last 20 of 40 points that are better than half of all there are."""
        return sum((score or 0) > median for _, score in searched(strategy, 40)[20:]) / 20

    known = sorted(surface(point) for point in RandomSearch(seed=99).points(SPACE, nothing, 2000))
    median = known[len(known) // 2]
    chance = [share(RandomSearch(seed=seed)) for seed in range(20)]
    led = [share(TpeSearch(seed=seed)) for seed in range(20)]
    assert 0.4 < sum(chance) / 20 < 0.6
    assert sum(led) / 20 > 0.75
    assert sum(a > b for a, b in zip(led, chance, strict=True)) >= 16


@pytest.mark.usefixtures("_optuna")
@pytest.mark.parametrize("strategy", [TpeSearch(seed=3), TpeSearch(batch=1), RandomSearch()], ids=repr)
def test_the_same_search_asks_the_same(strategy: Strategy) -> None:
    first = searched(strategy, 17)
    assert len(first) == 17
    assert searched(strategy, 17) == first
    for point, _ in first:
        assert (point["z"] <= 9) == (point["f"] == "good")


@pytest.mark.usefixtures("_optuna")
def test_what_diverges_is_avoided() -> None:
    def half(point: dict[str, Any]) -> float | None:
        return None if point["x"] > 0.01 else 1.0

    for higher in (True, False):
        found = searched(TpeSearch(), 60, half, higher)
        assert sum(score is None for _, score in found[-20:]) <= 8, "half of all, by chance"


@pytest.mark.usefixtures("_optuna")
def test_the_direction_of_tpe() -> None:
    for higher in (True, False):
        late = [point["y"] for point, _ in searched(TpeSearch(), 60, lambda p: p["y"], higher)[-20:]]
        assert (sum(late) / 20 > 0.3) if higher else (sum(late) / 20 < -0.3)


@pytest.mark.usefixtures("_optuna")
def test_halving_keeps_the_best_of_so_many() -> None:
    judge = Halving(factor=3).judge(9, higher=True)
    # By hand. In its turn each must be among the best floor(n / 3), at least 1, of the n so far at this rung:
    # 0.5 is; 0.4 is not; 0.6 is; 0.3 is not; 0.7 is (1 of 5); 0.65 is (2 of 6); 0.1 is not; 0.2 is not;
    # 0.66 is not one of the best 3 of 9 - they are 0.7, 0.66 and 0.65 - but it is
    scores = dict(enumerate([0.5, 0.4, 0.6, 0.3, 0.7, 0.65, 0.1, 0.2, 0.66]))
    assert judge.survivors(1, scores) == [0, 2, 4, 5, 8]
    # 0.9 alone; 0.8 is not the best of 2; 0.95 of 3 is; 0.1 is not; 0.96 of 5 is
    assert judge.survivors(3, {0: 0.9, 2: 0.8, 4: 0.95, 5: 0.1, 8: 0.96}) == [0, 4, 8]


@pytest.mark.usefixtures("_optuna")
def test_halving_small_losses() -> None:
    judge = Halving(factor=2, first=2).judge(4, higher=False)
    # the best 1 of 1, 1 of 2, 1 of 3, 2 of 4; None has no score
    assert judge.survivors(2, {0: 0.3, 1: None, 2: 0.4, 3: 0.2}) == [0, 3]


def test_rungs() -> None:
    assert Halving().rungs(1) == []
    assert Halving().rungs(9) == [1, 3]
    assert Halving(factor=2, first=3).rungs(25) == [3, 6, 12, 24]


def test_every_strategy_by_its_name() -> None:
    assert set(strategies()) == {"random", "sobol", "halving", "tpe"}


@pytest.mark.parametrize("strategy", [Halving(), TpeSearch()], ids=["halving", "tpe"])
def test_a_missing_package_is_named(strategy: Strategy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        InputError, match=r"need the package optuna, which is not installed: pip install 'nnexp\[search\]'"
    ):
        strategy.require()
