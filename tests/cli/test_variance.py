"""`nnexp variance`: which streams are crossed, what is trained, and what is printed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.config.schema import ExperimentConfig
from nnexp.report.variance import components
from nnexp.sweep.variance import design
from tests.command import Outcome, folders, nnexp
from tests.past import read
from tests.small import RUN, config_file

SHORT: dict[str, Any] = {"stop": {"epochs": 2}, "dataset": "iris"}


def variance(path: Path, *words: object) -> Outcome:
    return nnexp("variance", path, "-j", 1, *words, cwd=path.parent)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["data", "split", "init", "shuffle"]),
        ({"dataset": "iris"}, ["split", "init", "shuffle"]),
        ({"dataset": "iris", "batch": {"name": "mini", "shuffle": "never"}}, ["split", "init"]),
        ({"dataset": "iris", "regularization": "dropout"}, ["split", "init", "shuffle", "dropout"]),
        ({"dataset": "iris", "streams": {"split": 4}}, ["init", "shuffle"]),
        ({"dataset": {"name": "iris", "conditions": {"name": "label_noise", "rate": 0.2}}},
         ["split", "condition", "init", "shuffle"]),
        ({"dataset": "iris", "augmentation": {"name": "noise", "std": 0.1}}, ["split", "init", "shuffle", "augment"]),
        ({"dataset": "iris", "pretrain": "rbm"}, ["split", "pretrain", "init", "shuffle"]),
        ({"dataset": "iris", "initialization": {"name": "sklearn", "generator": "legacy"},
          "batch": {"name": "mini", "shuffle": "sklearn"}}, ["split", "init+shuffle"]),
    ],
)  # fmt: skip
def test_the_streams_that_change_something_are_crossed(changes: dict[str, Any], expected: list[str]) -> None:
    config = ExperimentConfig.model_validate({**RUN, **changes})
    assert design(config, 2, 3).names == expected


def test_a_surface_has_streams_of_its_own() -> None:
    config = ExperimentConfig.model_validate({"dataset": {"name": "rosenbrock", "noise": 0.1}, "optimizer": "sgd"})
    assert design(config, 2, 3).names == ["noise"]


def test_shares_are_those_of_the_runs(tmp_path: Path) -> None:
    path = config_file(tmp_path, **SHORT, streams={"split": 2})
    result = variance(path, "--levels", 2, "--blocks", 3, "--metric", "validation_loss", "--format", "json")
    assert result.code == 0, result.err
    assert "12 runs: 2 seeds each of init, shuffle, crossed, 3 times with other seeds; held fixed: split" in result.err
    assert "about " in result.err
    runs = [read(folder) for folder in folders(tmp_path / "runs")]
    seeds = [
        {"init": run.config["seed"], "shuffle": run.config["seed"]} | run.record["config"]["streams"] for run in runs
    ]
    scores = {(own["init"], own["shuffle"]): run.final["validation_loss"] for own, run in zip(seeds, runs, strict=True)}
    assert len(scores) == len(runs) == 12
    assert {own["split"] for own in seeds} == {2}
    blocks = [(0, 1), (2, 3), (4, 5)]
    y = np.array([[[scores[i, s] for s in block] for i in block] for block in blocks], float)
    expected = components(y, ["init", "shuffle"])
    document = result.json
    assert (document["kind"], document["metric"]) == ("variance", "validation_loss")
    for row, part in zip(document["rows"], expected.parts, strict=False):
        assert (row["source"], row["variance"], row["share"]) == (part.source, part.variance, part.share)
        assert (row["share_low"], row["share_high"]) == part.interval
    again = variance(path, "--blocks", 3, "--metric", "validation_loss", "--format", "csv")
    assert "nothing to run" in again.err
    [row] = [row for row in csv.DictReader(io.StringIO(again.out)) if row["source"] == "init"]
    assert float(row["share"]) == document["rows"][0]["share"]
    more = variance(path, "--blocks", 4, "--dry-run")
    assert "4 times" in more.out
    assert len(folders(tmp_path / "runs")) == 12


def test_first_cells_are_the_plain_runs(tmp_path: Path) -> None:
    """A cell in which all streams have the block's seed is what `nnexp train` does: it is not trained again."""
    path = config_file(tmp_path, **SHORT)
    assert nnexp("train", path, "threads=1", cwd=tmp_path).code == 0
    result = variance(path, "--blocks", 2)
    assert result.code == 0, result.err
    assert "16 runs, 1 already there" in result.err
    assert "pairing: " in result.out
    [plan] = (tmp_path / "runs" / "sweeps").glob("*/plan.json")
    assert json.loads(plan.read_text())["measures"] is True


def test_runs_that_diverge(tmp_path: Path) -> None:
    path = config_file(tmp_path, **SHORT, optimizer={"name": "sgd", "lr": 1e30}, activation="identity", loss="mse")
    path.write_text(path.read_text().replace("iris", "diabetes"))
    result = variance(path, "--blocks", 2, "--metric", "validation_loss")
    assert result.code == 2
    assert "only 0 of the 2 blocks of runs have a score in every run" in result.err
