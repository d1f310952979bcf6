"""`nnexp sweep`: every run once, the same bits for any number of processes, and nothing that fails stops the rest."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nnexp.store.runs import Run, Shelf
from tests.command import Outcome, folders, nnexp, start, until
from tests.past import read
from tests.small import EVERYTHING, config_file, log, model, without_luck

DIVERGING = {"loss": "mse", "activation": "linear"}
"""With these a learning rate of 1e6 diverges in the first epoch."""
LONG: dict[str, Any] = {**EVERYTHING, "stop": {"epochs": 1500, "patience": 1500}, "monitor": {"checkpoint": 0.05}}
"""A second of work a run."""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return config_file(tmp_path)


def sweep(path: Path, *words: object, jobs: int = 1) -> Outcome:
    return nnexp("sweep", path, "-j", jobs, *words, cwd=path.parent)


def runs(path: Path) -> list[Run]:
    """The runs beside a configuration."""
    return [read(folder) for folder in folders(path.parent / "runs")]


def results(path: Path) -> dict[tuple[Any, ...], tuple[str, Any]]:
    """Each run's log and model to the bit, by what it varies."""
    keys = ("optimizer.name", "optimizer.lr", "seed")
    return {tuple(run.config[key] for key in keys): (log(run.path), model(run.path)) for run in runs(path)}


def untimed(table: str) -> list[list[str]]:
    """The cells of a CSV table but for the last column, the seconds."""
    return [row[:-1] for row in csv.reader(io.StringIO(table))]


# -- before it runs --------------------------------------------------------------------------------


def test_a_dry_run_shows_every_run_and_writes_nothing(small: Path) -> None:
    result = sweep(small, "optimizer.lr=logspace(1e-4,1,75)", "optimizer=sgd,adam", "--seeds", 2, "--dry-run")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[-3] == "300 runs, 300 to run; nothing was run"
    assert [int(line.split()[0]) for line in lines[1:-3]] == list(range(1, 301))
    assert list(small.parent.iterdir()) == [small]
    rows = list(
        csv.DictReader(
            io.StringIO(sweep(small, "optimizer.lr=logspace(1e-4,1,300)", "--dry-run", "--format", "csv").out)
        )
    )
    assert len({row["optimizer.lr"] for row in rows}) == 300
    assert {row["state"] for row in rows} == {"to run"}


def test_a_dry_run_reads_like_the_file(tmp_path: Path) -> None:
    config_file(tmp_path)
    path = tmp_path / "grid.yaml"
    path.write_text("base: small.yaml\ngrid: {optimizer: [sgd, {name: adam, lr: 0.01}]}\ncases: {a: {}, b: {stop: 2}}")
    lines = sweep(path, "--dry-run").out.splitlines()
    assert lines[0].split() == ["run", "case", "optimizer", "seed", "state"]
    assert lines[2].split(maxsplit=2)[:2] == ["2", "a"]
    assert "{name: adam, lr: 0.01}" in lines[2]


def test_one_wrong_run_stops_all_before_the_first(small: Path) -> None:
    result = sweep(small, "optimizer=sgd,adam", "batch.size=8,4,99")
    assert (result.code, result.out) == (2, "")
    assert "99" in result.err
    assert not (small.parent / "runs").exists()


def test_a_metric_that_no_run_will_have(small: Path) -> None:
    for metric in ("r2", "validation_rmse", "acuracy"):
        result = sweep(small, "--metric", metric)
        assert (result.code, result.out) == (2, "")
        assert f"'{metric}'" in result.err
        assert not (small.parent / "runs").exists()
    result = sweep(small, "--seeds", 2, "--metric", "train_loss")
    assert (result.code, result.out.splitlines()[0]) == (0, "train_loss by name")


# -- what it does ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_bits_for_any_number_of_jobs(tmp_path: Path) -> None:
    found = []
    for jobs in (1, 2):
        (tmp_path / str(jobs)).mkdir()
        path = config_file(tmp_path / str(jobs), **EVERYTHING)
        result = sweep(path, "optimizer=sgd,adam", "optimizer.lr=0.1,0.01", "--seeds", 2, "--format", "csv", jobs=jobs)
        assert result.code == 0
        found.append((results(path), untimed(result.out)))
    assert len(found[0][0]) == 8
    assert found[0] == found[1]


def test_the_comparison_is_printed(small: Path) -> None:
    result = sweep(small, "optimizer=sgd,adam", "--seeds", 2)
    assert result.code == 0
    assert result.out.splitlines()[0] == "validation_accuracy by optimizer"
    lines = result.err.splitlines()
    [folder] = (small.parent / "runs" / "sweeps").iterdir()
    assert lines[0] == f"4 runs, 1 process; runs/sweeps/{folder.name}"
    assert [line.split()[0] for line in lines[1:5]] == ["1/4", "2/4", "3/4", "4/4"]
    assert lines[-1] == f"show it again: nnexp compare {folder.name}"
    again = nnexp("compare", folder.name, cwd=small.parent)
    assert again.out == result.out


