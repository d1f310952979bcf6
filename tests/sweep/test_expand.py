"""Expansion: every combination once, in the order of the description, and no value overruled in silence."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest

from nnexp.config.load import flat
from nnexp.errors import InputError
from nnexp.sweep.description import read_sweep
from nnexp.sweep.expand import Sweep, Trial
from tests.small import config_file


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return config_file(tmp_path)


def sweep_file(folder: Path, text: str) -> Path:
    """A sweep over the small run."""
    config_file(folder)
    path = folder / "sweep.yaml"
    path.write_text(f"base: small.yaml\n{text}")
    return path


def values(sweep: Sweep, *keys: str) -> list[tuple[Any, ...]]:
    """What the trials have at these dotted keys."""
    found = []
    for trial in sweep.trials:
        one = flat(trial.loaded.config.model_dump())
        found.append(tuple(one[key] for key in keys))
    return found


OPTIMIZER = ("optimizer.name", "optimizer.lr")

# -- how many, and in which order ------------------------------------------------------------------


def test_a_grid_in_order(small: Path) -> None:
    sweep = read_sweep(small, ["optimizer=sgd,adam", "optimizer.lr=0.1,1e-2,3"], seeds=2)
    expected = list(itertools.product(["sgd", "adam"], [0.1, 0.01, 3.0], [0, 1]))
    assert values(sweep, *OPTIMIZER, "seed") == expected
    assert [trial.seed for trial in sweep.trials] == [seed for *_, seed in expected]
    assert all(trial.case is None for trial in sweep.trials)


def test_everything_at_once(tmp_path: Path) -> None:
    path = sweep_file(
        tmp_path,
        """
name: everything
threads: 3
grid:
  optimizer: [sgd, momentum, adam]
  optimizer.lr: [0.1, 0.01]
zip:
  batch.size: [4, 8]
  stop.epochs: [1, 2]
cases:
  plain: {}
  deep: {architecture.hidden: [6, 6, 6], activation: tanh}
