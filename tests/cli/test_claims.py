"""Claims: what a sweep says of them at its end, that they came first, and `nnexp claims`."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from tests.command import Outcome, folders, nnexp
from tests.past import alter, read
from tests.small import config_file

LEARNS = {"name": "adam", "lr": 0.03}
LEVELS: dict[str, Any] = {
    "dataset": "iris",
    "architecture": {"name": "mlp", "hidden": (4,)},
    "stop": 2,
    "grid": {"optimizer": [{"name": "sgd", "lr": 1e-7}, LEARNS]},
    "seeds": 6,
}
BETTER = {"better": {"optimizer": "adam"}, "than": {"optimizer": "sgd"}, "by": 0.1, "metric": "test_loss"}
WORSE = {"better": {"optimizer": "sgd"}, "than": {"optimizer": "adam"}, "metric": "train_loss"}


def claiming(folder: Path, name: str = "one", claim: Any = BETTER, **changes: Any) -> Path:
    return config_file(folder, name, **{**LEVELS, "claim": claim, **changes})


def sweep(path: Path, *words: object) -> Outcome:
    return nnexp("sweep", path.name, "-j", 1, *words, cwd=path.parent)


def claims(folder: Path, *words: object) -> Outcome:
    return nnexp("claims", *words, *(() if "--judge" in words else ("-j", 1)), cwd=folder)


def stated(folder: Path) -> Any:
    [path] = folder.glob("runs/sweeps/*/claim.json")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A sweep whose claim was judged."""
    path = claiming(tmp_path_factory.mktemp("judged"), claim={**BETTER, "text": "Adam learns", "source": "a book"})
    return path, sweep(path, "--format", "json")


def test_a_sweep_ends_with_its_verdict(judged: tuple[Path, Outcome]) -> None:
    path, result = judged
    assert result.code == 0, result.err
    told = result.json["claim"]
    losses: dict[str, dict[int, float]] = {"adam": {}, "sgd": {}}
    for folder in folders(path.parent / "runs"):
        run = read(folder)
        losses[run.config["optimizer.name"]][run.config["seed"]] = run.final["test_loss"] or math.nan
    differences = [losses["sgd"][seed] - losses["adam"][seed] for seed in range(6)]
    theirs = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert told["estimate"] == pytest.approx(sum(differences) / 6)
    assert (told["low"], told["high"]) == pytest.approx(tuple(theirs))
    word = "supported" if theirs.low > 0.1 else "refuted" if theirs.high <= 0.1 else "inconclusive"
    assert told["word"] == word
    assert (told["n"], told["runs"], told["text"], told["source"]) == (6, 12, "Adam learns", "a book")
    assert told["stated"]["before_runs"] is True
    assert told["looks"] == {"iris": 1}
    sentences = result.json["notes"][-4:]
    assert sentences[0] == f"the claim is {word}: Adam learns"
    assert "n = 6" in sentences[1]
    assert "stated before the first run (plan " in sentences[2]
    assert "1 look at iris" in sentences[3]


def test_the_claim_is_written_before_the_first_run(judged: tuple[Path, Outcome]) -> None:
    path, result = judged
    document = stated(path.parent)
    [statement] = document["statements"]
    assert document["current"] == statement["hash"] == result.json["claim"]["stated"]["hash"]
    assert statement["runs_there"] == 0
    assert statement["stated"] < min(read(folder).brief.created for folder in folders(path.parent / "runs"))
    assert document["verdict"]["word"] == result.json["claim"]["word"]
    assert "test_loss" not in (path.parent / "runs/sweeps").glob("*/runs.csv").__next__().read_text()


def test_a_report_tells_it_as_the_file_words_it(judged: tuple[Path, Outcome]) -> None:
    path, result = judged
    assert nnexp("report", "--out", "r.md", cwd=path.parent).code == 0
    text = (path.parent / "r.md").read_text()
    assert f"**The claim is {result.json['claim']['word']}: Adam learns.**\n\n- Source: a book.\n" in text


