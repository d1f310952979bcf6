"""Two-way tables: their cells, their best, what is said of the interaction, and what is left out of it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nnexp.errors import InputError
from nnexp.report.asked import Asked
from nnexp.report.compare import compare
from nnexp.report.grouping import levels_of
from nnexp.report.pictures.heat import Heat
from nnexp.report.tables import Grid, as_csv, as_json, as_markdown
from nnexp.report.typeset import as_html, as_latex
from nnexp.store.runs import Run
from tests.command import nnexp
from tests.past import past_run, read_all

RATES = (0.01, 0.1)
NOISE = (0.0, 0.004, -0.003, 0.002, -0.001, 0.003, 0.001, -0.002)
LARGE = {("sgd", 0.01): 0.5, ("sgd", 0.1): 0.8, ("adam", 0.01): 0.8, ("adam", 0.1): 0.82}
"""Means: the learning rate matters for sgd alone."""


def crossed(root: Path, means: dict[tuple[str, float], float], seeds: int = 8, **changes: Any) -> list[Run]:
    rng = np.random.default_rng(0)
    for (name, lr), mean in means.items():
        for seed in range(seeds):
            past_run(root, mean + NOISE[seed] + rng.normal(0, 0.002), optimizer={"name": name, "lr": lr}, seed=seed,
                     **changes)  # fmt: skip
    return read_all(root)


def pivot(runs: list[Run], keys: str = "optimizer,lr", **options: Any) -> Grid:
    metric = options.pop("metric", None)
    return compare(runs, keys.split(","), metric, asked=Asked(pivot=True, **options))


def test_a_table_of_two_by_two(tmp_path: Path) -> None:
    runs = crossed(tmp_path, LARGE)
    grid = pivot(runs)
    scores = {
        cell: np.array([run.final["validation_accuracy"] for run in runs if _cell(run) == cell]) for cell in LARGE
    }
    for row in grid.rows:
        for lr in RATES:
            cell = scores[row["optimizer.name"], lr]
            low, high = stats.t.interval(0.95, 7, cell.mean(), stats.sem(cell))
            assert row[f"optimizer.lr={lr}"] == pytest.approx(cell.mean())
            assert (row[f"optimizer.lr={lr} low"], row[f"optimizer.lr={lr} high"]) == pytest.approx((low, high))
            assert (row[f"optimizer.lr={lr} n"], row[f"optimizer.lr={lr} failed"]) == (8, 0)
    d = scores["sgd", 0.1] - scores["adam", 0.1] - scores["sgd", 0.01] + scores["adam", 0.01]
    low, high = stats.ttest_1samp(d, 0).confidence_interval()
    found = grid.meta["interaction"]
    assert (found["difference_low"], found["difference_high"]) == pytest.approx((low, high))
    assert (found["p"], found["n"], found["verdict"]) == (2 / 2**8, 8, "depends")
    assert (found["rows"], found["columns"]) == (["sgd", "adam"], [0.1, 0.01])
    assert grid.best_cells == {(0, "cell 1")}
    assert grid.findings[0] == "the effect of optimizer depends on lr (8 seeds, p = 0.0078)"
    assert grid.findings[1].startswith("sgd - adam is -0.0")
    assert " at lr 0.1 and -0.2997 at lr 0.01, 0.2784 ± 0.0024 apart" in grid.findings[1]
    assert grid.findings[2] == "p: exact sign flips of each seed's contrast; ±: 95 % interval, Student's"


def _cell(run: Run) -> tuple[str, float]:
    return run.config["optimizer.name"], run.config["optimizer.lr"]


def test_the_heat_map_has_the_same_numbers(tmp_path: Path) -> None:
    runs = crossed(tmp_path, LARGE)
    drawn, grid = Heat(levels_of(runs, ["optimizer", "lr"])), pivot(runs)
    for row in grid.rows:
        for lr in RATES:
            assert drawn.cells[row["optimizer.name"], lr][1].mean == row[f"optimizer.lr={lr}"]
    [(place, key)] = grid.best_cells
    assert drawn.best == {(grid.rows[place]["optimizer.name"], RATES[int(key[-1])])}


def test_no_interaction_is_undecided_or_equivalent(tmp_path: Path) -> None:
    runs = crossed(tmp_path, {("sgd", 0.01): 0.5, ("sgd", 0.1): 0.6, ("adam", 0.01): 0.7, ("adam", 0.1): 0.8})
    assert (
        pivot(runs).findings[0].startswith("~ whether the effect of optimizer depends on lr is undecided (8 seeds, p")
    )
    told = pivot(runs, margin=0.02)
    same = "the effect of optimizer is the same for every lr within ±0.02 by two one-sided tests (8 seeds, p"
    assert told.findings[0].startswith(same)
    assert told.meta["interaction"]["verdict"] == "equivalent"


def test_below_six_seeds_there_is_no_claim(tmp_path: Path) -> None:
    grid = pivot(crossed(tmp_path, LARGE, seeds=5))
    assert grid.findings[0] == "~ no claim whether the effect of optimizer depends on lr: 5 seeds, and 6 are needed"
    assert grid.meta["interaction"]["verdict"] == "inconclusive"
    one = pivot([run for run in read_all(tmp_path) if run.brief.seed == 0])
    assert one.findings == ["no claim whether the effect of optimizer depends on lr: cells have one run, not 6"]
    assert not any("Student" in note for note in one.notes)


def test_larger_tables(tmp_path: Path) -> None:
    means = {
        (name, lr): 0.5 + place / 10 for place, name in enumerate(("adam", "nag", "sgd")) for lr in (0.01, 0.1, 1.0)
    }
    means["nag", 1.0] = 0.9
    grid = pivot(crossed(tmp_path, means))
    found = grid.meta["interaction"]
    assert (found["contrasts"], found["verdict"]) == (9, "depends")
    assert grid.findings[1].startswith("the largest of 9 contrasts: ")
    assert "Bonferroni's over all contrasts" in grid.findings[2]
    assert "nag" in found["rows"]
    assert 1.0 in found["columns"]


def test_holes_and_failures_are_left_out(tmp_path: Path) -> None:
    means = LARGE | {("adam", 1.0): 0.9}
    crossed(tmp_path, means)
    for seed in range(8):
        lost = seed < 3
        past_run(tmp_path, 0.95, optimizer={"name": "sgd", "lr": 3.0}, seed=seed)
        past_run(tmp_path, 0.95, optimizer={"name": "adam", "lr": 3.0}, seed=seed,
                 status="diverged" if lost else "finished")  # fmt: skip
    past_run(tmp_path, optimizer={"name": "sgd", "lr": 0.1}, seed=9, status="interrupted")
    grid = pivot(read_all(tmp_path))
    assert "the interaction is without lr 1, 3: cells are missing there, or runs failed (×)" in grid.notes
    assert "1 cell has no runs (-)" in grid.notes
    assert "3 of 57 runs diverged; the means are without them" in grid.notes
    assert grid.meta["interaction"]["n"] == 8
    assert grid.meta["interaction"]["contrasts"] == 1
    text = str(grid)
    assert "(n 5, 3 ×)" in text
    assert grid.best_cells == {(1, "cell 3")}, "sgd at 3: as good as adam there, and without failures"
    assert "the star is the best by mean ranks, failed runs last" in " ".join(grid.notes)
    assert grid.rows[1]["optimizer.lr=1 n"] == 0
    assert "optimizer.lr=1" not in grid.rows[1]


def test_nothing_is_left(tmp_path: Path) -> None:
    for seed in range(6):
        past_run(tmp_path, 0.5, optimizer={"name": "sgd", "lr": 0.1}, seed=seed)
        past_run(tmp_path, 0.6, optimizer={"name": "adam", "lr": 0.01}, seed=seed)
    grid = pivot(read_all(tmp_path))
    assert grid.findings == [
        "no interaction: no two rows and two columns have all four cells filled and without failed runs"
    ]
    assert grid.meta["interaction"] is None
    alone = pivot([run for run in read_all(tmp_path) if run.config["optimizer.name"] == "sgd"])
    assert alone.findings == ["no interaction: optimizer and lr need two values each"]
    assert alone.best_cells == frozenset()


def test_unpaired_seeds(tmp_path: Path) -> None:
    for first, (cell, mean) in enumerate(LARGE.items()):
        for seed in range(6 + first):
            past_run(tmp_path, mean + NOISE[seed % 8], optimizer=dict(zip(("name", "lr"), cell, strict=True)),
                     seed=10 * first + seed)  # fmt: skip
    grid = pivot(read_all(tmp_path))
    assert grid.findings[0].startswith("the effect of optimizer depends on lr (unpaired runs, 6 at least, p < 0.0001)")
    assert "Welch's t, for seeds do not match" in grid.findings[2]
    assert "(n 6)" in str(grid), "the cells have different n"


def test_confounds_and_other_data(tmp_path: Path) -> None:
    crossed(tmp_path, {cell: mean for cell, mean in LARGE.items() if cell[0] == "sgd"})
    runs = crossed(tmp_path, {cell: mean for cell, mean in LARGE.items() if cell[0] == "adam"}, stop={"epochs": 9})
    grid = pivot(runs)
    assert grid.findings[0].startswith(
        "no verdict, for besides optimizer.name, optimizer.lr, the levels differ in stop"
    )
    assert grid.meta["interaction"]["verdict"] == "confounded"
    judged = pivot(runs, allow_confounded=True)
    assert judged.findings[0].startswith("confounded, and judged all the same: ")
    assert judged.findings[1].startswith("the effect of optimizer depends on lr")
    for name in ("sgd", "adam"):
        for seed in range(6):
            past_run(tmp_path, 0.5, dataset={"name": "xor"}, optimizer={"name": name, "lr": 0.1}, seed=seed)
    other = pivot(read_all(tmp_path), "dataset,optimizer")
    assert other.findings[0].startswith("no verdict: different data sets (moons, xor)")
    assert other.best_cells == frozenset()
    with pytest.raises(InputError, match="no verdict can be given: different data sets"):
        pivot(read_all(tmp_path), "dataset,optimizer", margin=0.1)


def test_a_loss_is_better_when_small(tmp_path: Path) -> None:
    grid = pivot(crossed(tmp_path, LARGE), metric="loss")
    assert grid.meta["metric"] == "validation_loss"
    assert grid.best_cells == {(0, "cell 1")}


def test_formats_agree(tmp_path: Path) -> None:
    grid = pivot(crossed(tmp_path, LARGE), "lr,optimizer")
    mean = grid.rows[1]["optimizer.name=adam"]
    shown = f"{mean:.4f} ± "
    assert f"| **{shown}" in as_markdown(grid)
    assert as_markdown(grid).count("**") == 2
    assert f"\\textbf{{{mean:.4f} $\\pm$ " in as_latex(grid)
    assert as_latex(grid).count("textbf") == 1
    assert f"<b>{shown}" in as_html(grid)
    assert f"{shown}" in str(grid)
    assert str(grid).splitlines()[0].split() == ["lr", "adam", "sgd"]
    [_, row] = csv.DictReader(io.StringIO(as_csv(grid)))
    assert float(row["optimizer.name=adam"]) == mean
    document = json.loads(as_json(grid))
    assert document["rows"][1]["optimizer.name=adam"] == mean
    assert document["interaction"]["verdict"] == "depends"


def test_the_command(tmp_path: Path) -> None:
    crossed(tmp_path / "runs", LARGE)
    words = ("compare", "--where", "seed>=0", "--pivot", "optimizer,lr")
    told = nnexp(*words, cwd=tmp_path)
    assert told.code == 0, told.err
    assert "validation_accuracy, optimizer by lr" in told.out
    assert "the effect of optimizer depends on lr" in told.out
    assert (
        nnexp(*words, "--format", "json", "--margin", "0.5", cwd=tmp_path).json["interaction"]["verdict"]
        == "equivalent"
    )
