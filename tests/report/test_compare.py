"""Comparisons: what differs is shown, the numbers are right, and no run is dropped in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nnexp.errors import InputError
from nnexp.report.asked import Asked
from nnexp.report.compare import compare
from nnexp.report.tables import Grid
from tests.past import ADAM, alter, past_run, read, read_all, scores

SGD: dict[str, Any] = {"name": "sgd", "lr": 0.1}
ACCURACIES = {"sgd": [0.7, 0.72, 0.8], "adam": [0.9, 0.91, 0.95]}


@pytest.fixture
def seeded(tmp_path: Path) -> Path:
    """Two optimizers, three seeds each."""
    for optimizer in (SGD, ADAM):
        for seed, accuracy in enumerate(ACCURACIES[optimizer["name"]]):
            past_run(tmp_path, accuracy, optimizer=optimizer, seed=seed)
    return tmp_path


def table(root: Path, **options: Any) -> Grid:
    """The comparison of all runs below a root."""
    return compare(read_all(root), **options)


def keys(grid: Grid) -> list[str]:
    return [column.key for column in grid.columns]


def column(grid: Grid, key: str) -> list[Any]:
    return [row[key] for row in grid.rows]


def marked(grid: Grid, key: str) -> list[Any]:
    """What the rows marked as best have in a column."""
    return [grid.rows[i][key] for i in sorted(grid.best)]


# -- means -----------------------------------------------------------------------------------------


def test_means_over_seeds(seeded: Path) -> None:
    grid = table(seeded)
    assert column(grid, "optimizer.name") == ["adam", "sgd"], "the best first"
    assert marked(grid, "optimizer.name") == ["adam"]
    assert grid.title == "validation_accuracy by optimizer"
    for row in grid.rows:
        values = ACCURACIES[row["optimizer.name"]]
        low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
        assert row["n"] == 3
        assert row["mean"] == pytest.approx(np.mean(values), rel=1e-14)
        assert row["std"] == pytest.approx(np.std(values, ddof=1), rel=1e-12)
        assert (row["ci95_low"], row["ci95_high"]) == pytest.approx((low, high), rel=1e-12)
    assert grid.notes == []


def test_the_best_loss_is_the_lowest(seeded: Path) -> None:
    grid = table(seeded, metric="validation_loss")
    assert column(grid, "optimizer.name") == ["adam", "sgd"]
    assert column(grid, "mean") == sorted(column(grid, "mean"))
    assert marked(grid, "optimizer.name") == ["adam"]
    single = table(seeded, metric="validation_loss", aggregate=False)
    assert marked(single, "validation_loss") == [min(column(single, "validation_loss"))]


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    past_run(tmp_path, 0.7)
    past_run(tmp_path, 0.8, optimizer=ADAM)
    past_run(tmp_path, 0.9, optimizer=ADAM, seed=1)
    row = table(tmp_path, by=["optimizer"]).rows[1]
    assert (row["n"], row["mean"]) == (1, 0.7)
    assert row["std"] is row["ci95_low"] is row["ci95_high"] is None
    grid = table(tmp_path, by=["optimizer"])
    assert "-" in grid.cells(grid.columns)[1]


def test_runs_that_did_not_finish_are_counted(seeded: Path) -> None:
    past_run(seeded, status="diverged", optimizer=SGD, seed=3)
    past_run(seeded, status="diverged", optimizer={"name": "nag", "lr": 9.0}, seed=0)
    past_run(seeded, status="failed", optimizer=ADAM, seed=3)
    past_run(seeded, status="interrupted", optimizer=ADAM, seed=4)
    past_run(seeded, status="running", optimizer=ADAM, seed=5, record_pid=2**31 - 1)
    grid = table(seeded, by=["optimizer"])
    assert column(grid, "optimizer.name") == ["adam", "sgd", "nag"], "what never finished comes last"
    assert column(grid, "n") == [3, 3, 0]
    assert column(grid, "diverged") == [0, 1, 1]
    assert column(grid, "failed") == column(grid, "interrupted") == column(grid, "lost") == [1, 0, 0]
    assert column(grid, "mean") == [pytest.approx(0.92), pytest.approx(0.74), None]
    assert marked(grid, "optimizer.name") == ["adam"]
    assert grid.notes == [
        "2 of 11 runs diverged; the means are without them",
        "1 of 11 runs failed; the means are without them",
        "1 of 11 runs was interrupted (nnexp train --resume RUN); the means are without them",
        "1 of 11 runs is lost: its process is gone; the means are without them",
        "levels are in the order of their mean ranks over all outcomes, with failed runs last",
    ]
    single = table(seeded, aggregate=False)
    assert len(single.rows) == 11
    assert "status" in keys(single)
    assert column(single, "validation_accuracy")[-5:] == [None] * 5
    assert single.notes[0] == "2 of 11 runs diverged"


def test_only_diverged_runs(tmp_path: Path) -> None:
    for seed in range(2):
        past_run(tmp_path, status="diverged", seed=seed)
    grid = table(tmp_path)
    assert column(grid, "mean") == [None]
    assert column(grid, "diverged") == [2]
    assert grid.title == "no result yet, by name"
    assert len(table(tmp_path, aggregate=False).rows) == 2
    assert table(tmp_path, metric="validation_loss").rows == grid.rows


def test_a_repeated_run_counts_once(tmp_path: Path) -> None:
    for seed, accuracy in enumerate((0.5, 0.7)):
        for _ in range(3):
            past_run(tmp_path, accuracy, seed=seed, record_fingerprint=f"the same {seed}")
    past_run(tmp_path, status="interrupted", seed=1, record_fingerprint="the same 1")
    grid = table(tmp_path, by=["optimizer"])
    assert column(grid, "n") == [2]
    assert column(grid, "mean") == [0.6]
    assert grid.notes == ["5 more of the same configuration, seed and data: a repetition counts once"]
    assert len(table(tmp_path, aggregate=False).rows) == 7


def test_equal_values_are_all_best(tmp_path: Path) -> None:
    for lr, accuracy in ((0.1, 0.8), (0.2, 0.8), (0.3, 0.5)):
        past_run(tmp_path, accuracy, optimizer={"name": "sgd", "lr": lr})
    assert marked(table(tmp_path), "optimizer.lr") == [0.1, 0.2]


def test_one_run_is_the_best_of_nothing(tmp_path: Path) -> None:
    past_run(tmp_path, 0.8)
    assert table(tmp_path).best == frozenset()


# -- which columns ---------------------------------------------------------------------------------


def test_only_what_differs_is_shown(tmp_path: Path) -> None:
    past_run(tmp_path, 0.5, stop={"epochs": 2})
    past_run(tmp_path, 0.6, stop={"epochs": 3}, threads=2, monitor={"every": 2})
    shown = keys(table(tmp_path))
    assert shown == [
        "id",
        "stop.epochs",
        "epoch",
        "validation_accuracy",
        "validation_loss",
        "train_loss",
        "train_accuracy",
        "train_seconds",
    ]


def test_what_follows_from_the_component_is_hidden(tmp_path: Path) -> None:
    # adam has beta1 and its own learning rate, sgd has not: that is what being adam means
    past_run(tmp_path, 0.5, optimizer={"name": "sgd", "lr": 0.01})
    past_run(tmp_path, 0.6, optimizer={"name": "adam", "lr": 0.001, "beta1": 0.9})
    assert [key for key in keys(table(tmp_path)) if "optimizer" in key] == ["optimizer.name"]
    past_run(tmp_path, 0.7, optimizer={"name": "adam", "lr": 0.001, "beta1": 0.5})
    found = [key for key in keys(table(tmp_path)) if "optimizer" in key]
    assert found == ["optimizer.name", "optimizer.beta1"], "two adams differ in it"


def test_lists_of_components_differ_by_their_names(tmp_path: Path) -> None:
    past_run(tmp_path, 0.5, regularization=[])
    past_run(tmp_path, 0.6, regularization=[{"name": "dropout", "rate": 0.5}, {"name": "l2", "strength": 0.1}])
    past_run(tmp_path, 0.7, architecture={"name": "mlp", "hidden": [6]})
    grid = table(tmp_path)
    assert column(grid, "architecture.hidden") == [(6,), (6, 5), (6, 5)]
    assert column(grid, "regularization") == [None, "dropout+l2", "none"]


def test_seeds_alone_are_put_together(tmp_path: Path) -> None:
    for seed in range(3):
        past_run(tmp_path, 0.5 + seed / 10, seed=seed)
    grid = table(tmp_path)
    assert (column(grid, "name"), column(grid, "n")) == (["past"], [3])


def test_one_seed_each_is_a_row_each(tmp_path: Path) -> None:
    past_run(tmp_path, 0.5, seed=0)
    past_run(tmp_path, 0.6, seed=1, optimizer=ADAM)
    grid = table(tmp_path)
    assert keys(grid)[:3] == ["id", "optimizer.name", "seed"]


def test_cases_stand_for_what_they_change(tmp_path: Path) -> None:
    for case, hidden in (("small", [2]), ("large", [20])):
        for seed in range(2):
            changes: dict[str, Any] = {
                "architecture": {"name": "mlp", "hidden": hidden},
                "seed": seed,
                "record_case": case,
            }
            past_run(tmp_path, 0.5 + len(case) / 100 + seed / 10, **changes)
    grid = table(tmp_path)
    assert keys(grid)[0] == "case"
    assert "architecture.hidden" not in keys(grid)
    for case, hidden in (("small", [2]), ("large", [20])):
        past_run(tmp_path, 0.9, optimizer=ADAM, architecture={"name": "mlp", "hidden": hidden}, record_case=case)
    grid = table(tmp_path)
    assert keys(grid)[:2] == ["case", "optimizer.name"], "what varies within a case is not pooled"
    assert column(grid, "n") == [1, 1, 2, 2]


# -- by --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["optimizer", "optimizer.name"])
def test_by_a_component(seeded: Path, key: str) -> None:
    assert column(table(seeded, by=[key]), "optimizer.name") == ["adam", "sgd"]


@pytest.fixture
def grid_of_runs(tmp_path: Path) -> Path:
    """Two optimizers, two learning rates, two seeds."""
    for name, bonus in (("sgd", 0.0), ("adam", 0.1)):
        for lr in (0.01, 1.0):
            for seed in range(2):
                past_run(tmp_path, 0.5 + bonus + lr / 10 + seed / 100, optimizer={"name": name, "lr": lr}, seed=seed)
    return tmp_path


@pytest.mark.parametrize("key", ["lr", "optimizer.lr"])
def test_by_the_last_part_of_a_key(grid_of_runs: Path, key: str) -> None:
    grid = table(grid_of_runs, by=[key])
    assert column(grid, "optimizer.lr") == [1.0, 0.01]
    assert column(grid, "n") == [4, 4]
    assert grid.notes == ["each mean also pools different optimizer.name; add --by for them"]


def test_by_several_keys(grid_of_runs: Path) -> None:
    grid = table(grid_of_runs, by=["optimizer", "lr"])
    assert [(row["optimizer.name"], row["optimizer.lr"], row["n"]) for row in grid.rows] == [
        ("adam", 1.0, 2),
        ("adam", 0.01, 2),
        ("sgd", 1.0, 2),
        ("sgd", 0.01, 2),
    ]
    assert grid.notes == []


def test_a_key_that_implies_the_others_pools_nothing(grid_of_runs: Path) -> None:
    for run in read_all(grid_of_runs):
        alter(run.path, label=f"{run.config['optimizer.name']}-{run.config['optimizer.lr']}")
    grid = table(grid_of_runs, by=["label"])
    assert (column(grid, "n"), grid.notes) == ([2, 2, 2, 2], [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": ["optimzer"]}, r"no run has 'optimzer'; did you mean 'optimizer'\?"),
        ({"by": ["lrr"]}, r"no run has 'lrr'; did you mean 'lr'\?"),
        ({"by": ["zzz"]}, r"no run has 'zzz'; see: nnexp show RUN"),
        ({"by": ["n.name"]}, "no run has 'n.name'"),
        ({"by": ["validation_loss"]}, "'validation_loss' is a metric; judge by it with --metric validation_loss"),
        ({"metric": "acuracy"}, r"no run has the metric 'acuracy'; did you mean 'accuracy'\?"),
        ({"conditions": ["lr"]}, r"--where: 'lr' is not a condition; write KEY=VALUE"),
        ({"conditions": ["lr="]}, "--where: 'lr=' is not a condition"),
        ({"conditions": ["lr?3"]}, r"--where: 'lr\?3' is not a condition"),
        ({"conditions": ["lr<slow"]}, "--where: 'lr<slow': < needs a number, not 'slow'"),
        ({"conditions": ["lrr=3"]}, r"no run has 'lrr'; did you mean 'lr'\?"),
        ({"conditions": ["lr=77", "seed=0"]}, "no runs are left to compare where lr=77 and seed=0"),
        ({"sort": "nope"}, "no run has 'nope'"),
    ],
)
def test_words_that_no_run_knows(seeded: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        table(seeded, **options)


def test_a_word_with_two_meanings(tmp_path: Path) -> None:
    for eps in (1, 2):
        past_run(tmp_path, 0.5, optimizer={**SGD, "eps": eps}, normalization={"name": "batch", "eps": eps})
    with pytest.raises(InputError, match=r"'eps' may mean optimizer\.eps, normalization\.eps; write it in full"):
        table(tmp_path, by=["eps"])


def test_nothing_to_compare() -> None:
    with pytest.raises(InputError, match="no runs are left to compare"):
        compare([])


# -- where -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        (["optimizer=adam"], 4),
        (["optimizer == 'adam'"], 4),
        (["optimizer!=adam"], 4),
        (["lr<1"], 4),
        (["lr <= 1"], 8),
        (["lr>0.01"], 4),
        (["lr>=1e-2"], 8),
        (["optimizer.lr=1"], 4),
        (["seed=1 and lr=1"], 2),
        (["seed=1", "lr=1", "optimizer.name=sgd"], 1),
        (["architecture.hidden=[6,5]"], 8),
        (["hidden=[6, 5]"], 8),
        (["hidden!=[6,5]", "seed=0"], 0),
        (["patience=null"], 8),
        (["patience!=null"], 0),
        (["patience<3"], 0),
        (["status=finished"], 8),
        (["validation_accuracy>0.69"], 2),
        (["name=past and seed<1"], 4),
        (["optimizer.name>0"], 0),
    ],
)
def test_conditions(grid_of_runs: Path, conditions: list[str], count: int) -> None:
    if count == 0:
        with pytest.raises(InputError, match="no runs are left"):
            table(grid_of_runs, conditions=conditions)
    else:
        assert len(table(grid_of_runs, conditions=conditions, aggregate=False).rows) == count


def test_a_condition_on_copies_of_a_run(tmp_path: Path) -> None:
    # a copied folder has the same id; each row is judged on its own
    past_run(tmp_path, 0.5, seed=1, record_id="000abc")
    copy = past_run(tmp_path / "copies", status="diverged", seed=1, record_id="000abc")
    grid = compare(
        [*map(read, (p for p in tmp_path.iterdir() if p.name != "copies")), read(copy)], conditions=["status=diverged"]
    )
    assert column(grid, "status") == ["diverged"]
    assert grid.notes == ["1 of 1 run diverged"]


# -- order and number ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sort", "key"),
    [("lr", "optimizer.lr"), ("optimizer.lr", "optimizer.lr"), ("validation_loss", "validation_loss"), ("run", "id")],
)
def test_sorted_runs(grid_of_runs: Path, sort: str, key: str) -> None:
    up, down = (column(table(grid_of_runs, aggregate=False, sort=sign + sort), key) for sign in ("", "-"))
    assert up == sorted(up)
    assert down == sorted(up, reverse=True)


@pytest.mark.parametrize(("sort", "key"), [("lr", "optimizer.lr"), ("mean", "mean"), ("value", "mean"), ("std", "std")])
def test_sorted_levels(grid_of_runs: Path, sort: str, key: str) -> None:
    up, down = (column(table(grid_of_runs, sort=sign + sort), key) for sign in ("", "-"))
    assert up == sorted(up)
    assert down == sorted(up, reverse=True)
    assert column(table(grid_of_runs, metric="train_loss", sort="train_loss"), "mean") == sorted(
        column(table(grid_of_runs, metric="train_loss"), "mean")
    )


def test_what_is_missing_is_sorted_last(grid_of_runs: Path) -> None:
    past_run(grid_of_runs, status="diverged", optimizer={"name": "sgd", "lr": 50.0})
    for sort in ("validation_accuracy", "-validation_accuracy", None):
        grid = table(grid_of_runs, aggregate=False, sort=sort)
        assert grid.rows[-1]["status"] == "diverged"


def test_the_first_rows_only(grid_of_runs: Path) -> None:
    grid = table(grid_of_runs, top=1)
    assert (len(grid.rows), grid.notes) == (1, ["1 of 4 levels shown"])
    assert marked(grid, "optimizer.name") == ["adam"], "the best stays the best of all"
    worst = table(grid_of_runs, top=2, sort="mean")
    assert worst.best == frozenset(), "and the best of the rest is not called so"
    single = table(grid_of_runs, top=3, aggregate=False)
    assert (len(single.rows), single.notes) == (3, ["3 of 8 runs shown"])
    assert table(grid_of_runs, top=99).notes == []


# -- metrics ---------------------------------------------------------------------------------------


def test_metrics(seeded: Path) -> None:
    assert table(seeded).meta["metric"] == "validation_accuracy"
    assert table(seeded, metric="accuracy").meta["metric"] == "validation_accuracy"
    assert table(seeded, metric="loss").meta["metric"] == "validation_loss"
    assert keys(table(seeded, metric="train_loss", aggregate=False))[4] == "train_loss", "what is judged by is first"


def test_test_scores_are_not_shown_unasked(seeded: Path) -> None:
    assert not any(key.startswith("test_") for key in keys(table(seeded, aggregate=False)))
    assert not any(key.startswith("test_") for key in keys(table(seeded)))
    for options in ({"metric": "test_accuracy"}, {"sort": "-test_loss"}, {"conditions": ["seed<2 and test_loss<0.4"]}):
        with pytest.raises(InputError, match="looks at the test split, which is not for choosing"):
            table(seeded, **options)
    grid = table(seeded, metric="test_accuracy", aggregate=False, asked=Asked(test=True))
    assert "test_accuracy" in keys(grid)
    assert grid.meta["tested"] == {"datasets": ["moons"], "runs": 6}


def test_test_scores_of_what_was_chosen(seeded: Path) -> None:
    alter(read_all(seeded)[0].path, final={**scores(0.7), "test_accuracy": 0.1})
    grid = table(seeded, asked=Asked(test=True), top=1)
    assert [row["optimizer.name"] for row in grid.rows] == ["adam"], "still in the order of the validation scores"
    assert grid.meta["metric"] == "validation_accuracy"
    assert grid.rows[0]["test_accuracy"] == pytest.approx(np.mean(ACCURACIES["adam"]))
    assert grid.meta["tested"] == {"datasets": ["moons"], "runs": 3}, "only what is shown was looked at"
    judged = table(seeded, metric="test_accuracy", asked=Asked(test=True))
    assert column(judged, "mean") == [pytest.approx(0.92), pytest.approx((0.1 + 0.72 + 0.8) / 3)]


def test_without_validation_the_training_is_judged(tmp_path: Path) -> None:
    for accuracy in (0.5, 0.6):
        past_run(tmp_path, status="finished", record_final={"train_loss": 1 - accuracy, "train_accuracy": accuracy})
    assert table(tmp_path).meta["metric"] == "train_accuracy"