def test_a_claim_that_changes_is_no_prediction(tmp_path: Path) -> None:
    path = claiming(tmp_path)
    assert "stated before the first run" in sweep(path).out
    claiming(tmp_path, claim={**BETTER, "by": 0.2})
    result = sweep(path)
    assert result.code == 0, "the runs are the same: the same sweep"
    assert "claim changed when 12 runs were there, so it is no prediction" in result.out
    [row] = claims(tmp_path, "--judge", "one.yaml", "--format", "json").json["rows"]
    assert row["before_runs"] is False
    claiming(tmp_path, claim={**BETTER, "text": "in other words", "source": "elsewhere"})
    assert "stated before the first run" in sweep(path).out, "it is the first claim again"
    assert len(stated(tmp_path)["statements"]) == 2
    assert [one["text"] for one in stated(tmp_path)["statements"]] == ["in other words", None]


def test_more_seeds_are_another_plan(tmp_path: Path) -> None:
    path = claiming(tmp_path)
    sweep(path)
    claiming(tmp_path, seeds=7)
    assert "plan changed when 12 runs were there" in sweep(path, "--extend").out


def test_a_claim_about_runs_that_are_there(tmp_path: Path) -> None:
    path = claiming(tmp_path, claim=None)
    sweep(path, "--quiet")
    assert not list(tmp_path.glob("runs/sweeps/*/claim.json"))
    claiming(tmp_path)
    assert "stated when 12 runs were there already, so it is no prediction" in sweep(path).out


def test_the_hash_can_be_given_away_before(tmp_path: Path) -> None:
    path = claiming(tmp_path)
    told = claims(tmp_path, "one.yaml", "--dry-run", "--format", "json")
    [row] = told.json["rows"]
    assert (row["runs"], row["missing"], row["before_runs"]) == (12, 12, True)
    assert not (tmp_path / "runs").exists()
    assert f"a claim: {row['plan'][:12]} is the hash of its plan" in sweep(path, "--dry-run").err
    assert claims(tmp_path, "one.yaml", "--format", "json").json["rows"][0]["plan"] == row["plan"]
    claiming(tmp_path, seeds=7)
    assert claims(tmp_path, "one.yaml", "--dry-run", "--format", "json", "--new").json["rows"][0]["plan"] != row["plan"]
    refused = claims(tmp_path, "one.yaml", "--dry-run")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.endswith("none of 1 file can be used; nothing was run\n")


def test_a_tuned_comparison_is_judged_by_its_fresh_seeds(tmp_path: Path) -> None:
    tune = {"optimizer.lr": {"log": [0.001, 0.1]}, "budget": 2}
    path = claiming(tmp_path, grid={"optimizer": ["sgd", "adam"]}, tune=tune)
    result = sweep(path, "--format", "json")
    assert result.code == 0, result.err
    assert (result.json["claim"]["n"], result.json["claim"]["runs"]) == (6, 12)
    assert "stated before the first run" in " ".join(result.json["notes"])
    first, second = sorted(tmp_path.glob("runs/sweeps/*/claim.json"))
    assert json.loads(first.read_text()) == json.loads(second.read_text())
    assert nnexp("report", "--out", "r.md", cwd=tmp_path).code == 0
    assert (
        "| tuned: optimizer.lr | 2 trials a level (random search), each judged by " in (tmp_path / "r.md").read_text()
    )
    claiming(tmp_path, claim=WORSE, grid={"optimizer": ["sgd", "adam"]}, tune=tune)
    assert "claim changed when 16 runs were there" in sweep(path).out


