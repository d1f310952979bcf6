"""`nnexp sweep --until-settled`: seeds where they are needed, the same for any number of processes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nnexp.report.sequential import judge
from nnexp.store.runs import Run
from tests.command import Outcome, folders, nnexp
from tests.past import read
from tests.small import config_file

SHORT: dict[str, Any] = {"dataset": "iris", "stop": {"epochs": 3}, "architecture": {"name": "mlp", "hidden": (8,)}}
LEVELS = "optimizer.lr=1e-7,0.03,2e-7"
"""The first and the last do nothing; the one between them learns."""


def sweep(path: Path, *words: object, jobs: int = 1) -> Outcome:
    return nnexp("sweep", path, LEVELS, "--until-settled", "-j", jobs, *words, cwd=path.parent)


def runs(path: Path) -> list[Run]:
    return [read(folder) for folder in folders(path.parent / "runs")]


def verdicts(path: Path) -> Any:
    [found] = (path.parent / "runs" / "sweeps").glob("*/settled.json")
    return json.loads(found.read_text())


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A sweep in which one comparison is clear and the other is none."""
    path = config_file(tmp_path_factory.mktemp("settled"), **SHORT)
    return path, sweep(path, "--max-seeds", 12, "--metric", "validation_loss")


def test_seeds_are_added_where_they_are_needed(settled: tuple[Path, Outcome]) -> None:
    path, result = settled
    assert result.code == 0, result.err
    counts = Counter(run.config["optimizer.lr"] for run in runs(path))
    learns, other = verdicts(path)["levels"]
    assert learns["verdict"] == "better"
    assert counts[0.03] == learns["pairs"] < 12
    assert counts[1e-7] == max(counts.values())
    assert counts[2e-7] == other["pairs"]
    assert "at most 5 % of such sweeps say anything wrong" in result.out
    assert "6 seeds of each level" in result.err


def test_verdicts_are_those_of_the_runs(settled: tuple[Path, Outcome]) -> None:
    path, _ = settled
    scores: dict[float, dict[int, float]] = {}
    for run in runs(path):
        scores.setdefault(run.config["optimizer.lr"], {})[run.config["seed"]] = run.final["validation_loss"] or 0
    base = scores[1e-7]
    differences = [[scores[lr][seed] - base[seed] for seed in sorted(scores[lr])] for lr in (0.03, 2e-7)]
    expected = judge(differences, 12, higher=False)
    for row, one in zip(verdicts(path)["levels"], expected, strict=True):
        assert (row["verdict"], row["settled_at"], row["pairs"]) == (one.word, one.at, one.n)
        assert row["mean"] == pytest.approx(one.mean)


def test_the_same_command_has_nothing_to_do(settled: tuple[Path, Outcome]) -> None:
    path, first = settled
    before = {folder.name for folder in folders(path.parent / "runs")}
    again = sweep(path, "--max-seeds", 12, "--metric", "validation_loss")
    assert "nothing to run" in again.err
    assert {folder.name for folder in folders(path.parent / "runs")} == before
    assert again.out.splitlines()[:4] == first.out.splitlines()[:4]


def test_another_rule_for_the_same_runs_is_told(settled: tuple[Path, Outcome]) -> None:
    path, _ = settled
    other = sweep(path, "--max-seeds", 10, "--metric", "validation_loss")
    assert "warning: these runs were judged by another rule before (max_seeds 12" in other.err
    assert verdicts(path)["looked_at"][0]["max_seeds"] == 12


def test_processes_do_not_matter(tmp_path: Path) -> None:
    found = []
    for jobs in (1, 2):
        folder = tmp_path / str(jobs)
        folder.mkdir()
        path = config_file(folder, **SHORT)
        assert sweep(path, "--max-seeds", 9, "--baseline", "0.03", "--quiet", jobs=jobs).code == 0
        found.append((verdicts(path), sorted((r.config["optimizer.lr"], r.config["seed"]) for r in runs(path))))
    assert found[0] == found[1]
    assert found[0][0]["baseline"] == "lr 0.03"


def test_a_margin_settles_what_is_equal(tmp_path: Path) -> None:
    path = config_file(tmp_path, **SHORT)
    result = sweep(path, "--max-seeds", 12, "--margin", 0.5, "--metric", "validation_loss")
    assert result.code == 0, result.err
    assert [row["verdict"] for row in verdicts(path)["levels"]][1] == "equivalent"


def test_a_level_that_diverges_gets_no_more_seeds(tmp_path: Path) -> None:
    path = config_file(tmp_path, **SHORT, activation="identity")
    words = ("optimizer=sgd", "optimizer.lr=0.01,1e30", "--until-settled", "-j", 1, "--max-seeds", 10)
    result = nnexp("sweep", path, *words, cwd=tmp_path)
    assert result.code == 3
    [row] = verdicts(path)["levels"]
    assert (row["verdict"], row["without_score"]) == ("open", 6)
    assert len(runs(path)) == 12
    assert "no score in some runs of the pair" in result.out


def test_what_it_may_cost_is_told_before(tmp_path: Path) -> None:
    path = config_file(tmp_path, **SHORT)
    result = sweep(path, "--max-seeds", 10, "--dry-run", "--format", "json")
    assert result.code == 0, result.err
    assert (result.json["runs"], result.json["missing"]) == (30, 30)
    assert any("at most about" in note for note in result.json["notes"])
    assert not (tmp_path / "runs").exists()
