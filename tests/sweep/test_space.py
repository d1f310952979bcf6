"""Ranges and conditions: the values that they promise, and no others."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from nnexp.config.yaml import Place
from nnexp.errors import InputError
from nnexp.sweep.description import read_sweep
from nnexp.sweep.expand import value_at
from nnexp.sweep.search import RandomSearch, Sampling, SobolSearch
from nnexp.sweep.space import Axis, IntRange, LogRange, Space, UniformRange, read_ranges
from tests.small import config_file

HERE = Place("a test")


def space(**ranges: Any) -> Space:
    """Keys to ranges as in YAML; `__` stands for a dot."""
    keys = {key.replace("__", "."): value for key, value in ranges.items()}
    return Space([Axis(key, one, HERE) for key, value in keys.items() for one in read_ranges(value)])


def nothing(key: str) -> Any:
    raise AssertionError(f"{key} is drawn, so nobody has to ask for it")


def drawn(strategy: Sampling, over: Space, count: int) -> list[dict[str, Any]]:
    return strategy.points(over, nothing, count)


# -- the distributions -----------------------------------------------------------------------------

RANGES = [
    ({"uniform": [-2.0, 3.0]}, lambda x: (x + 2) / 5),
    ({"log": [1e-5, 10.0]}, lambda x: math.log(x / 1e-5) / math.log(1e6)),
    ({"log": [0.9, 1.1]}, lambda x: math.log(x / 0.9) / math.log(1.1 / 0.9)),
]


@pytest.mark.parametrize("strategy", [RandomSearch(seed=1), SobolSearch(seed=1)], ids=["random", "sobol"])
@pytest.mark.parametrize(("one", "cdf"), RANGES, ids=["uniform", "log", "narrow"])
def test_real_ranges_have_their_distribution(strategy: Sampling, one: Any, cdf: Any) -> None:
    points = drawn(strategy, space(a={"uniform": [0, 1]}, b=one), 1024)
    found = kstest([cdf(point["b"]) for point in points], "uniform")
    assert found.pvalue > 0.01
    if isinstance(strategy, SobolSearch):  # 1024 points: one in each of as many equal parts, to the rounding
        assert found.statistic < 2 / 1024
    independent = np.corrcoef([p["a"] for p in points], [cdf(p["b"]) for p in points])[0, 1]
    assert abs(independent) < 4 / math.sqrt(1024)


@pytest.mark.parametrize("strategy", [RandomSearch(seed=2), SobolSearch(seed=2)], ids=["random", "sobol"])
def test_whole_numbers_and_choices_are_equally_likely(strategy: Sampling) -> None:
    over = space(n={"int": [3, 6]}, f={"choice": ["a", "b", "c"]}, x={"uniform": [0, 1]})
    points = drawn(strategy, over, 1200)
    for key, values in (("n", [3, 4, 5, 6]), ("f", ["a", "b", "c"])):
        counts = [sum(point[key] == value for point in points) for value in values]
        assert sum(counts) == 1200
        expected = 1200 / len(values)
        assert sum((c - expected) ** 2 / expected for c in counts) < 13.8, "chi-square, p < 0.001 for two of freedom"


def test_sobol_is_more_even_than_random() -> None:
    over = space(a={"uniform": [0, 1]}, b={"uniform": [0, 1]})

    def emptiest(strategy: Sampling) -> int:
        cells = {(int(8 * p["a"]), int(8 * p["b"])) for p in drawn(strategy, over, 64)}
        return 64 - len(cells)

    assert emptiest(SobolSearch()) == 0, "64 points, one in each cell of 8 x 8"
    assert emptiest(RandomSearch()) > 10


@pytest.mark.parametrize("cls", [RandomSearch, SobolSearch])
def test_more_trials_keep_the_first(cls: type[Sampling]) -> None:
    over = space(a={"log": [1e-4, 1]}, b={"int": [1, 500]})
    many = drawn(cls(), over, 300)
    for count in (1, 7, 64, 65, 299):
        assert drawn(cls(), over, count) == many[:count]
    assert drawn(cls(seed=1), over, 300) != many


# -- properties ------------------------------------------------------------------------------------

bounds = st.tuples(st.integers(-40, 40), st.integers(1, 50)).map(lambda pair: [pair[0], pair[0] + pair[1]])
positive = st.tuples(st.floats(1e-8, 1e3), st.floats(1.001, 1e6)).map(lambda pair: [pair[0], pair[0] * pair[1]])
one_range = st.one_of(
    st.fixed_dictionaries({"log": positive}),
    st.fixed_dictionaries({"uniform": bounds}),
    st.fixed_dictionaries({"int": bounds}),
    st.fixed_dictionaries({"choice": st.lists(st.integers(), min_size=2, max_size=5, unique=True)}),
)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from("abcde"), one_range, min_size=1), st.integers(1, 30), st.integers(0, 5))
def test_points_are_distinct_and_inside(ranges: dict[str, Any], count: int, seed: int) -> None:
    over = space(**ranges)
    for strategy in (RandomSearch(seed=seed), SobolSearch(seed=seed)):
        sizes = [
            r["int"][1] - r["int"][0] + 1 if "int" in r else len(r.get("choice", range(10**9))) for r in ranges.values()
        ]
        if math.prod(sizes) < count:
            with pytest.raises(ValueError, match=f"a space that has {math.prod(sizes)} points"):
                drawn(strategy, over, count)
            continue
        points = drawn(strategy, over, count)
        assert len(points) == count == len(set(map(repr, points)))
        for point in points:
            assert list(point) == list(ranges)
            for key, value in point.items():
                [(kind, given)] = ranges[key].items()
                assert value in given if kind == "choice" else given[0] <= value <= given[1]
                assert kind != "int" or isinstance(value, int)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([LogRange, UniformRange, IntRange]), st.data())
def test_the_place_of_a_value_is_where_it_was_drawn(cls: Any, data: st.DataObject) -> None:
    one = cls.model_validate({cls.kind: data.draw(positive if cls is LogRange else bounds)})
    u = data.draw(st.floats(0, 1, exclude_max=True))
    low, high = one.bounds
    width = high - low + 1 if cls is IntRange else math.inf
    assert one.place(one.at(u)) == pytest.approx(u, abs=max(2 / width, 1e-2))
    assert one.place(low) == 0
    assert one.place(high) == pytest.approx(1)


# -- conditions ------------------------------------------------------------------------------------

CONDITIONAL = """
search: random
trials: 60
space:
  optimizer.lr:
    - {log: [1, 10], when: {optimizer: sgd}}
    - {log: [0.1, 0.9], when: {optimizer: [momentum, nag]}}
    - {log: [0.001, 0.09], when: {optimizer: adam}}
  optimizer.momentum: {uniform: [0.5, 0.6], when: {optimizer: [momentum, nag]}}
  optimizer: {choice: [sgd, momentum, nag, adam]}
  regularization.l2.strength: {log: [1e-5, 1e-3], when: {optimizer: adam, activation: tanh}}
  activation: {choice: [relu, tanh]}
