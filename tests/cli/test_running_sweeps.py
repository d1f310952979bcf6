"""A sweep is seen while it runs, here and from another terminal, and ends when it is asked to."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nnexp.cli import display
from nnexp.store.parents import Presence
from nnexp.store.runs import Run, Shelf
from nnexp.sweep import tally as tallies
from nnexp.sweep.description import read_sweep
from nnexp.sweep.jobs import Result
from nnexp.sweep.plan import make_plan
from nnexp.sweep.tally import Tally
from tests.command import Outcome, folders, nnexp, start, until
from tests.past import past_run, past_sweep, read
from tests.small import EVERYTHING, config_file, without_luck

LONG: dict[str, Any] = {**EVERYTHING, "stop": {"epochs": 4000, "patience": 4000}, "monitor": {"checkpoint": 0.05}}
"""Some seconds of work a run."""


def sweep(path: Path, *words: object) -> Outcome:
    return nnexp("sweep", path, "-j", 1, *words, cwd=path.parent)


def events(outcome: Outcome) -> list[dict[str, Any]]:
    return [json.loads(line) for line in outcome.out.splitlines()]


def runs(folder: Path) -> list[Run]:
    return [read(path) for path in folders(folder / "runs")]


def under_way(folder: Path) -> int:
    """How many runs have a checkpoint and have not ended."""
    shelf = Shelf(folder / "runs")
    return sum(run.status == "running" and (run.path / "checkpoint.npz").exists() for run in shelf.runs)


def status(folder: Path, *words: object) -> list[dict[str, Any]]:
    outcome = nnexp("sweep", "--status", *words, "--format", "json", cwd=folder)
    assert outcome.code == 0, outcome.err
    return outcome.json["rows"]


# -- JSON lines ------------------------------------------------------------------------------------------------------


def test_a_line_for_all_that_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config_file(tmp_path)
    without_luck(monkeypatch, lambda one: one.config.seed == 1)
    result = sweep(path, "optimizer=sgd,adam", "--seeds", 2, "--json")
    assert (result.code, result.err) == (3, "")
    found = events(result)
    assert all(list(event)[:2] == ["event", "time"] for event in found)
    kinds = [event["event"] for event in found if event["event"] != "message"]
    assert kinds == ["start", "stage", *["begun", "ended"] * 4, "end"]
    first, stage, *_, last = found
    [folder] = (tmp_path / "runs" / "sweeps").iterdir()
    assert (first["format"], first["sweep"], first["command"][0]) == (1, "small", "sweep")
    assert (stage["sweep"], stage["runs"], stage["missing"], stage["processes"]) == (folder.name, 4, 4, 1)
    assert stage["states"]["planned"] == 4
    ended = [event for event in found if event["event"] == "ended"]
    assert [(event["changes"], event["seed"], event["status"]) for event in ended] == [
        ({"optimizer": "sgd"}, 0, "finished"),
        ({"optimizer": "sgd"}, 1, "failed"),
        ({"optimizer": "adam"}, 0, "finished"),
        ({"optimizer": "adam"}, 1, "failed"),
    ]
    assert ended[1]["reason"] == "RuntimeError: out of luck"
    by_id = {run.id: run for run in runs(tmp_path)}
    for event in ended[::2]:
        finished = by_id[event["run"]]
        assert event["fingerprint"] == finished.record["fingerprint"]
        assert event["final"].items() <= finished.final.items()
        assert event["seconds"] == finished.record["train_seconds"]
        assert not any(name.startswith("test_") for name in event["final"])
    assert last["best"]["value"] == max(event["final"]["validation_accuracy"] for event in ended[::2])
    assert (last["status"], last["exit_code"]) == ("finished", 3)
    assert (last["states"]["finished"], last["states"]["failed"]) == (2, 2)
    assert last["compare"] == f"nnexp compare {folder.name}"
    monkeypatch.undo()
    again = events(sweep(path, "optimizer=sgd,adam", "--seeds", 2, "--json"))
    assert [event["event"] for event in again].count("ended") == 2
    assert again[1]["states"]["finished"] == 2


def test_a_search_tells_what_it_found(tmp_path: Path) -> None:
    path = config_file(tmp_path, stop={"epochs": 1})
    words = ("optimizer=sgd,adam", "optimizer.lr=log(1e-3,1)", "--tune", 2, "--json")
    found = events(sweep(path, *words))
    assert [event["title"] for event in found if event["event"] == "stage"] == ["tuning", "comparison"]
    [findings] = [event for event in found if event["event"] == "findings"]
    assert [level["level"] for level in findings["levels"]] == [{"optimizer": "sgd"}, {"optimizer": "adam"}]


def test_nothing_comes_before_the_input_is_right(tmp_path: Path) -> None:
    result = sweep(config_file(tmp_path), "batch.size=99", "--json")
    assert (result.code, result.out) == (2, "")


@pytest.mark.slow
def test_who_reads_may_go_away(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    with start("sweep", path, "--seeds", 4, "-j", 1, "--json", cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["event"] == "start"
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=100)
    assert (process.returncode, err) == (0, "")
    assert [run.status for run in runs(tmp_path)] == ["finished"] * 4


# -- from another terminal -------------------------------------------------------------------------------------------


def test_how_sweeps_stand(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    assert sweep(path, "--seeds", 2, "-q").code == 0
    assert sweep(path, "optimizer=adam", "--seeds", 3, "-q").code == 0
    first, second = sorted(Shelf(tmp_path / "runs").sweeps, key=lambda one: len(one.cases))
    [row] = status(tmp_path)
    assert row["sweep"] == second.name, "the latest"
    assert (row["state"], row["runs"], row["finished"], row["planned"]) == ("ended", 3, 3, 0)
    best = max(
        run.final["validation_accuracy"] or 0 for run in runs(tmp_path) if run.config["optimizer.name"] == "adam"
    )
    assert (row["metric"], row["best"], row["per_minute"]) == ("validation_accuracy", best, None)
    for word in ("small", path, path.name):
        assert {one["sweep"] for one in status(tmp_path, word)} == {first.name, second.name}
    for word in (first.name, first.path, first.name[:-1]):
        assert [one["sweep"] for one in status(tmp_path, word)] == [first.name]
    lines = nnexp("sweep", "--status", cwd=tmp_path).out.splitlines()
    assert lines[0].split() == [second.name, "ended", "3/3"]
    assert lines[1].split() == ["running", "0", "done", "3", "failed", "0", "diverged", "0", "pruned", "0"]
    assert lines[2].startswith(f"  best so far: validation_accuracy {best:.4f} (seed ")
    assert lines[3:] == [f"compare: nnexp compare {second.name}"]
    two = nnexp("sweep", "--status", "small", cwd=tmp_path).out.splitlines()
    assert two[0].split() == ["sweep", "state", "runs", "running", "done", "runs/min", "left"]
    assert [line.split()[0] for line in two[1:]] == [first.name, second.name]
    assert nnexp("stop", first.name, cwd=tmp_path).code == 2


def test_what_runs_have_come_to(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    made = [past_run(root, 0.5 + i / 10, seed=i) for i in range(2)]
    made += [past_run(root, status=one, record_reason=f"{one} so") for one in ("failed", "diverged", "pruned")]
    made += [past_run(root, status="running", record_pid=2**31 - 1)]
    past_sweep(root, "grid-1", made, "2026-01-02")
    [row] = status(tmp_path)
    found = {state: row[state] for state in ("finished", "failed", "diverged", "pruned", "interrupted", "running")}
    assert found == {"finished": 2, "failed": 1, "diverged": 1, "pruned": 1, "interrupted": 1, "running": 0}
    assert (row["state"], row["best"], row["best_run"]) == ("interrupted", 0.6, "seed 1")
    told = nnexp("sweep", "--status", cwd=tmp_path).out.splitlines()
    assert told[1].split()[-2:] == ["interrupted", "1"]
    assert told[3:5] == ["  failed: seed 0: failed so", "  diverged: seed 0: diverged so"]
    with Presence(root / "sweeps" / "grid-1") as present:
        assert status(tmp_path)[0]["state"] == "under way"
        present.tell(6, 3, 30.0)
        [row] = status(tmp_path)
        assert (row["per_minute"], row["left"]) == (6.0, 10.0), "one run at six a minute"
        past_sweep(root, "later-2", made, "2026-01-03")
        assert [one["sweep"] for one in status(tmp_path)] == ["grid-1"], "the one that runs, not the latest"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_seen_and_stopped_from_another_terminal(tmp_path: Path, jobs: int) -> None:
    path = config_file(tmp_path, **LONG)
    words = ("sweep", path, "--seeds", 4, "-j", jobs)
    with start(*words, cwd=tmp_path) as process:
        until(lambda: under_way(tmp_path) == jobs, process)
        [row] = status(tmp_path)
        assert (row["state"], row["running"]) == ("under way", jobs)
        told = nnexp("sweep", "--status", cwd=tmp_path).out
        assert told.count("running: seed ") == jobs
        assert "of 4000" in told
        assert f"end it: nnexp stop {row['sweep']}" in told
        stopped = nnexp("stop", "small", cwd=tmp_path)
        assert stopped.code == 0, stopped.err
        assert f"(process {process.pid} on " in stopped.err
        assert stopped.err.splitlines()[-1] == f"{row['sweep']} has ended"
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "asked to end by nnexp stop: finishing the runs under way with a checkpoint" in err
    assert err.splitlines()[-1].endswith("left; the same command goes on")
    assert {run.status for run in runs(tmp_path)} <= {"interrupted", "finished"}
    assert status(tmp_path)[0]["state"] == "interrupted"
    told = nnexp("sweep", "--status", cwd=tmp_path).out
    assert f"\ngo on: nnexp {shlex.join(map(str, words))}\n" in told
    assert "is not running" in nnexp("stop", "small", cwd=tmp_path).err
    [folder] = (tmp_path / "runs" / "sweeps").iterdir()
    assert not (folder / ".parents").exists()


@pytest.mark.slow
def test_stopped_without_waiting_and_at_once(tmp_path: Path) -> None:
    path = config_file(tmp_path, **LONG)
    with start("sweep", path, "--seeds", 2, "-j", 1, "--json", cwd=tmp_path) as process:
        until(lambda: under_way(tmp_path) == 1, process)
        assert nnexp("stop", "small", "--no-wait", cwd=tmp_path).code == 0
        out, _ = process.communicate(timeout=60)
    last = json.loads(out.splitlines()[-1])
    assert (process.returncode, last["event"], last["status"], last["exit_code"]) == (130, "end", "interrupted", 130)
    # a killed one leaves its mark, and no stop
    with start("sweep", path, "--seeds", 2, "-j", 1, cwd=tmp_path) as process:
        until(lambda: under_way(tmp_path) == 1, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert "is not running" in nnexp("stop", "small", cwd=tmp_path).err


# -- the live table --------------------------------------------------------------------------------------------------


def test_the_live_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    for module in (tallies, display):
        monkeypatch.setattr(module, "monotonic", lambda: now)
    path = config_file(tmp_path, "a-name-that-is-as-long-as-names-of-sweeps-can-be-in-this-program")
    plan = make_plan(read_sweep(path, ["optimizer=sgd,adam,nag"], 4), Shelf(tmp_path / "runs"))
    tally = Tally(plan, "validation_accuracy", True)
    for number, (status, score) in enumerate([("finished", 0.5), ("finished", 0.75), ("failed", None)]):
        assert tally.begun(plan.jobs[number])
        tally.add(Result(plan.jobs[number], status, "", "abcdef", {"validation_accuracy": score}))
    for job in plan.jobs[3:8]:
        assert tally.begun(job)
        assert not tally.begun(job), "once"
    now += 20
    assert (tally.over, tally.total, tally.per_minute, tally.left) == (3, 12, 9.0, 60.0)
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        console.print(display.drawn(tally))
    lines = captured.get().rstrip().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "3/12" in lines[0]
    assert "9 runs/min" in lines[0]
    assert "1 min 00 s left" in lines[0]
    assert lines[1].split() == ["running", "5", "done", "2", "failed", "1", "diverged", "0", "pruned", "0"]
    assert lines[2] == "  best so far: validation_accuracy 0.7500 (optimizer-sgd seed 1)"
    assert lines[3].split() == ["20.0", "s", "optimizer-sgd", "seed", "3"]
    assert lines[-1].strip() == "and 1 more"
    tally.drop(plan.jobs[3])
    assert (tally.counts["running"], tally.counts["planned"]) == (4, 5)


def test_the_best_is_the_least_of_a_loss(tmp_path: Path) -> None:
    plan = make_plan(read_sweep(config_file(tmp_path), [], 3), Shelf(tmp_path / "runs"))
    tally = Tally(plan, "validation_loss", False)
    for job, value in zip(plan.jobs, (0.3, 0.1, float("nan")), strict=True):
        tally.add(Result(job, "finished", "", "abcdef", {"validation_loss": value, "validation_accuracy": 0.9}))
    assert tally.best is not None
    assert (tally.best.value, tally.best.run) == (0.1, "seed 1")