@pytest.mark.parametrize("how", ["csv", "json", "markdown"])
def test_stdout_is_data(small: Path, how: str) -> None:
    result = sweep(small, "optimizer=sgd,adam", "--seeds", 2, "--format", how)
    if how == "json":
        assert [row["n"] for row in result.json["rows"]] == [2, 2]
    elif how == "csv":
        assert untimed(result.out)[0][:2] == ["optimizer.name", "n"]
    else:
        assert result.out.startswith("validation_accuracy by optimizer:\n\n| optimizer |")


def test_quiet(small: Path) -> None:
    assert sweep(small, "optimizer=sgd,adam", "-q") == Outcome(0, "", "")
    assert len(runs(small)) == 2


def test_runs_say_what_sets_them_apart(small: Path) -> None:
    sweep(small, "optimizer=sgd,adam", "-q")
    assert [run.path.name.rpartition("-")[0] for run in runs(small)] == [
        "small-optimizer-adam-s0",
        "small-optimizer-sgd-s0",
    ]


def test_given_again_it_runs_what_is_missing(small: Path) -> None:
    first = sweep(small, "optimizer=sgd,adam", "--seeds", 2)
    before = {run.path: (run.path / "run.json").read_bytes() for run in runs(small)}
    again = sweep(small, "optimizer=sgd,adam", "--seeds", 2)
    assert (again.code, again.out) == (0, first.out)
    assert again.err.splitlines()[0].startswith("4 runs, 4 already there, nothing to run; ")
    assert {run.path: (run.path / "run.json").read_bytes() for run in runs(small)} == before
    wider = sweep(small, "optimizer=sgd,adam,nag", "--seeds", 3)
    assert wider.code == 0
    assert wider.err.splitlines()[0].startswith("9 runs, 4 already there, 1 process; ")
    assert len(runs(small)) == 9
    assert before.items() <= {run.path: (run.path / "run.json").read_bytes() for run in runs(small)}.items()


def test_more_epochs_go_on_from_finished_runs(small: Path) -> None:
    sweep(small, "optimizer=sgd,adam", "--seeds", 2, "-q")
    before = {run.path: (run.path / "run.json").read_bytes() for run in runs(small)}
    words = ("optimizer=sgd,adam", "--seeds", 3, "stop=6")
    dry = sweep(small, *words, "--dry-run")
    assert "6 runs, 6 to run (4 of them from where runs with fewer epochs have ended); nothing was run" in dry.out
    known = {run.id for run in runs(small)}
    assert set(re.findall(r"goes on from (\w+), epoch 4", dry.out)) == known
    assert sweep(small, *words, "--dry-run", "--format", "json").json["continued"] == 4
    longer = sweep(small, *words, "-j", 2, "--format", "csv")
    assert longer.code == 0, longer.err
    assert longer.err.splitlines()[0].startswith(
        "6 runs, 4 going on from finished runs with fewer epochs, 2 processes; "
    )
    assert {run.path: (run.path / "run.json").read_bytes() for run in runs(small) if run.path in before} == before
    again = nnexp("sweep", small, *words, "--runs", "others", "--format", "csv", cwd=small.parent)
    assert untimed(again.out) == untimed(longer.out)
    one = next(run for run in runs(small) if run.record.get("continued"))
    source = one.record["continued"]["run"]
    assert f"continued from {source} at epoch 4" in nnexp("show", one.id, cwd=small.parent).out
    assert nnexp("reproduce", one.id, cwd=small.parent).code == 0


def test_train_goes_on_with_more_epochs(small: Path) -> None:
    nnexp("train", small, "-q", cwd=small.parent)
    [first] = runs(small)
    result = nnexp("train", "--resume", "@last", "stop=7", "--format", "json", cwd=small.parent)
    assert (result.code, result.json["continued"]) == (0, {"run": first.id, "epoch": 4})
    assert len(runs(small)) == 2
    assert nnexp("reproduce", "@last", cwd=small.parent).code == 0


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_diverging_run_stops_nothing(tmp_path: Path, jobs: int) -> None:
    path = config_file(tmp_path, **DIVERGING)
    result = sweep(path, "optimizer=sgd", "optimizer.lr=1e6,0.01", "--seeds", 2, jobs=jobs)
    assert result.code == 3
    assert sorted(run.status for run in runs(path)) == ["diverged", "diverged", "finished", "finished"]
    assert result.err.count("diverged: optimizer.lr".replace("optimizer.", "")) == 2
    assert " at step " in result.err
    assert "2 of 4 runs diverged; the means are without them" in result.out
    again = sweep(path, "optimizer=sgd", "optimizer.lr=1e6,0.01", "--seeds", 2)
    assert again.code == 3, "they would diverge again: they are not run again, and not forgotten"
    assert "nothing to run" in again.err
    assert len(runs(path)) == 4
    nothing_left = sweep(path, "optimizer=sgd", "optimizer.lr=1e6", "--seeds", 2, "--metric", "loss")
    assert nothing_left.code == 3
    assert "2 of 2 runs diverged" in nothing_left.out


