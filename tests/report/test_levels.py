"""Tables of levels with verdicts, and the guard that says what else differs between them."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from nnexp.errors import InputError
from nnexp.report.asked import Asked
from nnexp.report.compare import compare
from nnexp.report.tables import Grid, as_csv, as_json, as_markdown
from tests.past import ADAM, past_run, read_all

SGD: dict[str, Any] = {"name": "sgd", "lr": 0.1}
NAG: dict[str, Any] = {"name": "nag", "lr": 0.1}
NOISE = [0.0, 0.004, -0.003, 0.002, -0.001, 0.003, 0.001, -0.002]


def level(root: Path, mean: float, count: int = 8, first: int = 0, **changes: Any) -> None:
    """Runs of so many seeds around a mean."""
    for seed in range(count):
        scored = mean + NOISE[seed] * (1 if mean < 0.8 else -0.5)
        past_run(root, scored, seed=first + seed, **changes)


def table(root: Path, by: str = "optimizer", **options: Any) -> Grid:
    asked = {key: options.pop(key) for key in ("baseline", "margin", "allow_confounded") if key in options}
    return compare(read_all(root), by=[by] if by else [], asked=Asked(**asked), **options)


def verdicts(grid: Grid) -> dict[str, str]:
    return {row["optimizer.name"]: row["verdict"] for row in grid.rows}


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """nag is better than sgd, adam worse; eight seeds each."""
    level(tmp_path, 0.7, optimizer=SGD)
    level(tmp_path, 0.8, optimizer=NAG)
    level(tmp_path, 0.6, optimizer=ADAM)
    return tmp_path


# -- verdicts in a table ---------------------------------------------------------------------------


def test_a_table_of_verdicts(three: Path) -> None:
    grid = table(three)
    assert verdicts(grid) == {"nag": "better", "sgd": "baseline", "adam": "worse"}
    assert grid.meta["baseline"] == "sgd", "the first of the runs"
    nag = grid.rows[0]
    values = {
        name: [0.7 + e for e in NOISE] if name == "sgd" else [0.8 - e / 2 for e in NOISE] for name in ("sgd", "nag")
    }
    low, high = stats.ttest_rel(values["nag"], values["sgd"]).confidence_interval(0.95)
    assert (nag["difference_low"], nag["difference_high"]) == (pytest.approx(low), pytest.approx(high))
    assert (nag["p"], nag["p_holm"], nag["pairs"], nag["pairing"]) == (2 / 2**8, 4 / 2**8, 8, "seed and data")
    assert grid.findings[0].startswith("nag is better than sgd: +0.0993 ± 0.0031 (8 pairs, p = 0.016)")
    assert grid.findings[1].startswith("adam is worse than sgd: -0.1000")
    assert grid.notes == []


@pytest.mark.parametrize("word", ["adam", "ADAM", " adam"])
def test_a_baseline(three: Path, word: str) -> None:
    assert verdicts(table(three, baseline=word)) == {"nag": "better", "sgd": "better", "adam": "baseline"}


def test_the_best_as_baseline_is_warned_of(three: Path) -> None:
    told = [line for line in table(three, baseline="nag").findings if "has the best mean of these runs" in line]
    assert len(told) == 1
    for word in ("sgd", "adam"):
        assert not any("has the best mean" in line for line in table(three, baseline=word).findings)


def test_a_baseline_among_numbers_and_several_keys(tmp_path: Path) -> None:
    for lr in (0.01, 1.0):
        level(tmp_path, 0.5 + lr / 10, 2, optimizer={"name": "sgd", "lr": lr})
    for word in ("0.01", "1e-2", "lr 0.01"):
        assert table(tmp_path, "lr", baseline=word).meta["baseline"] == "lr 0.01"
    for word in ("sgd,1", "sgd, lr 1"):
        grid = compare(read_all(tmp_path), by=["optimizer", "lr"], asked=Asked(word))
        assert grid.meta["baseline"] == "sgd, lr 1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": "adm"}, r"--baseline: no level is 'adm'; did you mean 'adam'\? \(there is sgd, nag, adam\)"),
        ({"margin": -0.01}, r"--margin: -0\.01 is not the size of a difference"),
        ({"margin": 0.0}, "--margin: 0 is not the size"),
        ({"margin": float("nan")}, "--margin: nan is not the size"),
        (
            {"baseline": "sgd", "aggregate": False},
            "--baseline and --margin compare levels, and here every run has a row",
        ),
    ],
)
def test_what_cannot_be_asked(three: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        table(three, **options)


def test_lower_is_better_for_a_loss(three: Path) -> None:
    grid = table(three, metric="loss")
    assert verdicts(grid) == {"nag": "better", "sgd": "baseline", "adam": "worse"}
    assert grid.rows[0]["difference"] == pytest.approx(-0.09925)
    assert grid.rows[0]["p_better"] == 1.0


def test_equivalence_within_a_margin(three: Path) -> None:
    assert verdicts(table(three, margin=0.5)) == {"nag": "equivalent", "sgd": "baseline", "adam": "equivalent"}
    grid = table(three, margin=0.5)
    assert re.match(
        r"nag is equivalent to sgd: .*, within ±0\.5 by two one-sided tests \(8 pairs, p < 0\.0001\); "
        r"the difference is real",
        grid.findings[0],
    )


def test_levels_of_one_seed_have_no_verdict_unless_it_is_asked(tmp_path: Path) -> None:
    for optimizer in (SGD, NAG):
        past_run(tmp_path, 0.7, optimizer=optimizer)
    assert "verdict" not in {column.key for column in table(tmp_path).columns}
    grid = table(tmp_path, baseline="sgd")
    assert verdicts(grid) == {"sgd": "baseline", "nag": "inconclusive"}
    assert "1 pair cannot decide" in grid.findings[0]


def test_few_seeds_say_why(tmp_path: Path) -> None:
    level(tmp_path, 0.7, 3, optimizer=SGD)
    level(tmp_path, 0.8, 3, optimizer=NAG)
    grid = table(tmp_path)
    assert grid.findings[0] == (
        "~ nag: no claim against sgd, for 3 pairs cannot decide: even if all differences agree, the smallest "
        "two-sided p is 2 / 2^3 = 0.25; needs at least 6 seeds"
    )


def test_every_format_has_the_same_numbers(three: Path) -> None:
    past_run(three, status="diverged", optimizer=NAG, seed=8)
    past_run(three, 0.71, optimizer=SGD, seed=8)
    grid = table(three)
    rows = json.loads(as_json(grid))["rows"]
    cells = list(csv.DictReader(io.StringIO(as_csv(grid), newline="")))
    assert len(cells) == 3
    for row, cell in zip(rows, cells, strict=True):
        assert set(row) == set(cell)
        for key, value in row.items():
            assert cell[key] == ("" if value is None else value if isinstance(value, str) else repr(value)), key
    text = as_markdown(grid)
    for row in rows:
        assert f"{row['mean']:.4f}" in text
        if row.get("p_holm") is not None:
            assert f"{row['p_holm']:.2g}" in text
            assert row["verdict"] in text
    assert json.loads(as_json(grid))["findings"] == grid.findings
    for line in grid.findings:
        assert line in text


def test_hidden_levels_count_for_holm(three: Path) -> None:
    grid = table(three, top=1)
    assert (len(grid.rows), grid.rows[0]["p_holm"]) == (1, 4 / 2**8), "the best of several was not chosen by chance"


@pytest.mark.parametrize(("sort", "order"), [("difference", ["adam", "nag", "sgd"]), ("-g", ["nag", "adam", "sgd"])])
def test_sorted_by_what_a_verdict_says(three: Path, sort: str, order: list[str]) -> None:
    assert [row["optimizer.name"] for row in table(three, sort=sort).rows] == order
    assert table(three, sort="p").rows[-1]["verdict"] == "baseline", "it has no p"


def test_failures_are_shown_and_ranked_last(tmp_path: Path) -> None:
    level(tmp_path, 0.7, optimizer=SGD)
    for seed in range(8):
        status = "finished" if seed == 0 else "diverged" if seed < 5 else "failed"
        past_run(tmp_path, 0.99 if seed == 0 else None, status=status, optimizer=NAG, seed=seed)
    grid = table(tmp_path)
    assert [row["optimizer.name"] for row in grid.rows] == ["sgd", "nag"], "one lucky run is not the best level"
    assert grid.best == {0}
    nag = grid.rows[1]
    assert (nag["success"], nag["n"], nag["diverged"], nag["failed"]) == (1 / 8, 1, 4, 3)
    low, high = stats.binomtest(1, 8).proportion_ci(0.95, method="wilson")
    assert (nag["success_low"], nag["success_high"]) == (pytest.approx(low), pytest.approx(high))
    assert (nag["verdict"], nag["p_success"]) == ("worse", 2 / 2**7)
    assert "on ranks with failed runs last" in grid.findings[-1]


def test_scores_that_are_not_finite_are_failures(tmp_path: Path) -> None:
    level(tmp_path, 0.7, optimizer=SGD)
    for seed in range(8):
        final = {"validation_accuracy": None if seed < 6 else 0.9}
        past_run(tmp_path, optimizer=NAG, seed=seed, record_final=final)
    grid = table(tmp_path)
    assert (grid.rows[-1]["success"], grid.rows[-1]["n"]) == (2 / 8, 2)


def test_a_metric_that_some_runs_lack(three: Path) -> None:
    past_run(three, optimizer=NAG, seed=9, record_final={"validation_loss": 0.5})
    grid = table(three)
    assert grid.notes == ["1 of 25 runs have no validation_accuracy; they are left out"]
    assert grid.rows[0]["n"] == 8


def test_several_runs_of_a_seed_are_one_unit(tmp_path: Path) -> None:
    for lr in (0.01, 0.1):
        level(tmp_path, 0.6 + lr, optimizer={"name": "sgd", "lr": lr})
        level(tmp_path, 0.7 + lr, optimizer={"name": "nag", "lr": lr})
    grid = table(tmp_path)
    nag = next(row for row in grid.rows if row["optimizer.name"] == "nag")
    assert (nag["n"], nag["pairs"]) == (16, 8), "sixteen runs, and eight seeds"
    assert nag["difference"] == pytest.approx(0.1, abs=0.005)
    assert grid.notes == ["each mean also pools different optimizer.lr; add --by for them"]


# -- the guard -------------------------------------------------------------------------------------


def test_other_keys_that_differ_are_confounds(tmp_path: Path) -> None:
    level(tmp_path, 0.7, optimizer=SGD)
    level(tmp_path, 0.8, optimizer=NAG, stop={"epochs": 9, "patience": None}, batch={"size": 8})
    grid = table(tmp_path)
    assert verdicts(grid) == {"nag": "confounded", "sgd": "baseline"}
    assert grid.rows[0]["difference"] == pytest.approx(0.1, abs=0.01), "the numbers are shown"
    assert grid.findings[0].startswith(
        "no verdict, for besides optimizer.name, the levels differ in stop.epochs (sgd: 2; nag: 9)"
    )
    assert "batch.size (sgd: -; nag: 8)" in grid.findings[0]
    assert "--allow-confounded" in grid.findings[0]
    allowed = table(tmp_path, allow_confounded=True)
    assert verdicts(allowed)["nag"] == "better"
    assert allowed.findings[0].startswith("confounded, and judged all the same: besides optimizer.name")


def test_what_belongs_to_the_compared_component_is_no_confound(tmp_path: Path) -> None:
    level(tmp_path, 0.7, optimizer={"name": "sgd", "lr": 0.1})
    level(tmp_path, 0.8, optimizer={"name": "adam", "lr": 0.001, "beta1": 0.9})
    assert verdicts(table(tmp_path))["adam"] == "better"
    grid = table(tmp_path, "lr")
    assert (
        "besides optimizer.lr, the levels differ in optimizer.name (lr 0.1: sgd; lr 0.001: adam): " in grid.findings[0]
    )


def test_a_key_that_varies_alike_in_all_levels_is_none(tmp_path: Path) -> None:
    for size in (8, 16):
        for optimizer in (SGD, NAG):
            level(tmp_path, 0.7, optimizer=optimizer, batch={"size": size})
    assert table(tmp_path).meta["confounded"] == ""
    level(tmp_path, 0.7, optimizer=NAG, batch={"size": 32})
    assert "batch.size (sgd: 16, 8; nag: 16, 32, 8)" in table(tmp_path).meta["confounded"]


def test_keys_that_are_combined_otherwise_are_a_confound(tmp_path: Path) -> None:
    for optimizer, epochs in ((SGD, (3, 9)), (NAG, (9, 3))):
        for size, count in zip((8, 16), epochs, strict=True):
            level(tmp_path, 0.7, 2, optimizer=optimizer, batch={"size": size}, stop={"epochs": count, "patience": None})
    assert "the levels differ in" in table(tmp_path).meta["confounded"]


def test_cases_are_what_their_keys_are(tmp_path: Path) -> None:
    for case, size in (("small", 2), ("large", 20)):
        level(tmp_path, 0.5 + size / 100, architecture={"name": "mlp", "hidden": [size]}, record_case=case)
    grid = table(tmp_path, "case")
    assert grid.meta["confounded"] == ""
    assert {row["case"]: row["verdict"] for row in grid.rows} == {"small": "baseline", "large": "better"}


def test_another_engine_is_a_confound(tmp_path: Path) -> None:
    level(tmp_path, 0.7, optimizer=SGD)
    level(tmp_path, 0.8, optimizer=NAG, record_versions={"nnexp": "0.2.0"})
    assert table(tmp_path).meta["confounded"] == "the engines differ (sgd: nnexp 0.1.0; nag: nnexp 0.2.0)"


def test_other_data_under_the_same_name_are_a_confound(tmp_path: Path) -> None:
    level(tmp_path, 0.7, optimizer=SGD)
    level(tmp_path, 0.8, optimizer=NAG, record_data="1" * 16)
    grid = table(tmp_path)
    assert grid.meta["confounded"].startswith("runs of one seed have other data under the same name")
    assert grid.rows[0]["pairing"] == "none (Welch)"
    level(tmp_path, 0.6, first=20, optimizer=ADAM, record_data="2" * 16)
    grid = compare(read_all(tmp_path), by=["optimizer"], conditions=["optimizer!=nag"])
    assert grid.meta["confounded"] == "the levels have other data under the same name"


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"name": "circles", "n": 60}, "different data sets (circles, moons)"),
        ({"name": "moons", "n": 60, "validation": 0.5}, "different splits (dataset.validation)"),
        ({"name": "moons", "n": 90}, "different data (dataset.n)"),
    ],
)
@pytest.mark.parametrize("by", ["optimizer", "dataset.name", "dataset.n"])
def test_scores_of_other_examples_are_not_judged(tmp_path: Path, other: dict[str, Any], why: str, by: str) -> None:
    level(tmp_path, 0.7, optimizer=SGD, dataset={"name": "moons", "n": 60})
    level(tmp_path, 0.8, optimizer=NAG, dataset=other, record_data="1" * 16)
    if len({run.config.get("dataset.n") for run in read_all(tmp_path)}) == 1 and by == "dataset.n":
        return
    grid = table(tmp_path, by)
    assert grid.findings == []
    if len(grid.rows) == 2:
        assert any(note.startswith(f"no verdict: {why}") for note in grid.notes)
        with pytest.raises(InputError, match="no verdict can be given: different"):
            table(tmp_path, by, margin=0.1)


def test_preprocessing_changes_no_judged_example(tmp_path: Path) -> None:
    for name, mean in (("standardize", 0.7), ("minmax", 0.8)):
        level(tmp_path, mean, dataset={"name": "moons", "n": 60, "preprocessing": [{"name": name}]})
    grid = table(tmp_path, "dataset.preprocessing")
    assert [row["verdict"] for row in grid.rows] == ["better", "baseline"]


def test_different_losses_are_not_on_one_scale(tmp_path: Path) -> None:
    for name, mean in (("mse", 0.7), ("hinge", 0.8)):
        level(tmp_path, mean, loss={"name": name})
    assert table(tmp_path, "loss").meta["confounded"] == ""
    grid = table(tmp_path, "loss", metric="loss")
    assert grid.notes == [
        "no verdict: validation_loss is of different losses (loss.name), which have scales of their own"
    ]


def test_what_follows_from_the_key_is_told(tmp_path: Path) -> None:
    level(tmp_path, 0.7, architecture={"name": "mlp", "hidden": [2]})
    level(
        tmp_path,
        0.8,
        architecture={"name": "mlp", "hidden": [20]},
        record_parameters=670,
        record_step=40,
        record_train_seconds=2.0,
    )
    grid = table(tmp_path, "hidden")
    assert grid.rows[0]["verdict"] == "better"
    assert grid.notes == [
        "the levels do not have the same parameters (67 to 670), updates (10 to 40), time (500 ms to 2.00 s)"
    ]