"""
LIMITS = {"sgd": (1, 10), "momentum": (0.1, 0.9), "nag": (0.1, 0.9), "adam": (0.001, 0.09)}


def sweep_file(folder: Path, text: str) -> Path:
    config_file(folder)
    path = folder / "sweep.yaml"
    path.write_text(f"base: small.yaml\n{text}")
    return path


def test_each_optimizer_has_its_own_ranges(tmp_path: Path) -> None:
    sweep = read_sweep(sweep_file(tmp_path, CONDITIONAL))
    assert len(sweep.trials) == 60
    seen = set()
    for trial in sweep.trials:
        config, changes = trial.loaded.config, trial.changes
        name = config.optimizer.label()
        seen.add((name, config.activation.label()))  # type: ignore[union-attr]
        assert LIMITS[name][0] <= config.optimizer.lr <= LIMITS[name][1]
        assert ("optimizer.momentum" in changes) == (name in ("momentum", "nag"))
        assert ("regularization.l2.strength" in changes) == ((name, changes["activation"]) == ("adam", "tanh"))
        assert len(config.regularization) == ("regularization.l2.strength" in changes)
    assert len(seen) == 8
    assert len({repr(trial.changes) for trial in sweep.trials}) == 60


GRID = """
grid: {optimizer: [sgd, adam]}
cases: {flat: {activation: linear}, bent: {activation: {name: leaky_relu, negative_slope: 0.1}}}
search: sobol
trials: 2
"""


def test_conditions_on_grids_cases_and_the_base(tmp_path: Path) -> None:
    text = f"""{GRID}
space:
  optimizer.lr: {{log: [1, 2], when: {{optimizer: sgd}}}}
  batch.size: {{int: [2, 9], when: {{activation: leaky_relu, dataset: moons, stop.epochs: 4}}}}