def test_diverged_runs_count(tmp_path: Path) -> None:
    """Adam at a rate of nothing against gradient descent that diverges, which counts as a guess."""
    grid = {"optimizer": [{"name": "sgd", "lr": 1e30}, LEARNS]}
    path = claiming(tmp_path, claim={**BETTER, "metric": "test_accuracy"}, grid=grid, stop=6)
    result = sweep(path, "--format", "json")
    assert result.code == 3
    told = result.json["claim"]
    assert (told["failed"], told["runs"], told["n"]) == (6, 12, 6)
    accuracy = result.json["claim"]["estimate"] + 1 / 3
    scores = [r.final["test_accuracy"] for r in map(read, folders(tmp_path / "runs")) if r.status == "finished"]
    assert accuracy == pytest.approx(sum(score or 0 for score in scores) / 6)
    assert claims(tmp_path, "one.yaml").code == 0, "diverged runs are outcomes, and the claim was judged"
    found = sweep(claiming(tmp_path, claim=BETTER, grid=grid, stop=6), "--format", "json").json["claim"]
    assert (found["word"], found["failed"]) == ("inconclusive", 6)


def test_a_failed_run_is_no_number(tmp_path: Path) -> None:
    path = claiming(tmp_path, claim={"exact": {"optimizer": "adam"}, "at_most": 1, "metric": "test_accuracy"})
    sweep(path, "--quiet")
    [victim] = [f for f in folders(tmp_path / "runs") if "adam" in f.name and "-s3-" in f.name]
    alter(victim, status="failed", reason="by hand", final=None)
    result = claims(tmp_path, "--judge", "one.yaml", "--format", "json")
    assert result.code == 3
    [row] = result.json["rows"]
    assert (row["verdict"], row["failed"], row["why"]) == ("refuted", 1, "1 of 6 deviate")


def test_targets_that_are_never_reached(tmp_path: Path) -> None:
    target = {"metric": "train_loss", "at_most": 0.7, "every": 1}
    slow, quick = {"optimizer": "sgd"}, {"optimizer": "adam"}
    claim = {"ratio": slow, "to": quick, "above": 1.5, "metric": "steps"}
    sweep(claiming(tmp_path, claim=claim, stop={"epochs": 20, "target": target}), "--quiet")
    [row] = claims(tmp_path, "--judge", "one.yaml", "--format", "json").json["rows"]
    assert row["capped"] == 6
    assert row["verdict"] == "supported"
    assert row["low"] > 1.5


# -- nnexp claims ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A folder with three claims, one of them in parts, a file that claims nothing, and one that is wrong."""
    path = tmp_path_factory.mktemp("folder")
    config_file(path, "plain")
    claiming(path, "a_better", {**BETTER, "text": "Adam learns"})
    claiming(path, "b_worse", WORSE)
    claiming(path, "c_wrong", {**BETTER, "than": {"optimizer": "sgdd"}})
    claiming(
        path, "d_both", {"all": [BETTER, WORSE, {"exact": {"optimizer": "sgd"}, "same_as": {"optimizer": "adam"}}]}
    )
    return path, claims(path, ".")


def test_one_table_of_a_folder(folder: tuple[Path, Outcome]) -> None:
    path, result = folder
    assert result.code == 3, "one file is wrong"
    title, *lines = result.out.splitlines()
    assert title == "3 claims: 1 supported, 1 refuted, 1 mixed"
    names = [line.split()[0] for line in lines if ".yaml  " in line]
    assert names == ["a_better.yaml", "b_worse.yaml", "d_both.yaml"]
    assert "no level has optimizer sgdd; did you mean 'sgd'? (there is sgd, adam)" in result.err
    assert lines[-1] == "c_wrong.yaml could not be used", result.out
    assert "Adam learns" in result.out
    assert "2/3  b_worse.yaml" in result.err
    assert len(folders(path / "runs")) == 12, "claims about the same runs share them"


def test_what_is_there_is_not_run_again(folder: tuple[Path, Outcome]) -> None:
    path, _ = folder
    result = claims(path, ".", "--format", "json")
    assert "nothing to run" in result.err
    rows = result.json["rows"]
    assert [(row["file"], row["part"]) for row in rows] == [
        ("a_better.yaml", None),
        ("b_worse.yaml", None),
        *(("d_both.yaml", part) for part in (None, 1, 2, 3)),
    ]
    assert [row["verdict"] for row in rows[2:]] == ["mixed", "supported", "refuted", "refuted"]
    assert rows[2]["estimate"] is None
    assert rows[3]["estimate"] == rows[0]["estimate"]
    assert result.json["refused"] == ["c_wrong.yaml"]
    assert all(row["before_runs"] for row in rows)