seeds: [3, 5, 7]
""",
    )
    sweep = read_sweep(path)
    assert len(sweep.trials) == 2 * 3 * 2 * 2 * 3
    found = values(sweep, "architecture.hidden", *OPTIMIZER, "batch.size", "stop.epochs", "seed")
    assert len(set(map(repr, found))) == len(found)
    assert found == [
        (hidden, optimizer, lr, size, epochs, seed)
        for hidden in ((6, 5), (6, 6, 6))
        for optimizer in ("sgd", "momentum", "adam")
        for lr in (0.1, 0.01)
        for size, epochs in ((4, 1), (8, 2))
        for seed in (3, 5, 7)
    ]
    assert [trial.case for trial in sweep.trials] == ["plain"] * 36 + ["deep"] * 36
    assert {trial.loaded.config.name for trial in sweep.trials} == {"everything-plain", "everything-deep"}
    assert {trial.loaded.config.threads for trial in sweep.trials} == {1}


def test_one_experiment_is_a_sweep_of_one(small: Path) -> None:
    sweep = read_sweep(small)
    assert (sweep.name, len(sweep.trials), sweep.trials[0].label) == ("small", 1, "")


def test_the_seeds(tmp_path: Path) -> None:
    assert values(read_sweep(config_file(tmp_path, "seeded", seed=7)), "seed") == [(7,)]
    assert values(read_sweep(sweep_file(tmp_path, "seeds: 3")), "seed") == [(0,), (1,), (2,)]
    assert values(read_sweep(sweep_file(tmp_path, "seeds: [9, 4]")), "seed") == [(9,), (4,)]
    assert values(read_sweep(sweep_file(tmp_path, "seeds: [9, 4]"), seeds=1), "seed") == [(0,)], "the command line wins"


def test_a_zip_on_the_command_line(small: Path) -> None:
    sweep = read_sweep(small, ["zip(optimizer=sgd,adam optimizer.lr=0.5,0.25)", "batch.size=4,8"])
    assert values(sweep, "batch.size", *OPTIMIZER) == [
        (4, "sgd", 0.5),
        (4, "adam", 0.25),
        (8, "sgd", 0.5),
        (8, "adam", 0.25),
    ]


def test_nothing_is_capped(small: Path) -> None:
    sweep = read_sweep(small, ["optimizer.lr=logspace(1e-4,1,30)", "batch.size=range(1,11)"], seeds=4)
    assert len(set(values(sweep, "optimizer.lr", "batch.size", "seed"))) == 30 * 10 * 4


# -- lists of values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2,4", [1, 2, 4]),
        ("range(3,6)", [3, 4, 5]),
        ("range(4,0,-1)", [4, 3, 2, 1]),
        ("range(2,9,3)", [2, 5, 8]),
        ("range(2,8,3)", [2, 5]),
    ],
)
def test_whole_numbers(small: Path, text: str, expected: list[int]) -> None:
    assert values(read_sweep(small, [f"batch.size={text}"]), "batch.size") == [(size,) for size in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("range(3)", [0.0, 1.0, 2.0]),
        ("range(0.1,0.5,0.1)", [0.1, 0.2, 0.3, 0.4]),
        ("range(0,0.3,0.1)", [0.0, 0.1, 0.2]),
        ("logspace(1e-4,1,5)", [1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
        ("logspace(1,0.01,3)", [1.0, 0.1, 0.01]),
        ("logspace(0.003,3,4)", [0.003, 0.03, 0.3, 3.0]),
    ],
)
def test_real_numbers_are_the_ones_a_person_means(small: Path, text: str, expected: list[float]) -> None:
    assert values(read_sweep(small, [f"optimizer.lr={text}"]), "optimizer.lr") == [(lr,) for lr in expected]


@pytest.mark.parametrize("ends", [("1e-7", "0.3"), ("0.1", "0.7"), ("1e-300", "1e10")])
def test_logspace_ends_where_it_says(small: Path, ends: tuple[str, str]) -> None:
    found = [lr for (lr,) in values(read_sweep(small, [f"optimizer.lr=logspace({','.join(ends)},7)"]), "optimizer.lr")]
    assert (found[0], found[-1]) == tuple(map(float, ends))
    ratios = [math.log(b / a) for a, b in itertools.pairwise(found)]
    assert ratios == pytest.approx([ratios[0]] * 6, rel=1e-9)


def test_lists_and_components_as_values(small: Path) -> None:
    sweep = read_sweep(small, ["architecture.hidden=[4],[8,8]", "optimizer={name: sgd, lr: 0.5},adam"])
    assert values(sweep, "architecture.hidden", *OPTIMIZER) == [
        ((4,), "sgd", 0.5),
        ((4,), "adam", 0.001),
        ((8, 8), "sgd", 0.5),
        ((8, 8), "adam", 0.001),
    ]


# -- who wins --------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, -1])
def test_one_value_holds_for_the_whole_grid(small: Path, order: int) -> None:
    # a component is chosen first and its fields are set then, whatever stands first on the command line
    sweep = read_sweep(small, ["optimizer=sgd,adam", "optimizer.lr=0.5"][::order])
    assert values(sweep, *OPTIMIZER) == [("sgd", 0.5), ("adam", 0.5)]
    assert [trial.label for trial in sweep.trials] == ["optimizer-sgd", "optimizer-adam"], "only what differs"


def test_the_command_line_stands_over_the_file(tmp_path: Path) -> None:
    path = sweep_file(
        tmp_path,
        """
