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
from nnexp.store.calibrations import APART, SPLIT, START
from tests.command import Outcome, folders, nnexp
from tests.past import read
from tests.small import config_file

SHORT: dict[str, Any] = {"stop": {"epochs": 2}, "dataset": "iris"}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer comparisons."""
    monkeypatch.setattr(calibration, "COMPARISONS", {START: 50, SPLIT: 50, APART: 10})


def calibrate(path: Path, *words: object) -> Outcome:
    return nnexp("calibrate", path, "--seeds", 10, "--compare-n", 6, "-j", 1, *words, cwd=path.parent)


def test_numbers_are_those_of_the_runs(tmp_path: Path) -> None:
    path = config_file(tmp_path, **SHORT)
    result = calibrate(path, "--metric", "validation_loss", "--format", "json")
    assert result.code == 0, result.err
    assert "30 runs: each of 10 seeds, again with its split and initial parameters, again with its split" in result.err
    assert "about " in result.err
    runs = [read(folder) for folder in folders(tmp_path / "runs")]
    plain = {run.config["seed"]: run for run in runs if run.brief.name == "small"}
    again = [run for run in runs if run.brief.name == "small-again"]
    streams = {run.id: run.record["config"]["streams"] for run in again}
    near = {streams[run.id]["split"]: run for run in again if "init" in streams[run.id]}
    far = {streams[run.id]["split"]: run for run in again if "init" not in streams[run.id]}
    assert set(plain) == set(near) == set(far) == set(range(10))
    assert all("streams" not in run.record["config"] or not run.record["config"]["streams"] for run in plain.values())
    close, spread = (
        Spread.of([(plain[s].final["validation_loss"], runs[s].final["validation_loss"]) for s in range(10)])
        for runs in (near, far)
    )
    document = result.json
    assert document["kind"] == "calibration"
    assert document["std"] == spread.std
    assert document["std_start"] == close.std_pairs
    assert document["std_split"] == spread.std_pairs
    assert [row["n"] for row in document["rows"]] == [6, 10, 20, 30]
    assert document["sampling"]["examples"] == 30
    second = calibrate(path, "--metric", "validation_loss", "--format", "csv")
    assert "nothing to run" in second.err
    rows = list(csv.DictReader(io.StringIO(second.out)))
    assert [float(row["split"]) for row in rows] == [row["split"] for row in document["rows"]]
    [file] = (tmp_path / "runs" / ".calibrations").iterdir()
    assert json.loads(file.read_text())["result"]["std"] == spread.std


def test_what_runs_of_one_seed_share(tmp_path: Path) -> None:
    """The examples are the same to the last, initial parameters those of the near run only, the order of neither."""
    from nnexp.config.load import load_data
    from nnexp.engine.experiment import Experiment
    from nnexp.engine.trainer import Trainer

    path = config_file(tmp_path, stop={"epochs": 1}, dataset={"name": "moons", "n": 60, "conditions": "label_noise"})
    assert calibrate(path, "--quiet") == Outcome(0, "", "")
    configs = [read(folder).record["config"] for folder in folders(tmp_path / "runs")]
    one = next(c for c in configs if c["seed"] == 3)
    others = [c for c in configs if c.get("streams", {}).get("split") == 3]
    near, far = sorted(others, key=lambda c: "init" not in c["streams"])
    first, *again = (Trainer(Experiment(load_data(config, "a run").config)) for config in (one, near, far))
    for trainer in again:
        a, b = first.experiment.data, trainer.experiment.data
        for split in ("train", "validation", "test"):
            assert (a.split(split).x == b.split(split).x).all()
            assert (a.split(split).t == b.split(split).t).all()
        assert (first.batches.order(0) != trainer.batches.order(0)).any()
    assert [bool((first.network.θ == trainer.network.θ).all()) for trainer in again] == [True, False]


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
    assert "calibrated on small (10 seeds): 6 pairs" in by_name.out, "the other runs have another name"
    assert "confounded" not in by_name.out
    other = nnexp("sweep", path, "optimizer=sgd,adam", "stop.epochs=1", "--seeds", 2, "-j", 1, "--new", cwd=tmp_path)
    assert "calibrated on small (10 seeds, another setting (stop.epochs)): 6 pairs" in other.out
    listed = nnexp("calibrate", "--format", "json", cwd=tmp_path).json
    assert listed["kind"] == "calibrations"
    assert [(row["name"], row["dataset"], row["metric"], row["seeds"]) for row in listed["rows"]] == [
        ("small", "iris", "validation_accuracy", 10)
    ]
    assert "small" in nnexp("calibrate", cwd=tmp_path).out
    latest = nnexp("compare", "--format", "csv", cwd=tmp_path).out
    assert calibrate(path, "stop.epochs=1", "--quiet").code == 0
    assert nnexp("compare", "--format", "csv", cwd=tmp_path).out == latest, "a calibration compares nothing"


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    result = calibrate(config_file(tmp_path, **SHORT), "--dry-run")
    assert result.code == 0
    assert "30 runs" in result.out
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
    assert "only 0 of the 10 seeds have a score in all of their runs; a spread needs 6" in result.err
    assert not (tmp_path / "runs" / ".calibrations").exists()


def test_a_surface_has_no_examples(tmp_path: Path) -> None:
    path = tmp_path / "bowl.yaml"
    path.write_text("dataset: {name: rosenbrock, noise: 0.5}\noptimizer: {name: sgd, lr: 0.0001}\nstop: {epochs: 5}\n")
    result = calibrate(path)
    assert result.code == 0, result.err
    assert "the sampling error of the examples is not known" in result.out
    assert "train_loss" in result.out


def test_one_generator_for_parameters_and_order(tmp_path: Path) -> None:
    """As in scikit-learn: then a run that shares the one shares the other, too."""
    generator = {"initialization": {"name": "sklearn", "generator": "legacy"}}
    path = config_file(tmp_path, **SHORT, **generator, batch={"name": "mini", "size": 8, "shuffle": "sklearn"})
    document = calibrate(path, "--format", "json").json
    assert document["std_start"] == 0.0
    assert document["std_split"] > 0
    assert (
        "any where levels share split and initial parameters, for such runs have the same score" in calibrate(path).out
    )
