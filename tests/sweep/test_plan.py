"""Plans: what is there already is not run again, and what is planned is written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnexp.engine.trainer import Experiment
from nnexp.errors import InputError
from nnexp.runner import begin, train
from nnexp.store.runs import Shelf
from nnexp.sweep.expand import read_sweep
from nnexp.sweep.plan import Plan, make_plan
from nnexp.sweep.pool import Orders, run_jobs
from nnexp.sweep.start import default_jobs
from tests.past import alter
from tests.small import config_file


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


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    run_all(planned(tmp_path, name="one"))
    assert states(planned(tmp_path, name="another")) == ["done"]


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
