"""The commands on surfaces: train, go on, compare, sweep, show and check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from nnexp.config.load import load
from nnexp.engine.surface import kind_of
from nnexp.runner import begin, reopen, train
from nnexp.store.runs import Run, read_run
from tests.command import folders, nnexp
from tests.small import log, model

ROSENBROCK = "dataset: rosenbrock\noptimizer: {name: adam, lr: 0.05}\nstop: 40\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.yaml").write_text(ROSENBROCK)
    return tmp_path


def test_train_and_show(folder: Path) -> None:
    outcome = nnexp("train", "c.yaml", cwd=folder)
    assert outcome.code == 0, outcome.err
    assert re.search(r"split +loss +distance +gradient_norm\ntrain +\d", outcome.out)
    assert "epoch 40/40  train_loss" in outcome.err
    shown = nnexp("show", cwd=folder)
    assert "train_loss by epoch" in shown.out
    assert "precision: float64" in shown.out
    document = nnexp("show", "--format", "json", cwd=folder).json
    assert document["metrics"]["theta1"][0] == -1.2
    assert document["final"]["train_loss"] == document["metrics"]["train_loss"][-1]
    (run,) = folders(folder / "runs")
    assert {name: shape for name, (_, shape, _) in model(run).items()} == {"theta": (2,)}


@pytest.mark.parametrize("word", ["optimizer.lr=0.05", "optimizer=lbfgs"])
def test_an_interrupted_run_goes_on_to_the_same_bytes(folder: Path, word: str) -> None:
    def experiment() -> Any:
        loaded = load(folder / "c.yaml", [word, "dataset.scatter=0.2"])
        return kind_of(loaded.config)(loaded.config)

    one = experiment()
    whole = begin(one, folder / "whole")
    train(one, whole)
    other = experiment()
    cut = begin(other, folder / "cut")
    seen = iter([False] * 9)
    record = train(other, cut, stop_asked=lambda: next(seen, True))
    assert record["status"] == "interrupted"
    found = read_run(cut.path)
    assert isinstance(found, Run)
    again, place = reopen(found)
    assert train(again, place)["status"] == "finished"
    assert log(cut.path) == log(whole.path)
    assert model(cut.path) == model(whole.path)


def test_sweep_and_compare(folder: Path) -> None:
    words = ("optimizer=sgd,momentum,lbfgs", "optimizer.lr=0.001", "dataset.scatter=0.1", "--seeds", 2, "--jobs", 1)
    outcome = nnexp("sweep", "c.yaml", *words, "--metric", "distance", "--format", "json", cwd=folder)
    assert outcome.code == 0, outcome.err
    rows = outcome.json["rows"]
    assert rows[0]["optimizer.name"] == "lbfgs"
    assert [row["n"] for row in rows] == [2, 2, 2]
    compared = nnexp("compare", "--by", "optimizer", "--format", "json", cwd=folder).json
    assert {row["optimizer.name"] for row in compared["rows"]} == {"sgd", "momentum", "lbfgs"}
    again = nnexp("sweep", "c.yaml", *words, cwd=folder)
    assert "6 already there, nothing to run" in again.err
    mixed = nnexp(
        "sweep", "c.yaml", "dataset=rosenbrock,beale,saddle", "optimizer=sgd", "optimizer.lr=0.001", cwd=folder
    )
    assert mixed.code == 0, mixed.err


def test_check_says_what_is_known(folder: Path) -> None:
    facts = nnexp("check", "c.yaml", "dataset=himmelblau", "--format", "json", cwd=folder).json
    assert (len(facts["minima"]), len(facts["saddles"]), facts["start_loss"], facts["steps"]) == (4, 4, 170.0, 40)
    assert facts["bytes"]["optimizer"] == 2 * 2 * 8
    memory = nnexp("check", "c.yaml", "optimizer=lbfgs", "--format", "json", cwd=folder).json["bytes"]["optimizer"]
    assert memory == 2 * 101 * 2 * 8
    text = nnexp("check", "c.yaml", cwd=folder)
    assert "minima        [1, 1]" in text.out
    assert "saddles       none known" in text.out


def test_divergence_is_told_with_what_to_do(folder: Path) -> None:
    outcome = nnexp("train", "c.yaml", "optimizer=sgd", "optimizer.lr=1.0", cwd=folder)
    assert outcome.code == 1
    assert "diverged: " in outcome.err
    assert "try a smaller learning rate (optimizer.lr=0.01)" in outcome.err
    endless = nnexp("train", "c.yaml", "dataset=saddle", "optimizer=sgd", "optimizer.lr=0.4", "stop=9999", cwd=folder)
    assert endless.code == 1
    assert "saddle has no lower bound, so every way down ends like this" in endless.err
