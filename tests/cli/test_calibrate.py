"""`nnexp calibrate`: what is trained, what is kept and shown, and what it says of other comparisons."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest

from nnexp.report import calibration
from nnexp.report.calibration import Spread
from tests.command import Outcome, folders, nnexp
from tests.past import read
from tests.small import config_file

SHORT: dict[str, Any] = {"stop": {"epochs": 2}, "dataset": "iris"}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer comparisons."""
    monkeypatch.setattr(calibration, "COMPARISONS", {True: 100, False: 10})


def calibrate(path: Path, *words: object) -> Outcome:
    return nnexp("calibrate", path, "--seeds", 10, "--compare-n", 6, "-j", 1, *words, cwd=path.parent)


def test_numbers_are_those_of_the_runs(tmp_path: Path) -> None:
    path = config_file(tmp_path, **SHORT)
    result = calibrate(path, "--metric", "validation_loss", "--format", "json")
    assert result.code == 0, result.err
    assert "20 runs: 10 seeds, each twice on its data and split, all else drawn anew" in result.err
    assert "about " in result.err
    runs = [read(folder) for folder in folders(tmp_path / "runs")]
    plain = {run.config["seed"]: run for run in runs if run.brief.name == "small"}
    twins = {run.record["config"]["streams"]["split"]: run for run in runs if run.brief.name == "small-twin"}
    assert set(plain) == set(twins) == set(range(10))
    assert all("streams" not in run.record["config"] or not run.record["config"]["streams"] for run in plain.values())
    scores = [(plain[s].final["validation_loss"], twins[s].final["validation_loss"]) for s in range(10)]
    spread = Spread.of(scores)  # type: ignore[arg-type]
    document = result.json
    assert document["kind"] == "calibration"
    assert document["std"] == spread.std
    assert document["std_pairs"] == spread.std_pairs
    assert [row["n"] for row in document["rows"]] == [6, 10, 20, 30]
    assert document["sampling"]["examples"] == 30
    again = calibrate(path, "--metric", "validation_loss", "--format", "csv")
    assert "nothing to run" in again.err
    rows = list(csv.DictReader(io.StringIO(again.out)))
    assert [float(row["pairs"]) for row in rows] == [row["pairs"] for row in document["rows"]]
    [file] = (tmp_path / "runs" / ".calibrations").iterdir()
    assert json.loads(file.read_text())["result"]["std"] == spread.std


def test_twins_share_data_and_split_only(tmp_path: Path) -> None:
    """The examples are the same to the last; the initial weights are not."""
    from nnexp.config.load import load_data
    from nnexp.engine.experiment import Experiment
    from nnexp.engine.trainer import Trainer

    path = config_file(tmp_path, stop={"epochs": 1}, dataset={"name": "moons", "n": 60, "conditions": "label_noise"})
    assert calibrate(path, "--quiet") == Outcome(0, "", "")
    configs = [read(folder).record["config"] for folder in folders(tmp_path / "runs")]
    one = next(c for c in configs if c["seed"] == 3)
    other = next(c for c in configs if c.get("streams", {}).get("split") == 3)
    a, b = (Experiment(load_data(config, "a run").config) for config in (one, other))
    for split in ("train", "validation", "test"):
        assert (a.data.split(split).x == b.data.split(split).x).all()
        assert (a.data.split(split).t == b.data.split(split).t).all()
    assert (Trainer(a).network.θ != Trainer(b).network.θ).any()
    assert (Trainer(a).batches.order(0) != Trainer(b).batches.order(0)).any()