"""
    sweep = read_sweep(sweep_file(tmp_path, text))
    # where no range holds, in the level of adam without a bend, there is one thing to try
    assert [(t.case, t.changes["optimizer"]) for t in sweep.trials] == [
        ("flat", "sgd"), ("flat", "sgd"), ("flat", "adam"),
        ("bent", "sgd"), ("bent", "sgd"), ("bent", "adam"), ("bent", "adam"),
    ]  # fmt: skip
    for trial in sweep.trials:
        assert ("optimizer.lr" in trial.changes) == (trial.changes["optimizer"] == "sgd")
        assert ("batch.size" in trial.changes) == (trial.case == "bent")


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("dataset: iris", "dataset is never iris, but moons"),
        ("optimizer: adm", r"optimizer is never adm, but sgd or adam; did you mean 'adam'\?"),
        ("optimiser: adam", r"there is no key 'optimiser'; did you mean 'optimizer'\?"),
        ("optimizer.momentun: 0.9", r"there is no key 'optimizer\.momentun'; did you mean 'optimizer\.momentum'\?"),
        ("stop.epochs: 3", r"'stop\.epochs' is drawn from a range of numbers; a condition needs a choice"),
        ("activation: relu", "activation is never relu, but linear or leaky_relu"),
    ],
)
def test_conditions_that_never_hold(tmp_path: Path, condition: str, message: str) -> None:
    text = f"{GRID}space:\n  stop.epochs: {{int: [3, 4]}}\n  batch.size: {{int: [2, 9], when: {{{condition}}}}}\n"
    with pytest.raises(InputError, match=message):
        read_sweep(sweep_file(tmp_path, text))


def test_what_a_draft_says() -> None:
    data = {"optimizer": "momentum", "stop": 7, "regularization": ["l2", {"name": "dropout", "rate": 0.25}]}
    assert value_at(data, "optimizer") == value_at(data, "optimizer.name") == "momentum"
    assert value_at(data, "optimizer.momentum") == 0.9, "the member's default"
    assert value_at(data, "stop.epochs") == 7
    assert value_at(data, "stop.patience") is None
    assert value_at(data, "regularization.dropout.rate") == 0.25
    assert value_at(data, "activation") == "relu", "the key's default"
    assert value_at({}, "optimizer.lr") == 0.001
    assert value_at({"optimizer": {"name": "sgd", "lr": 3}}, "optimizer.lr") == 3


def test_conditions_may_lead_in_no_circle(tmp_path: Path) -> None:
    text = """
search: random
trials: 3
space:
  activation: {choice: [relu, tanh], when: {optimizer: sgd}}
  optimizer: {choice: [sgd, adam], when: {activation: relu}}
"""
    with pytest.raises(InputError, match="the conditions of activation and optimizer lead in a circle"):
        read_sweep(sweep_file(tmp_path, text))


# -- what a sweep makes of them --------------------------------------------------------------------


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["sgd", "momentum", "nag", "adam"]), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(2, 9), min_size=1, max_size=3, unique=True),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from(["random", "sobol"]),
)
def test_the_number_and_the_order(
    tmp_path: Path, optimizers: list[str], sizes: list[int], trials: int, seeds: int, search: str
) -> None:
    text = f"""
