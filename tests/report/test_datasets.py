"""Levels on several data sets: a table with verdicts for each, ranks over all of them, and their pictures."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from nnexp.errors import InputError
from nnexp.report.asked import Asked
from nnexp.report.compare import compare
from nnexp.report.grouping import levels_of
from nnexp.report.notebook import load
from nnexp.report.pictures import style
from nnexp.report.pictures.profiles import Profiles
from nnexp.report.pictures.ranks import Ranks
from nnexp.report.pictures.terminal import Page
from nnexp.report.tables import Grid, as_csv, as_json, as_markdown
from nnexp.report.tasks import tasks_in
from nnexp.report.typeset import as_html, as_latex
from nnexp.store.runs import Run
from tests.command import nnexp
from tests.past import past_run, read_all

SETS = ("moons", "circles", "spiral", "xor", "blobs", "iris")
NOISE = (0.0, 0.004, -0.003, 0.002, -0.001, 0.003)


def on_all(root: Path, gains: Mapping[str, Sequence[float]], seeds: int = 6, sets: Sequence[str] = SETS) -> list[Run]:
    """Runs of optimizers whose gain on each data set is given; None for a data set without runs."""
    for place, name in enumerate(sets):
        for optimizer, gain in gains.items():
            for seed in range(seeds):
                past_run(
                    root, 0.5 + place / 20 + gain[place] + NOISE[seed] * (1 if optimizer == "sgd" else -0.5),
                    dataset={"name": name, "n": 60}, optimizer={"name": optimizer, "lr": 0.1}, seed=seed,
                    record_data=f"{name}{seed}",
                )  # fmt: skip
    return read_all(root)


THREE = {"sgd": [0.0] * 6, "nag": [0.05] * 6, "adam": [0.1, 0.1, 0.02, 0.1, 0.02, 0.1]}


@pytest.fixture
def three(tmp_path: Path) -> list[Run]:
    """adam is the best but on spiral and blobs, where nag is; sgd is the last everywhere."""
    return on_all(tmp_path / "runs", THREE)


def levels(grid: Grid, key: str) -> dict[str, Any]:
    return {row["optimizer.name"]: row[key] for row in grid.rows}


# -- tables ----------------------------------------------------------------------------------------


def test_a_table_for_each_and_one_over_all(three: list[Run]) -> None:
    grid = compare(three, ["optimizer"])
    assert [one.meta["task"] for one in grid.before] == list(SETS)
    alone = compare([run for run in three if run.config["dataset.name"] == "spiral"], ["optimizer"])
    spiral = grid.before[2]
    assert [{**row, "dataset.name": "spiral", "task": "spiral"} for row in alone.rows] == spiral.rows
    assert (spiral.findings, spiral.best) == (alone.findings, alone.best)
    assert levels(grid, "mean_rank") == pytest.approx({"adam": 8 / 6, "nag": 10 / 6, "sgd": 3.0})
    assert levels(grid, "rank spiral") == {"adam": 2.0, "nag": 1.0, "sgd": 3.0}
    assert levels(grid, "group") == {"adam": "a", "nag": "ab", "sgd": "b"}
    assert grid.best == {0}
    scores = [
        [row["mean"] for one in grid.before for row in one.rows if row["optimizer.name"] == name] for name in THREE
    ]
    seen = stats.friedmanchisquare(*scores)
    assert grid.meta["friedman"]["statistic"] == pytest.approx(seen.statistic)
    assert "adam ranks ahead of sgd: 1.33 to 3.00" in grid.findings
    assert "~ not told apart: nag, sgd" in grid.findings


def test_across_is_said_or_found(three: list[Run]) -> None:
    by_itself = compare(three, ["optimizer"])
    said = compare(three, ["optimizer"], asked=Asked(across="dataset"))
    assert as_json(said) == as_json(by_itself)
    assert as_json(compare(three, [], asked=Asked(across="dataset"))) == as_json(said)
    assert compare(three, []).meta["kind"] == "levels", "without --by it is a list"
    assert compare(three, ["optimizer", "dataset"]).meta["kind"] == "levels"
    one = compare([run for run in three if run.config["dataset.name"] == "xor"], ["optimizer"])
    assert one.meta["kind"] == "levels"


def test_any_key_can_be_the_task(tmp_path: Path) -> None:
    for noise in (0.1, 0.2, 0.3):
        for place, name in enumerate(("sgd", "adam")):
            for seed in range(3):
                past_run(tmp_path, 0.7 + place / 10 - noise, dataset={"name": "moons", "noise": noise},
                         optimizer={"name": name, "lr": 0.1}, seed=seed, record_data=f"{noise}{seed}")  # fmt: skip
    grid = compare(read_all(tmp_path), ["optimizer"], asked=Asked(across="dataset.noise"))
    assert grid.meta["tasks"] == ["noise 0.1", "noise 0.2", "noise 0.3"]
    assert grid.findings[0].startswith("no claim about ranks, for 3 values of noise cannot decide between 2 levels")
    assert "interquartile means need 5 values of noise" in grid.notes


def test_what_belongs_to_a_data_set_makes_no_levels(tmp_path: Path) -> None:
    for place, shape in enumerate(({"name": "moons", "n": 60}, {"name": "xor", "n": 80}, {"name": "xor", "n": 60})):
        for name in ("sgd", "adam"):
            for seed in range(2):
                past_run(tmp_path, 0.7 + seed / 10, dataset=shape, optimizer={"name": name, "lr": 0.1}, seed=seed,
                         record_data=f"{place}{seed}")  # fmt: skip
    runs = [run for run in read_all(tmp_path) if (run.config["dataset.name"], run.config["dataset.n"]) != ("xor", 60)]
    grid = compare(runs, [], asked=Asked(across="dataset"))
    assert (grid.meta["by"], grid.meta["tasks"]) == (["optimizer.name"], ["moons", "xor"])
    mixed = compare(read_all(tmp_path), ["optimizer"], asked=Asked(across="dataset"))
    assert mixed.findings[0].startswith("no claim about ranks: on xor, different data (dataset.n)")
    with pytest.raises(InputError, match="--across compares levels on several tasks; say by what: --by KEY"):
        compare([run for run in runs if run.config["optimizer.name"] == "sgd"], [], asked=Asked(across="dataset"))


def test_files_are_data_sets(tmp_path: Path) -> None:
    for path in ("a.csv", "b.csv"):
        for name in ("sgd", "adam"):
            past_run(tmp_path, 0.7, dataset={"name": "csv", "path": f"/data/{path}"}, record_data=path * 2,
                     optimizer={"name": name, "lr": 0.1})  # fmt: skip
    grid = compare(read_all(tmp_path), ["optimizer"])
    assert grid.meta["tasks"] == ["csv a.csv", "csv b.csv"]
    assert compare(read_all(tmp_path), [], asked=Asked(across="dataset")).meta["by"] == ["optimizer.name"]


def test_baseline_and_margin_hold_for_each(three: list[Run]) -> None:
    grid = compare(three, ["optimizer"], asked=Asked("nag", 0.01))
    assert {one.meta["baseline"] for one in grid.before} == {"nag"}
    assert all(one.second.startswith("difference to nag, ") for one in grid.before)
    with pytest.raises(InputError, match=r"moons: --baseline: no level is 'nga'; did you mean 'nag'"):
        compare(three, ["optimizer"], asked=Asked("nga"))


def test_failed_runs_rank_last(tmp_path: Path) -> None:
    for name in SETS:
        for optimizer, base in (("sgd", 0.6), ("adam", 0.7)):
            for seed in range(6):
                lost = name == "xor" and optimizer == "adam" and seed < 4
                status = "diverged" if lost else "finished"
                past_run(tmp_path, base + seed / 100, dataset={"name": name}, seed=seed, record_data=f"{name}{seed}",
                         optimizer={"name": optimizer, "lr": 0.1}, status=status)  # fmt: skip
    grid = compare(read_all(tmp_path), ["optimizer"])
    assert levels(grid, "rank xor") == {"adam": 2.0, "sgd": 1.0}
    assert levels(grid, "failed_runs") == {"adam": 4, "sgd": 0}
    assert any("failed run is 0" in note for note in grid.notes)
    assert grid.findings[0].startswith("~ no level is known to rank ahead of another over 6 data sets")


def test_a_data_set_that_a_level_lacks(three: list[Run]) -> None:
    some = [run for run in three if (run.config["dataset.name"], run.config["optimizer.name"]) != ("xor", "nag")]
    grid = compare(some, ["optimizer"])
    assert grid.meta["tasks"] == [name for name in SETS if name != "xor"]
    assert "without xor: not every level has an outcome there" in grid.notes
    assert len(grid.before) == 6, "its table is shown all the same"


def test_ties_and_one_level(tmp_path: Path) -> None:
    same = on_all(tmp_path / "same", {"sgd": [0.0] * 6, "nag": [0.0] * 6}, seeds=1)
    grid = compare(same, ["optimizer"])
    assert set(levels(grid, "mean_rank").values()) == {1.5}
    assert (grid.best, grid.meta["friedman"]["p"]) == (frozenset(), 1.0)
    alone = compare(on_all(tmp_path / "one", {"sgd": [0.0] * 6}), ["optimizer"])
    assert alone.findings == ["no ranks: there is one level"]
    assert alone.meta["friedman"] is None


def test_two_data_sets(tmp_path: Path) -> None:
    grid = compare(on_all(tmp_path, THREE, sets=SETS[:2]), ["optimizer"])
    assert grid.findings[0].startswith(
        "no claim about ranks, for 2 data sets cannot decide between 3 levels: the smallest p is 0.17"
    )
    assert "iqm" not in grid.rows[0]


def test_what_is_confounded_on_one_data_set_is_no_claim(three: list[Run], tmp_path: Path) -> None:
    for seed in range(6):
        past_run(tmp_path / "runs", 0.9, dataset={"name": "wine"}, optimizer={"name": "sgd", "lr": 0.1}, seed=seed)
        for name in ("nag", "adam"):
            past_run(tmp_path / "runs", 0.9, dataset={"name": "wine"}, optimizer={"name": name, "lr": 0.1}, seed=seed,
                     architecture={"name": "mlp", "hidden": [9]})  # fmt: skip
    grid = compare(read_all(tmp_path / "runs"), ["optimizer"])
    assert grid.findings[0].startswith(
        "no claim about ranks: on wine, besides optimizer.name, the levels differ in arch"
    )
    allowed = compare(read_all(tmp_path / "runs"), ["optimizer"], asked=Asked(allow_confounded=True))
    assert allowed.findings[0].startswith("the mean ranks differ")


@pytest.mark.parametrize(
    ("word", "by", "told"),
    [
        ("datset", ["optimizer"], "no run has 'datset'; did you mean 'dataset'?"),
        ("optimizer", ["optimizer"], "--across: optimizer.name is what is compared; give --by another key"),
        ("seed", ["optimizer"], "--across: seed pairs runs, and is no task"),
        ("lr", ["optimizer"], "--across: all of these runs have optimizer.lr 0.1; there is one task"),
        ("optimizer", ["dataset"], None),
    ],
)
def test_keys_that_are_no_tasks(three: list[Run], word: str, by: list[str], told: str | None) -> None:
    if told is None:
        grid = compare(three, by, asked=Asked(across=word))
        assert grid.findings[0].startswith("no claim about ranks: on sgd, different data sets")
        return
    with pytest.raises(InputError, match=re.escape(told)):
        compare(three, by, asked=Asked(across=word))


def test_formats_agree(three: list[Run]) -> None:
    grid = compare(three, ["optimizer"])
    rows = list(csv.DictReader(io.StringIO(as_csv(grid))))
    assert len(rows) == 7 * 3
    assert [row["dataset.name"] for row in rows] == [name for name in SETS for _ in range(3)] + [""] * 3
    assert float(rows[-3]["mean_rank"]) == pytest.approx(8 / 6)
    assert rows[0]["mean_rank"] == ""
    document = json.loads(as_json(grid))
    assert [one["task"] for one in document["tables"]] == list(SETS)
    assert document["rows"][0]["group"] == "a"
    for text in (as_markdown(grid), as_latex(grid), as_html(grid), str(grid)):
        assert text.count("difference to sgd, ") == 6
        assert "1.33" in text
        assert "adam ranks ahead of sgd" in text
    assert as_latex(grid).count("usepackage") == 1


def test_looks_at_the_test_split_are_counted_once(three: list[Run], tmp_path: Path) -> None:
    told = nnexp("compare", "--where", "seed>=0", "--by", "optimizer", "--test", "--format", "json", cwd=tmp_path)
    assert told.code == 0, told.err
    assert told.json["tested"]["datasets"] == sorted(SETS)
    assert set(told.json["tested"]["looks"].values()) == {1}
    assert "test_accuracy" in told.json["tables"][0]["rows"][0]
    assert "test" not in nnexp("compare", "--where", "seed>=0", "--by", "optimizer", cwd=tmp_path).out


def test_in_a_notebook(three: list[Run], tmp_path: Path) -> None:
    import nnexp as package

    grid = package.compare(load(tmp_path / "runs"), by="optimizer")
    assert grid._repr_html_().count("<table") == 13


# -- pictures --------------------------------------------------------------------------------------


def ranks(runs: list[Run], metric: str | None = None) -> Ranks:
    found = levels_of(runs, ["optimizer"], ["dataset.name"])
    return Ranks(found, tasks_in(found, "dataset.name", metric))


def profiles(runs: list[Run]) -> Profiles:
    found = levels_of(runs, ["optimizer"], ["dataset.name"])
    return Profiles(found, tasks_in(found, "dataset.name", None))


def test_the_diagram_is_the_table(three: list[Run]) -> None:
    pytest.importorskip("matplotlib")
    drawn, grid = ranks(three), compare(three, ["optimizer"])
    assert dict(zip(drawn.tasks.levels, drawn.means, strict=True)) == levels(grid, "mean_rank")
    with style.styled():
        [axes] = drawn.draw().axes
    dots = {round(float(line.get_xdata()[0]), 6) for line in axes.lines if line.get_marker() == "o"}
    assert dots == {round(mean, 6) for mean in drawn.means}
    bars = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 3.2]
    for (low, high), group in zip(bars, drawn.tasks.groups, strict=True):
        assert all(low < drawn.means[level] < high for level in group)
        assert high - low < drawn.tasks.critical + 0.1
    said = {text.get_text() for text in axes.texts}
    assert {"adam  1.33", "nag  1.67", "sgd  3.00", "CD 1.35"} <= said
    page = drawn.page(Page(80)).plain()
    assert re.search(r"adam +┃ +1\.33 │ +●", page)
    assert re.search(r"nag +┃┃ +1\.67", page)
    assert "Friedman χ² = 9.33" in page


def test_a_diagram_without_a_claim_joins_all(tmp_path: Path) -> None:
    runs = on_all(tmp_path, {"sgd": [0.0, 0.1] * 3, "nag": [0.1, 0.0] * 3})
    drawn = ranks(runs)
    assert drawn.tasks.groups == [drawn.order]
    assert any(told.startswith("No level is known to rank ahead of another") for told in drawn.caption())
    with style.styled():
        assert not any("CD" in text.get_text() for text in drawn.draw().axes[0].texts)


def test_a_profile_is_a_count(three: list[Run]) -> None:
    pytest.importorskip("matplotlib")
    drawn = profiles(three)
    grid = compare(three, ["optimizer"])
    assert {name: found.value for name, _, found in drawn.lines} == levels(grid, "iqm")
    with style.styled():
        [axes] = drawn.draw().axes
    lines = [line for line in axes.lines if len(line.get_xdata()) == 101]
    for line, (_, found, _) in zip(lines, drawn.lines, strict=True):
        assert line.get_ydata().tolist() == found.shares
    assert "a  adam  IQM" in drawn.page(Page(80)).plain()


@pytest.mark.parametrize("how", ["svg", "png"])
@pytest.mark.parametrize("kind", [ranks, profiles])
def test_the_same_bytes_each_time(three: list[Run], kind: Any, how: str) -> None:
    pytest.importorskip("matplotlib")
    assert kind(three).picture(how).content == kind(three[::-1]).picture(how).content


def test_commands(three: list[Run], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for kind in ("ranks", "profiles"):
        words = ("plot", kind, "--where", "seed>=0", "--by", "optimizer")
        told = nnexp(*words, cwd=tmp_path)
        assert (told.code, told.err) == (0, "")
        assert "over 6 data sets" in told.out
        assert nnexp(*words, "--out", "p.svg", cwd=tmp_path).out == "p.svg\n"
    few = nnexp("plot", "profiles", "--where", "dataset=xor or dataset=iris", "--by", "optimizer", cwd=tmp_path)
    assert (few.code, few.err.startswith("performance profiles need two levels, and 5 data sets")) == (2, True)
    one = nnexp("plot", "ranks", "--where", "optimizer=sgd", "--by", "optimizer", cwd=tmp_path)
    assert (one.code, one.err) == (2, "no ranks: there is one level\n")
    again = nnexp("plot", "ranks", "--where", "seed>=0", "--by", "dataset", cwd=tmp_path)
    assert (again.code, again.err) == (2, "--across: dataset.name is what is compared; give --by another key\n")
