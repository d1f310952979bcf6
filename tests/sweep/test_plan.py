"""Plans: what is there already is not run again, and what is planned is written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnexp.config.load import filled, fingerprint
from nnexp.engine.experiment import Experiment
from nnexp.errors import InputError
from nnexp.runner import begin, train
from nnexp.store.runs import Shelf
from nnexp.sweep.description import read_sweep
from nnexp.sweep.jobs import Orders
from nnexp.sweep.plan import Plan, make_plan
from nnexp.sweep.pool import run_jobs
from nnexp.sweep.start import default_jobs
from tests.past import alter
from tests.small import config_file, log, model


def planned(folder: Path, *overrides: str, seeds: int | None = None, **changes: Any) -> Plan:
    return make_plan(read_sweep(config_file(folder, **changes), overrides, seeds), Shelf(folder / "runs"))


def states(plan: Plan) -> list[str]:
    return ["done" if job.done else "begun" if job.begun else "new" for job in plan.jobs]


def run_all(plan: Plan) -> list[str]:
    return [result.status for result in run_jobs(plan.missing, Orders(plan.folder.parents[1], 1))]


def test_only_what_is_missing_is_run(tmp_path: Path) -> None:
    plan = planned(tmp_path, "optimizer=sgd,adam", seeds=2)
    assert states(plan) == ["new"] * 4
    assert not (tmp_path / "runs").exists(), "planning writes nothing"
    assert run_all(plan) == ["finished"] * 4
    assert states(planned(tmp_path, "optimizer=sgd,adam", seeds=2)) == ["done"] * 4
    assert states(planned(tmp_path, "optimizer=sgd,nag", seeds=3)) == ["done", "done", "new", "new", "new", "new"]
    assert states(planned(tmp_path, "optimizer=sgd,adam", "optimizer.lr=0.3")) == ["new", "new"]


@pytest.mark.parametrize("dataset", [{"name": "moons", "n": 60}, "iris"])
def test_a_seed_that_another_speaks_for_is_known_by_the_same(tmp_path: Path, dataset: Any) -> None:
    for job in planned(tmp_path, "optimizer=sgd,adam", seeds=3, dataset=dataset).jobs:
        alone = Experiment(job.trial.loaded.config)
        assert job.fingerprint == fingerprint(alone.config, alone.data.digest)
        assert job.config == filled(alone.config)


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    run_all(planned(tmp_path, name="one"))
    assert states(planned(tmp_path, name="another")) == ["done"]


def test_more_epochs_go_on_from_what_is_there(tmp_path: Path) -> None:
    run_all(planned(tmp_path, "optimizer=sgd,adam", seeds=2, stop=3))
    longer = planned(tmp_path, "optimizer=sgd,adam,nag", seeds=3, stop=5, name="another")
    assert [None if job.source is None else job.source.brief.epoch for job in longer.jobs] == [3, 3, None] * 2 + [
        None
    ] * 3
    assert (longer.longer, len(longer.missing)) == (4, 9)
    assert make_plan(longer.sweep, Shelf(tmp_path / "runs"), far=True).longer == 0
    assert longer.jobs[0].share == pytest.approx(0.4)
    assert run_all(longer) == ["finished"] * 9
    whole = tmp_path / "whole"
    whole.mkdir()
    run_all(planned(whole, "optimizer=sgd,adam,nag", seeds=3, stop=5))
    assert told(tmp_path, 5) == told(whole, 5)
    continued = [run.record["continued"] for run in Shelf(tmp_path / "runs").runs if run.record.get("continued")]
    assert [one["epoch"] for one in continued] == [3] * 4
    assert states(planned(tmp_path, "optimizer=sgd,adam,nag", seeds=3, stop=5)) == ["done"] * 9
    assert planned(tmp_path, "optimizer=sgd", "schedule=cosine", stop=6).longer == 0


def told(folder: Path, epochs: int) -> dict[tuple[str, int], tuple[str, Any]]:
    """Log and model to the bit, of each run with so many epochs."""
    runs = [run for run in Shelf(folder / "runs").runs if run.config["stop.epochs"] == epochs]
    return {(run.config["optimizer.name"], run.record["seed"]): (log(run.path), model(run.path)) for run in runs}


def test_an_interrupted_run_goes_before_a_shorter_one(tmp_path: Path) -> None:
    run_all(planned(tmp_path, stop=3))
    [result] = run_jobs(planned(tmp_path, stop=5).missing, Orders(tmp_path / "runs", 1))
    path = next(run.path for run in Shelf(tmp_path / "runs").runs if run.id == result.run_id)
    alter(path, status="interrupted")
    [job] = planned(tmp_path, stop=5).jobs
    assert job.begun is not None
    assert job.source is not None, "it has no checkpoint, so it may go on from there again"
    (path / "checkpoint.npz").touch()
    [job] = planned(tmp_path, stop=5).jobs
    assert (job.begun is not None, job.source) == (True, None)


def test_the_same_computation_is_run_once(tmp_path: Path) -> None:
    plan = planned(tmp_path, "optimizer=adam,{name: adam, lr: 0.001}")
    assert (len(plan.jobs), len(plan.missing)) == (2, 1)


@pytest.mark.parametrize(
    ("status", "expected"),
    [("finished", "done"), ("diverged", "done"), ("interrupted", "begun"), ("failed", "new")],
)
def test_the_outcome_decides(tmp_path: Path, status: str, expected: str) -> None:
    [job] = planned(tmp_path).jobs
    experiment = Experiment(job.trial.loaded.config)
    folder = begin(experiment, tmp_path / "runs")
    train(experiment, folder)
    alter(folder.path, status=status)
    assert states(planned(tmp_path)) == [expected]


def test_a_sweep_has_a_folder_of_its_own(tmp_path: Path) -> None:
    plan = planned(tmp_path, "optimizer=sgd,adam", seeds=2)
    assert planned(tmp_path, "optimizer=sgd,adam", seeds=2).folder == plan.folder, "the same sweep has one folder"
    assert planned(tmp_path, "optimizer=adam,sgd", seeds=2).folder == plan.folder, "whatever their order"
    assert planned(tmp_path, "optimizer=sgd,adam", seeds=3).folder != plan.folder


def test_every_run_is_tried_against_its_data(tmp_path: Path) -> None:
    # 36 examples: batches of 7 leave one over, which batch normalization cannot use
    with pytest.raises(InputError, match="the last of the 36 training examples") as raised:
        planned(tmp_path, "batch.size=8,7,5", "normalization=none,batch", seeds=3)
    assert str(raised.value).count("the last of the 36") == 2, "for 7 and for 5, once each"


def test_the_number_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NNEXP_JOBS", raising=False)
    cores = default_jobs()
    assert cores >= 1
    monkeypatch.setenv("NNEXP_JOBS", str(cores + 1))
    assert default_jobs() == cores + 1
    monkeypatch.setenv("NNEXP_JOBS", "")
    assert default_jobs() == cores