def test_accuracy_has_a_binomial_error_and_it_agrees_with_resampling(tmp_path: Path) -> None:
    path = config_file(tmp_path, dataset="iris", stop={"epochs": 12})
    document = calibrate(path, "--format", "json").json
    sampling = document["sampling"]
    assert (sampling["how"], sampling["examples"], sampling["tested"]) == ("binomial", 30, 30)
    runs = [read(folder) for folder in folders(tmp_path / "runs")]
    known = [run.final["validation_accuracy"] for run in runs if run.config["seed"] < 10]
    variance = sum(a * (1 - a) / 30 for a in known) / len(known)  # type: ignore[operator]
    assert sampling["error"] == pytest.approx(math.sqrt(variance))

    from nnexp.config.load import load_data
    from nnexp.sweep.calibration import _resampled
    from nnexp.sweep.expand import Trial
    from nnexp.sweep.stock import Stock

    found = []
    for run in runs[:5]:
        trial = Trial(load_data(run.record["config"], "a run"), {}, None, run.config["seed"])
        a = run.final["validation_accuracy"]
        resampled = _resampled(run, trial, Stock(), "validation", "validation_accuracy")
        found.append((resampled, a * (1 - a) / 30))  # type: ignore[operator]
    for resampled, binomial in found:
        assert resampled == pytest.approx(binomial, rel=0.35)


def test_compare_shows_it(tmp_path: Path) -> None:
    path = config_file(tmp_path, **SHORT)
    assert calibrate(path, "--quiet").code == 0
    sweep = nnexp("sweep", path, "optimizer=sgd,adam", "--seeds", 6, "-j", 1, cwd=tmp_path)
    assert sweep.code == 0
    assert "calibrated on small (10 seeds): 6 pairs tell differences from " in sweep.out
    assert "a score on 30 validation examples: ± " in sweep.out
    by_name = nnexp("compare", "small", "--by", "optimizer", cwd=tmp_path)
    assert "calibrated on small (10 seeds): 6 pairs" in by_name.out, "the twins are not among those of this name"
    assert "confounded" not in by_name.out
    other = nnexp("sweep", path, "optimizer=sgd,adam", "stop.epochs=1", "--seeds", 2, "-j", 1, "--new", cwd=tmp_path)
    assert "calibrated on small (10 seeds, another setting (stop.epochs)): 6 pairs" in other.out
    listed = nnexp("calibrate", "--format", "json", cwd=tmp_path).json
    assert listed["kind"] == "calibrations"
    assert [(row["name"], row["dataset"], row["metric"], row["seeds"]) for row in listed["rows"]] == [
        ("small", "iris", "validation_accuracy", 10)
    ]
    assert "small" in nnexp("calibrate", cwd=tmp_path).out


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    result = calibrate(config_file(tmp_path, **SHORT), "--dry-run")
    assert result.code == 0
    assert "20 runs" in result.out
    assert "nothing was run" in result.out
    assert not (tmp_path / "runs").exists()


def test_a_split_that_is_held_fixed(tmp_path: Path) -> None:
    path = config_file(tmp_path, **SHORT, streams={"split": 3})
    result = calibrate(path)
    assert "all runs are judged on one split (streams.split)" in result.out
    splits = {read(folder).record["config"]["streams"]["split"] for folder in folders(tmp_path / "runs")}
    assert splits == {3}


def test_runs_that_diverge(tmp_path: Path) -> None:
    path = config_file(tmp_path, **SHORT, optimizer={"name": "sgd", "lr": 1e30}, activation="identity", loss="mse")
    path.write_text(path.read_text().replace("iris", "diabetes"))
    result = calibrate(path, "--metric", "validation_loss")
    assert result.code == 2
    assert "only 0 of the 10 seeds have a score in both of their runs; a spread needs 6" in result.err
    assert not (tmp_path / "runs" / ".calibrations").exists()


def test_a_surface_has_no_examples(tmp_path: Path) -> None:
    path = tmp_path / "bowl.yaml"
    path.write_text("dataset: {name: rosenbrock, noise: 0.5}\noptimizer: {name: sgd, lr: 0.0001}\nstop: {epochs: 5}\n")
    result = calibrate(path)
    assert result.code == 0, result.err
    assert "the sampling error of the examples is not known" in result.out
    assert "train_loss" in result.out