def test_a_failing_run_stops_nothing(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        without_luck(patch, lambda one: one.config.seed == 1)
        result = sweep(small, "--seeds", 3)
    assert result.code == 3
    assert "failed: seed 1: RuntimeError: out of luck" in result.err
    assert "1 of 3 runs failed; the mean" in result.out
    assert [run.status for run in sorted(runs(small), key=lambda run: run.record["seed"])] == [
        "finished",
        "failed",
        "finished",
    ]
    again = sweep(small, "--seeds", 3)
    assert again.code == 0, "what failed is run again"
    assert again.err.splitlines()[0].startswith("3 runs, 2 already there, 1 process; ")


def test_a_damaged_checkpoint_stops_nothing(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    sweep(path, "--seeds", 2)
    broken = runs(path)[0]
    (broken.path / "run.json").write_text((broken.path / "run.json").read_text().replace('"finished"', '"interrupted"'))
    (broken.path / "checkpoint.npz").write_bytes(b"PK")
    result = sweep(path, "--seeds", 2)
    assert result.code == 3
    assert f"{broken.path.name}/checkpoint.npz is damaged" in result.err
    assert "InputError" not in result.err


def under_way(folder: Path) -> list[Run]:
    """Runs that have logged something and have not ended."""
    shelf = Shelf(folder / "runs")
    return [run for run in shelf.runs if run.status == "running" and (run.path / "checkpoint.npz").exists()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The long sweep as it is when nothing happens, and its table."""
    path = config_file(tmp_path_factory.mktemp("undisturbed"), **LONG)
    result = sweep(path, "optimizer=sgd,adam", "--seeds", 2, "--format", "csv", jobs=2)
    assert result.code == 0
    return path, result.out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "jobs"),
    [(signal.SIGINT, 130, 1), (signal.SIGINT, 130, 2), (signal.SIGTERM, 143, 2)],
)
def test_an_interrupted_sweep_goes_on(
    tmp_path: Path, undisturbed: tuple[Path, str], number: signal.Signals, code: int, jobs: int
) -> None:
    path = config_file(tmp_path, **LONG)
    words = ("optimizer=sgd,adam", "--seeds", 2)
    with start("sweep", path, *words, "-j", jobs, cwd=tmp_path) as process:
        until(lambda: len(under_way(tmp_path)) == jobs, process)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in err
    assert "failed" not in err
    left = sum(run.status != "finished" for run in runs(path)) + 4 - len(runs(path))
    assert left >= jobs
    assert (
        err.splitlines()[-1]
        == f"interrupted; {left} run{'s are' if left > 1 else ' is'} left; the same command goes on"
    )
    assert {run.status for run in runs(path)} <= {"interrupted", "finished"}
    again = sweep(path, *words, "--format", "csv", jobs=2)
    assert again.code == 0
    assert len(runs(path)) == 4
    assert untimed(again.out) == untimed(undisturbed[1])
    assert results(path) == results(undisturbed[0])


@pytest.mark.slow
def test_interrupted_while_the_workers_start(tmp_path: Path) -> None:
    # In a terminal Ctrl-C reaches the workers, too, and they may still be importing.
    path = config_file(tmp_path, **LONG)
    with start("sweep", path, "optimizer=sgd,adam", "-j", 2, cwd=tmp_path) as process:
        until(lambda: (tmp_path / "runs" / "sweeps").exists(), process)
        deadline = time.monotonic() + 60
        while not grandchildren(process.pid) and time.monotonic() < deadline:  # workers come from a forkserver
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert "failed" not in err
    assert err.splitlines()[-1] == "interrupted; 2 runs are left; the same command goes on"


def children(pid: int) -> list[str]:
    """The processes that a process has started; none where the system does not tell, or where it has just ended."""
    found: list[str] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += path.read_text().split()
    return found


def grandchildren(pid: int) -> list[str]:
    """Those that run Python: the process that workers are forked from asks uname for the machine, too."""
    found = []
    for one in (one for child in children(pid) for one in children(int(child))):
        with suppress(OSError):
            if Path(f"/proc/{one}/exe").readlink().name.startswith("python"):
                found.append(one)
    return found


@pytest.mark.slow
def test_a_second_interruption_does_not_wait(tmp_path: Path) -> None:
    path = config_file(tmp_path, **LONG)
    with start("sweep", path, "--seeds", 2, "-j", 2, cwd=tmp_path) as process:
        until(lambda: len(under_way(tmp_path)) == 2, process)
        stuck = under_way(tmp_path)[0]
        os.kill(stuck.record["pid"], signal.SIGSTOP)  # a worker that will not end by itself
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        for line in process.stderr:
            if "again to stop at once" in line:
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert read(stuck.path).status == "lost"


# -- how many processes ----------------------------------------------------------------------------


def test_the_number_of_processes(small: Path) -> None:
    words = ("sweep", small, "--seeds", 3)
    by_variable = nnexp(*words, cwd=small.parent, NNEXP_JOBS="1")
    assert "3 runs, 1 process;" in by_variable.err
    assert "4 runs, 3 already there, 1 process;" in nnexp("sweep", small, "--seeds", 4, "-j", 9, cwd=small.parent).err