grid: {{optimizer: {optimizers}, batch.size: {sizes}}}
space: {{optimizer.lr: {{log: [0.001, 0.1]}}, activation: {{choice: [relu, tanh, elu]}}}}
search: {search}
trials: {trials}
seeds: {seeds}
"""
    sweep = read_sweep(sweep_file(tmp_path, text))
    found = [(t.changes["optimizer"], t.changes["batch.size"], t.point, t.seed) for t in sweep.trials]
    assert found == [
        (optimizer, size, point, seed)
        for optimizer in optimizers
        for size in sizes
        for point in range(trials)
        for seed in range(seeds)
    ]
    settings_of = {
        (o, s): {repr(t.changes) for t in sweep.trials if t.changes["optimizer"] == o and t.changes["batch.size"] == s}
        for o, s, *_ in found
    }
    assert all(len(points) == trials for points in settings_of.values()), "no setting is tried twice"
    drawn_of = {(t.changes["optimizer"], t.point): t.changes["optimizer.lr"] for t in sweep.trials}
    assert all(drawn_of[o, k] == drawn_of[optimizers[0], k] for o, k in drawn_of), "all levels get the same points"


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["sgd", "momentum", "nag", "adam"]), st.booleans(), min_size=1),
    st.lists(st.sampled_from(["relu", "tanh", "elu"]), max_size=3, unique=True),
    st.integers(0, 2),
    st.integers(1, 3),
    st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True),
    st.sampled_from(["random", "sobol"]),
)
def test_grid_zip_cases_and_conditions_together(
    tmp_path: Path, ranged: dict[str, bool], cases: list[str], pairs: int, trials: int, seeds: list[int], search: str
) -> None:
    """Optimizers that have a range of their own, or none; cases; pairs in step: each combination once, in order."""
    zipped = [(10 + k, 20 + k) for k in range(pairs)]
    lines = [f"grid: {{optimizer: {list(ranged)}}}", f"seeds: {seeds}"]
    if cases:
        lines.append("cases: {" + ", ".join(f"{one}: {{activation: {one}}}" for one in cases) + "}")
    if zipped:
        lines.append(f"zip: {{batch.size: {[a for a, _ in zipped]}, stop.epochs: {[b for _, b in zipped]}}}")
    having = [name for name, has in ranged.items() if has]
    if having:
        ranges = [f"{{log: [{LIMITS[name][0]}, {LIMITS[name][1]}], when: {{optimizer: {name}}}}}" for name in having]
        lines += [f"space: {{optimizer.lr: [{', '.join(ranges)}]}}", f"search: {search}", f"trials: {trials}"]
    sweep = read_sweep(sweep_file(tmp_path, "\n".join(lines)))
    found = [
        (t.case, t.changes["optimizer"], t.changes.get("batch.size"), t.changes.get("stop.epochs"), t.point, t.seed)
        for t in sweep.trials
    ]
    expected = [
        (case, optimizer, *pair, point, seed)
        for case in cases or [None]
        for optimizer in ranged
        for pair in zipped or [(None, None)]
        for point in (range(trials if ranged[optimizer] else 1) if having else [None])
        for seed in seeds
    ]
    assert found == expected
    assert len({repr((t.case, t.changes, t.seed)) for t in sweep.trials}) == len(expected), "nothing is run twice"
    for trial in sweep.trials:
        name = trial.changes["optimizer"]
        assert ("optimizer.lr" in trial.changes) == ranged[name], "a range holds where its condition does"
        if ranged[name]:
            assert LIMITS[name][0] <= trial.changes["optimizer.lr"] <= LIMITS[name][1]


@pytest.mark.parametrize(
    "text",
    ["space: {optimizer.lr: {log: [0.01, 1]}}", "optimizer.lr: {log: [0.01, 1]}", ""],
    ids=["space", "dotted", "command line"],
)
def test_three_ways_to_write_a_range(tmp_path: Path, text: str) -> None:
    path = sweep_file(tmp_path, text)
    words = [] if text else ["optimizer.lr=log(0.01,1)"]
    sweep = read_sweep(path, words, 2, {"search": "sobol", "trials": 5})
    assert len({trial.loaded.config.optimizer.lr for trial in sweep.trials}) == 5
    assert len(sweep.trials) == 10
    assert sweep.spec["space"] == {"optimizer.lr": [{"log": [0.01, 1]}]}
    assert sweep.spec["search"] == {"name": "sobol", "seed": 0}


def test_the_command_line_stands_over_the_space(tmp_path: Path) -> None:
    path = sweep_file(
        tmp_path, "space: {optimizer.lr: {log: [0.01, 1]}, batch.size: {int: [2, 9]}}\nsearch: random\ntrials: 4"
    )
    fixed = read_sweep(path, ["optimizer.lr=0.5"])
    assert {trial.loaded.config.optimizer.lr for trial in fixed.trials} == {0.5}
    assert len(fixed.trials) == 4
    ranged = read_sweep(path, ["optimizer.lr=uniform(2,3)"])
    assert all(2 <= trial.loaded.config.optimizer.lr <= 3 for trial in ranged.trials)
    assert len(read_sweep(path, options={"trials": 9}).trials) == 9
    with pytest.raises(InputError, match=r"'batch\.size' is given twice"):
        read_sweep(path, ["batch.size=int(1,3)", "batch.size=4"])
    with pytest.raises(InputError, match="set the same value; leave one of them out"):
        read_sweep(sweep_file(tmp_path, "grid: {stop: [1, 2]}\nstop.epochs: {int: [1, 3]}\nsearch: random\ntrials: 2"))


def test_a_sweep_may_not_look_at_the_test_split(tmp_path: Path) -> None:
    path = sweep_file(tmp_path, "")
    with pytest.raises(InputError, match="test scores are not for choosing"):
        read_sweep(path, options={"metric": "test_loss"})
    with pytest.raises(InputError, match="test scores are not for choosing"):
        read_sweep(path, ["optimizer.lr=log(1,2)"], options={"metric": "test_loss", "search": "random", "trials": 2})


def test_one_of_the_optimizers(tmp_path: Path) -> None:
    path = sweep_file(tmp_path, CONDITIONAL)
    sweep = read_sweep(path, ["optimizer=adam"])
    assert {trial.loaded.config.optimizer.label() for trial in sweep.trials} == {"adam"}
    assert len(sweep.trials) == 60
    assert all(trial.changes["optimizer.lr"] < 0.1 for trial in sweep.trials)


def test_choices_of_components_and_lists(tmp_path: Path) -> None:
    words = ["architecture.hidden=choice([4],[8,8])", "optimizer=choice(sgd,{name: adam, lr: 0.5})"]
    sweep = read_sweep(sweep_file(tmp_path, ""), words, None, {"search": "random", "trials": 4})
    found = {(t.loaded.config.architecture.widths(), t.loaded.config.optimizer.label()) for t in sweep.trials}
    assert found == {((4,), "sgd"), ((4,), "adam"), ((8, 8), "sgd"), ((8, 8), "adam")}