grid: {optimizer: [sgd, {name: adam, lr: 0.2}]}
zip: {batch.size: [4, 8], precision: [float32, float64]}
cases: {short: {stop.epochs: 1}, long: {stop.epochs: 9}}
""",
    )
    keys = (*OPTIMIZER, "batch.size", "stop.epochs")
    assert len(read_sweep(path).trials) == 8
    assert set(values(read_sweep(path, ["stop.epochs=3"]), "stop.epochs")) == {(3,)}
    assert set(values(read_sweep(path, ["batch.size=5"]), "batch.size", "precision")) == {
        (5, "float32"),
        (5, "float64"),
    }
    assert set(values(read_sweep(path, ["optimizer.lr=0.7"]), *OPTIMIZER)) == {("sgd", 0.7), ("adam", 0.7)}
    found = values(read_sweep(path, ["optimizer=nag,momentum"]), *keys)
    assert {name for name, *_ in found} == {"nag", "momentum"}
    assert len(found) == 8


def test_the_name_of_a_sweep(tmp_path: Path) -> None:
    path = sweep_file(tmp_path, "cases: {one: {}, two: {stop: 2}}")
    for sweep, name in ((read_sweep(path), "sweep"), (read_sweep(path, ["name=mine"]), "mine")):
        assert sweep.name == name
        assert [trial.loaded.config.name for trial in sweep.trials] == [f"{name}-one", f"{name}-two"]


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        ("grid: {optimizer.lr: [0.1, 0.2]}\ncases: {a: {optimizer.lr: 0.5}}", []),
        ("grid: {optimizer: [{name: sgd, lr: 0.1}, adam], optimizer.lr: [0.2, 0.3]}", []),
        ("grid: {stop.epochs: [1, 2]}\ncases: {a: {stop: 7}}", []),
        ("grid: {stop: [1, 2]}\nzip: {stop.epochs: [3, 4]}", []),
        ("grid: {regularization: [[{name: dropout, rate: 0.1}]], regularization.dropout.rate: [0.2, 0.3]}", []),
        ("grid: {optimizer.lr: [0.1, 0.2]}", ["optimizer={name: sgd, lr: 0.5},adam"]),
        ("grid: {stop.epochs: [1, 2]}", ["stop=3"]),
        ("seeds: 1", ["optimizer.lr=1,2", "zip(optimizer.lr=1,2 batch.size=3,4)"]),
        ("seeds: 1", ["optimizer={name: sgd, lr: 0.5}", "optimizer.lr=1,2"]),
    ],
)
def test_a_value_that_is_set_twice(tmp_path: Path, text: str, overrides: list[str]) -> None:
    with pytest.raises(InputError, match="set the same value; leave one of them out"):
        read_sweep(sweep_file(tmp_path, text), overrides)


@pytest.mark.parametrize("text", ["grid: {seed: [1, 2]}", "zip: {seed: [1, 2]}", "cases: {a: {seed: 3}}"])
def test_seeds_have_their_own_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"'seed' is not part of a grid; say 'seeds: \[1, 2, 3\]' in the file"):
        read_sweep(sweep_file(tmp_path, text))


def test_given_twice(small: Path) -> None:
    with pytest.raises(InputError, match=r"'optimizer\.lr' is given twice"):
        read_sweep(small, ["optimizer.lr=1,2", "optimizer.lr=3"])


def test_short_forms_in_a_grid(small: Path) -> None:
    sweep = read_sweep(small, ["stop=1,2", "stop.patience=3"])
    assert values(sweep, "stop.epochs", "stop.patience") == [(1, 3), (2, 3)]


# -- problems --------------------------------------------------------------------------------------


def test_all_problems_of_all_runs_at_once(small: Path) -> None:
    with pytest.raises(InputError) as raised:
        read_sweep(small, ["optimizer=sgd,adm", "batch.size=8,-1"])
    text = str(raised.value)
    assert "'adm' is not an optimizer; did you mean 'adam'?" in text
    assert "must be >= 1, found -1" in text
    assert text.count("'adm'") <= 2, "a problem of many runs is told once"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lr=logspace(0,1,5)", "logspace"),
        ("optimizer.lr=logspace(1,2,1)", "logspace"),
        ("optimizer.lr=logspace(1,2)", "logspace"),
        ("optimizer.lr=range(1,2,0)", "range"),
        ("optimizer.lr=range(5,1)", "the range is empty"),
        ("optimizer.lr=range(a)", "takes finite numbers"),
        ("optimizer.lr=1,,2", "empty value between commas"),
        ("zip(optimizer.lr=1,2 batch.size=1)", "equally long"),
        ("zip(optimizer.lr=1,2", "not closed"),
        ("zip()", "nothing to zip"),
        ("zip(optimizer.lr=1 optimizer.lr=2)", "twice"),
        ("seeds=3", "use --seeds N"),
        ("grid=3", "belongs into the sweep's file"),
        ("optimizer", "is not KEY=VALUE"),
    ],
)
def test_overrides_that_mean_nothing(small: Path, override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_sweep(small, [override])


# -- labels ----------------------------------------------------------------------------------------


def label(changes: dict[str, Any], case: str | None = None) -> str:
    return Trial(None, changes, case, 0).label  # type: ignore[arg-type]


def test_labels_say_what_differs() -> None:
    assert label({"optimizer.name": "adam", "optimizer.lr": 0.001}) == "optimizer-adam-lr-0.001"
    assert label({"architecture.hidden": [64, 32]}) == "hidden-64x32"
    assert label({"optimizer": {"name": "sgd", "lr": 0.5}}) == "optimizer-sgd-lr-0.5"
    assert label({}, "too large") == "too-large"
    assert label({}) == ""
    assert "/" not in label({"dataset.path": "../../etc/passwd"})