@pytest.mark.parametrize("how", ["markdown", "csv", "latex", "html"])
def test_formats_have_the_same_numbers(folder: tuple[Path, Outcome], how: str) -> None:
    path, _ = folder
    rows = claims(path, "--judge", "a_better.yaml", "b_worse.yaml", "--format", "json").json["rows"]
    text = claims(path, "--judge", "a_better.yaml", "b_worse.yaml", "--format", how).out
    if how == "csv":
        found = list(csv.DictReader(io.StringIO(text, newline="")))
        assert [float(row["estimate"]) for row in found] == [row["estimate"] for row in rows]
        assert [row["verdict"] for row in found] == ["supported", "refuted"]
        return
    for row in rows:
        assert f"{row['estimate']:+.2f}" in text
        assert f"[{row['low']:.2f}, {row['high']:.2f}]" in text
        assert row["verdict"] in text
        assert row["claim"].replace("_", r"\_") in text if how == "latex" else row["claim"] in text


def test_to_judge_runs_nothing(folder: tuple[Path, Outcome], tmp_path: Path) -> None:
    path, _ = folder
    before = {file: file.read_bytes() for file in path.glob("runs/sweeps/*/*")}
    assert claims(path, "--judge", "a_better.yaml").code == 0
    assert {file: file.read_bytes() for file in path.glob("runs/sweeps/*/*")} == before
    claiming(tmp_path)
    result = claims(tmp_path, "--judge", "one.yaml", "--format", "json")
    assert result.code == 3
    assert result.json["rows"][0]["why"] == "12 of 12 planned runs are not there"
    assert result.json["rows"][0]["before_runs"] is False
    assert "one.yaml: not stated yet (plan " in " ".join(result.json["notes"])
    assert not (tmp_path / "runs").exists()


def test_fewer_seeds_for_a_try(tmp_path: Path) -> None:
    claiming(tmp_path)
    result = claims(tmp_path, ".", "--seeds", 2, "--set", "stop=1")
    assert result.code == 0
    assert "2 seeds cannot decide; from 6 on there is a verdict" in result.out
    assert len(folders(tmp_path / "runs")) == 4


@pytest.mark.parametrize("text", ["{", "[]", '{"statements": [{"hash": 3}]}'])
def test_a_damaged_statement(tmp_path: Path, text: str) -> None:
    path = claiming(tmp_path, seeds=1)
    sweep(path, "--quiet")
    [file] = tmp_path.glob("runs/sweeps/*/claim.json")
    file.write_text(text)
    result = sweep(path)
    assert result.code == 2
    assert "claim.json" in result.err
    assert "move it away, and the claim counts as stated anew" in result.err
    file.unlink()
    assert "stated when 2 runs were there already" in sweep(path).out


def test_a_claim_that_was_stated_and_not_run(tmp_path: Path) -> None:
    """As after an interruption between the two: it holds, in the same folder."""
    path = claiming(tmp_path, seeds=1)
    sweep(path, "--quiet")
    [file] = tmp_path.glob("runs/sweeps/*/claim.json")
    before = stated(tmp_path)["statements"]
    for other in file.parent.iterdir():
        if other != file and other.is_file():
            other.unlink()
    for folder in folders(tmp_path / "runs"):
        shutil.rmtree(folder)
    assert "stated before the first run" in sweep(path).out
    assert stated(tmp_path)["statements"] == before


def test_deleted_runs_have_been_seen(tmp_path: Path) -> None:
    path = claiming(tmp_path, seeds=1)
    sweep(path, "--quiet")
    for folder in folders(tmp_path / "runs"):
        shutil.rmtree(folder)
    claiming(tmp_path, claim=WORSE, seeds=1)
    assert "claim changed after it had been judged, so it is no prediction" in sweep(path).out
