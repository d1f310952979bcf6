"""What a sweep's folder says: as given, as expanded, the plan, and a table of runs that is right whatever happened."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nnexp.config.yaml import read as read_yaml
from nnexp.store.folder import write_whole
from nnexp.store.runs import Origin, Run, Shelf
from nnexp.sweep import records
from nnexp.sweep.description import read_sweep
from nnexp.sweep.identity import Given, Identity
from nnexp.sweep.jobs import Result
from nnexp.sweep.plan import Plan, make_plan
from nnexp.sweep.records import EVERY, Records
from tests.command import Outcome, folders, nnexp, start, until
from tests.past import read
from tests.small import EVERYTHING, config_file, without_luck

LONG: dict[str, Any] = {**EVERYTHING, "stop": {"epochs": 1500, "patience": 1500}, "monitor": {"checkpoint": 0.05}}
"""A second of work a run."""


def sweep(path: Path, *words: object) -> Outcome:
    return nnexp("sweep", path, "-j", 1, *words, cwd=path.parent)


def folder_of(path: Path) -> Path:
    [folder] = (path.parent / "runs" / "sweeps").iterdir()
    return folder


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder_of(path) / "runs.csv").read_text().splitlines()))


def state(path: Path) -> Any:
    return json.loads((folder_of(path) / "state.json").read_text())


def runs(path: Path) -> dict[str, Run]:
    return {folder.name: read(folder) for folder in folders(path.parent / "runs")}


def test_what_a_folder_holds(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    path.write_text("# a remark\n" + path.read_text())
    before = datetime.now(UTC)
    assert sweep(path, "optimizer=sgd,adam", "--seeds", 2).code == 0
    folder = folder_of(path)
    assert {one.name for one in folder.iterdir()} == {"given.yaml", "sweep.yaml", "plan.json", "runs.csv", "state.json"}
    assert (folder / "given.yaml").read_bytes() == path.read_bytes()
    expanded = read_yaml(folder / "sweep.yaml").data
    assert (expanded["grid"], expanded["seeds"]) == ({"optimizer": ["sgd", "adam"]}, [0, 1])
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["origin"]["words"] == ["--seeds 2", "optimizer=sgd,adam"]
    assert plan["origin"]["file"] == "../small.yaml", "both may move together"
    assert plan["command"][:2] == ["sweep", str(path)]
    assert plan["versions"].keys() == {"nnexp", "python", "numpy", "numba"}
    assert plan["machine"].keys() == {"host", "platform", "processor", "cores"}
    rows = table(path)
    columns = ["optimizer.name", "optimizer.lr", "seed", "status", "seconds", "validation_loss"]
    assert [*rows[0]][:6] == columns
    assert [*rows[0]][-1] == "run"
    assert [(row["optimizer.name"], row["seed"], row["status"]) for row in rows] == [
        ("sgd", "0", "finished"),
        ("sgd", "1", "finished"),
        ("adam", "0", "finished"),
        ("adam", "1", "finished"),
    ]
    for row in rows:
        run = runs(path)[row["run"]]
        assert float(row["validation_accuracy"]) == run.final["validation_accuracy"]
        assert float(row["seconds"]) == run.record["train_seconds"]
        assert not any(key.startswith("test_") for key in row)
    told = state(path)
    assert (told["runs"], told["states"]["finished"], told["over"]) == (4, 4, True)
    assert before <= datetime.fromisoformat(told["written"]) <= datetime.now(UTC)


def test_a_spreadsheet_computes_nothing(tmp_path: Path) -> None:
    config_file(tmp_path, stop={"epochs": 1})
    path = tmp_path / "s.yaml"
    path.write_text("base: small.yaml\ncases: {'=1+1': {}}\n")
    assert sweep(path).code == 0
    assert [row["case"] for row in table(path)] == ["'=1+1"]


def test_what_failed_and_what_was_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config_file(tmp_path)
    with monkeypatch.context() as patch:
        without_luck(patch, lambda one: one.config.seed == 1)
        assert sweep(path, "--seeds", 3).code == 3
    assert [row["status"] for row in table(path)] == ["finished", "failed", "finished"]
    failed = table(path)[1]
    assert (failed["validation_accuracy"], runs(path)[failed["run"]].status) == ("", "failed")
    assert state(path)["states"] == dict.fromkeys(records.STATES, 0) | {"finished": 2, "failed": 1}
    assert sweep(path, "--seeds", 3).code == 0
    assert [row["status"] for row in table(path)] == ["finished"] * 3


@pytest.mark.slow
def test_right_after_a_kill_and_a_second_beginning(tmp_path: Path) -> None:
    path = config_file(tmp_path, **LONG)
    words = ("sweep", path, "--seeds", 4, "-j", 1)
    with start(*words, cwd=tmp_path) as process:
        until(lambda: any(tmp_path.glob("runs/*/checkpoint.npz")), process)
        process.kill()
    written = state(path)["written"]
    status = nnexp("sweep", "--status", "--format", "json", cwd=tmp_path).json["rows"][0]
    assert (status["state"], status["running"]) == ("interrupted", 0)
    found = [run.status for run in Shelf(tmp_path / "runs").runs]
    assert status["finished"] == found.count("finished")
    assert status["interrupted"] == found.count("lost") >= 1
    assert status["planned"] == 4 - len(found)
    assert state(path)["written"] == written, "to look changes nothing"
    assert nnexp(*words, cwd=tmp_path).code == 0
    assert [row["status"] for row in table(path)] == ["finished"] * 4
    assert state(path)["written"] > written


def test_a_disk_that_is_full_of_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config_file(tmp_path)
    number = 0

    def full(path: Path, *rest: Any) -> None:
        nonlocal number
        number += 1
        if number > 5:  # the three of the description, the table, its state
            raise OSError(28, "No space left on device")
        write_whole(path, *rest)

    monkeypatch.setattr(records, "write_whole", full)
    result = sweep(path, "--seeds", 2)
    assert result.code == 0
    assert number > 5
    assert result.err.count("the sweep's records cannot be written (No space left on device); its runs go on") == 1


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "sweeps").write_text("a file")
    result = sweep(path)
    assert result.code == 2
    assert "cannot write to runs/sweeps/small-" in result.err
    assert "choose another folder with NNEXP_RUNS" in result.err
    assert folders(tmp_path / "runs") == []


# -- while runs are run --------------------------------------------------------------------------------------------


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    described = read_sweep(config_file(tmp_path), ["optimizer=sgd,{name: sgd, lr: 0.01}"], 2)
    return make_plan(described, Shelf(tmp_path / "runs"))


def begun(plan: Plan) -> Records:
    one = Records(plan)
    origin = Origin("small", "", "small.yaml", (), "")
    one.begin(Given(plan.folder / "small.yaml", b"", ()), Identity(plan.folder, origin, "loss", False, ""))
    return one


def rows(plan: Plan) -> list[tuple[str, str]]:
    return [(row["status"], row["run"]) for row in csv.DictReader((plan.folder / "runs.csv").read_text().splitlines())]


def test_the_states_of_a_run(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(records, "monotonic", lambda: now)
    one = begun(plan)
    root = plan.folder.parents[1]
    assert rows(plan) == [("planned", "")] * 4
    one.begun(plan.jobs[1])
    one.look()
    assert [status for status, _ in rows(plan)] == ["planned", "running", "planned", "running"], "they are the same run"
    name = "small-optimizer-sgd-s1-abcdef"
    (root / name).mkdir()
    one.ended(Result(plan.jobs[1], "diverged", "at step 3", "abcdef", {}, 0.5), root)
    one.look()
    assert rows(plan)[1][0] == "running", "it has just been written"
    now += EVERY
    one.look()
    assert [rows(plan)[i] for i in (1, 3)] == [("diverged", name)] * 2
    for status, shown in (("paused", "interrupted"), ("interrupted", "interrupted"), ("failed", "failed")):
        now += EVERY
        one.ended(Result(plan.jobs[0], status, "", "no-folder", {}), root)
        one.look()
        assert rows(plan)[0] == (shown, "")


def test_a_thousand_runs_are_not_written_a_thousand_times(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    now, written = 100.0, []
    monkeypatch.setattr(records, "monotonic", lambda: now)
    one = begun(plan)
    monkeypatch.setattr(records, "write_whole", lambda path, *rest: written.append(path.name))
    for _ in range(1000):
        now += 0.003
        one.begun(plan.jobs[0])
        one.ended(Result(plan.jobs[0], "finished", "", "abcdef", {}), plan.folder.parents[1])
        one.look()
    assert written == ["runs.csv", "state.json"] * 3, "in three seconds"
