"""Whatever is killed, the same command ends with the table of an undisturbed sweep. Processes are really killed."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from nnexp.store.runs import Run, Shelf
from nnexp.sweep.limits import Exceeded, Limits
from tests.command import Outcome, folders, nnexp_process, start, until
from tests.past import read
from tests.small import EVERYTHING, config_file, log, model

LONG: dict[str, Any] = {**EVERYTHING, "stop": {"epochs": 1500, "patience": 1500}, "monitor": {"checkpoint": 0.05}}
"""A second of work a run."""
GRID = ("optimizer=sgd,adam", "--seeds", 2)


def runs(folder: Path) -> list[Run]:
    return [read(path) for path in folders(folder / "runs")]


def results(folder: Path) -> dict[tuple[Any, ...], tuple[str, Any]]:
    """Each run's log and model to the bit."""
    keys = ("optimizer.name", "seed")
    done = Shelf(folder / "runs").runs
    return {tuple(run.config[key] for key in keys): (log(run.path), model(run.path)) for run in done}


def untimed(table: str) -> list[list[str]]:
    return [row[:-1] for row in csv.reader(io.StringIO(table))]


def under_way(folder: Path) -> list[Run]:
    """Runs that have a checkpoint and have not ended."""
    shelf = Shelf(folder / "runs")
    return [run for run in shelf.runs if run.status == "running" and (run.path / "checkpoint.npz").exists()]


def sweep_folder(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return config_file(folder, **LONG)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    """The sweep as it is when nothing happens, and its table."""
    path = sweep_folder(tmp_path_factory.mktemp("undisturbed"))
    result = nnexp_process("sweep", path, *GRID, "-j", 2, "--format", "csv", cwd=path.parent)
    assert result.code == 0
    return path.parent, untimed(result.out)


def same(result: Outcome, folder: Path, undisturbed: tuple[Path, list[list[str]]]) -> None:
    """The sweep has ended as if nothing had happened, with each trial run once."""
    assert result.code == 0, result.err
    assert untimed(result.out) == undisturbed[1]
    assert len(folders(folder / "runs")) == 4
    assert results(folder) == results(undisturbed[0])
    assert not (folder / "runs" / ".claims").exists()


def test_a_killed_worker_is_replaced_and_its_run_gone_on_with(
    tmp_path: Path, undisturbed: tuple[Path, list[list[str]]]
) -> None:
    path = sweep_folder(tmp_path)
    with start("sweep", path, *GRID, "-j", 2, "--format", "csv", cwd=tmp_path) as process:
        until(lambda: len(under_way(tmp_path)) == 2, process)
        victim = under_way(tmp_path)[0]
        os.kill(victim.record["pid"], signal.SIGKILL)
        out, err = process.communicate(timeout=100)
    seed, optimizer = victim.record["seed"], victim.config["optimizer.name"]
    assert f"optimizer-{optimizer} seed {seed}: its worker process died (killed by SIGKILL after epoch " in err
    assert "it is tried again (2 of 3)" in err
    same(Outcome(process.returncode, out, err), tmp_path, undisturbed)


@pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux tells who the children are")
def test_a_worker_that_is_killed_before_its_first_run(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    words = ("sweep", path, "--seeds", 2, "limits.seconds=60", "-j", 1)
    with start(*words, cwd=tmp_path, NNEXP_START="spawn") as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: len(children.read_text().split()) == 2, process)  # Python's tracker, and the worker
        os.kill(int(children.read_text().split()[-1]), signal.SIGKILL)
        _, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert "broke down" in err
    assert [run.status for run in runs(tmp_path)] == ["finished"] * 2


def test_a_killed_parent(tmp_path: Path, undisturbed: tuple[Path, list[list[str]]]) -> None:
    path = sweep_folder(tmp_path)
    with start("sweep", path, *GRID, "-j", 2, cwd=tmp_path) as process:
        until(lambda: len(under_way(tmp_path)) == 2, process)
        process.kill()
        process.wait()
        # at once, while its workers may still be at it
        again = nnexp_process("sweep", path, *GRID, "-j", 2, "--format", "csv", cwd=tmp_path)
    same(again, tmp_path, undisturbed)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no such signal")
def test_a_closed_terminal(tmp_path: Path) -> None:
    """It ends all processes of the command but the workers, which see that they are alone."""
    with start("sweep", sweep_folder(tmp_path), *GRID, "-j", 2, cwd=tmp_path) as process:
        until(lambda: len(under_way(tmp_path)) == 2, process)
        os.killpg(process.pid, signal.SIGHUP)
        process.communicate(timeout=100)
    assert process.returncode == -signal.SIGHUP
    assert [run.status for run in Shelf(tmp_path / "runs").runs] == ["interrupted"] * 2


def test_two_sweeps_at_once_run_each_trial_once(tmp_path: Path, undisturbed: tuple[Path, list[list[str]]]) -> None:
    path = sweep_folder(tmp_path)
    words = ("sweep", path, *GRID, "--format", "csv")
    with start(*words, "-j", 2, cwd=tmp_path) as one, start(*words, "-j", 1, cwd=tmp_path) as other:
        outcomes = []
        for process in (one, other):
            out, err = process.communicate(timeout=100)
            outcomes.append(Outcome(process.returncode, out, err))
    for outcome in outcomes:
        same(outcome, tmp_path, undisturbed)


# -- limits, and runs that kill their workers ----------------------------------------------------------------------


PLUGIN = '''
import os, signal, time
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from nnexp.components.schedules import Schedule


class Deadly(Schedule):
    """Does something terrible to the process that trains.

        factor = 1

        >>> Deadly().factor(0, 1)
        1.0
    """

    name: Literal["deadly"] = "deadly"
    how: Literal["no", "kill", "kill_once", "hang", "grow", "slow"] = Field("no", description="what it does")
    mark: str = Field("", description="a file that says that it has been done")

    def shape(self, done, total):
        if done == 3:
            if self.how == "kill" or (self.how == "kill_once" and not Path(self.mark).exists()):
                Path(self.mark or os.devnull).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "hang":
                time.sleep(1000)
            if self.how == "grow":
                np.ones(10**9 // 8)
        if self.how == "slow":
            time.sleep(0.02)
        return 1.0
'''


def deadly(folder: Path, *hows: str, limits: str = "{}") -> Path:
    (folder / "deadly.py").write_text(PLUGIN)
    config_file(folder, plugins=[str(folder / "deadly.py")], schedule="deadly")
    path = folder / "sweep.yaml"
    path.write_text(f"base: small.yaml\ngrid: {{schedule.how: [{', '.join(hows)}]}}\nlimits: {limits}\n")
    return path


def statuses(folder: Path) -> dict[str, tuple[str, str]]:
    return {run.config["schedule.how"]: (run.status, run.record["reason"]) for run in runs(folder)}


def test_a_run_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    path = deadly(tmp_path, "kill", "'no'")
    result = nnexp_process("sweep", path, "-j", 2, cwd=tmp_path)
    assert result.code == 3
    story = "given up: 3 worker processes died at it (3 x killed by SIGKILL after epoch 3)"
    assert statuses(tmp_path) == {"kill": ("failed", story), "no": ("finished", "4 epochs")}
    assert f"failed: how-kill seed 0: {story}" in result.err
    assert result.err.count("it is tried again") == 2
    assert "Traceback" not in result.err


def test_limits(tmp_path: Path) -> None:
    path = deadly(tmp_path, "hang", "grow", "slow", "'no'", limits="{seconds: 1, megabytes: 600}")
    result = nnexp_process("sweep", path, "-j", 2, "stop.epochs=40", cwd=tmp_path)
    assert result.code == 3, result.err
    found = statuses(tmp_path)
    assert found["hang"] == ("failed", "limits.seconds: it took longer than 1 s, stuck within a step")
    assert found["slow"] == ("failed", "limits.seconds: it took longer than 1 s")
    assert found["grow"][0] == "failed"
    assert found["grow"][1].startswith("limits.megabytes: its process needed more than 600 MB")
    assert found["no"] == ("finished", "40 epochs")
    assert "tried again" not in result.err
    wider = nnexp_process("sweep", path, "stop.epochs=40", "limits.seconds=60", "schedule.how=slow", cwd=tmp_path)
    assert wider.code == 0, "a limit is no part of what a run computes"


def test_a_limit_below_what_python_itself_takes() -> None:
    """LLVM ends a process that has no memory left, so the limit must be told before."""
    with (
        pytest.raises(Exceeded, match=r"limits.megabytes: its process needed more than 10 MB \(\d+ MB\)"),
        Limits(megabytes=10).held(lambda: False),
    ):
        pytest.fail("it was begun")


def test_fail_fast(tmp_path: Path) -> None:
    path = deadly(tmp_path, "grow", "slow", "'no'", "kill_once", limits="{megabytes: 600}")
    result = nnexp_process("sweep", path, "-j", 1, "--fail-fast", "stop.epochs=100", cwd=tmp_path)
    assert result.code == 3
    assert "stopped at the first run that failed; 4 runs are left; the same command goes on" in result.err
    assert set(statuses(tmp_path)) <= {"grow", "slow"}


# -- at any moment -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_thirty_random_moments(tmp_path: Path) -> None:
    """The parent, one of its workers, or all processes are killed while a sweep of 40 runs is at work, again and again.

    When the sweep has ended before the thirtieth moment, a run's folder is taken away and it goes on.
    """
    rng = random.Random(0)
    changes: dict[str, Any] = {**LONG, "stop": {"epochs": 300, "patience": 300}}
    for name in ("calm", "stormy"):
        (tmp_path / name).mkdir()
        path = config_file(tmp_path / name, **changes)
    words = ("optimizer=sgd,adam", "--seeds", 20, "-j", 2, "--format", "csv")
    calm = nnexp_process("sweep", tmp_path / "calm" / path.name, *words, cwd=tmp_path / "calm")
    assert calm.code == 0, calm.err
    folder = tmp_path / "stormy"
    for _ in range(30):
        with start("sweep", path, *words, cwd=folder) as process:
            until(lambda: any((folder / "runs").glob("*/run.json")), process)
            time.sleep(rng.uniform(0.0, 3.0))
            whom = rng.choice(["parent", "worker", "all"])
            if whom == "worker":
                for victim in [run for run in Shelf(folder / "runs").runs if run.status == "running"][:1]:
                    os.kill(victim.record["pid"], signal.SIGKILL)
                time.sleep(rng.uniform(0.0, 0.5))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL) if whom == "all" else process.kill()
            process.communicate(timeout=60)
        if all(run.status == "finished" for run in runs_that_can_be_read(folder)):
            shutil.rmtree(rng.choice(folders(folder / "runs")))
    stormy = nnexp_process("sweep", path, *words, cwd=folder)
    assert stormy.code == 0, stormy.err
    assert untimed(stormy.out) == untimed(calm.out)
    assert results(folder) == results(tmp_path / "calm")
    assert sum(run.status == "finished" for run in runs_that_can_be_read(folder)) == 40, "none was run twice"


def runs_that_can_be_read(folder: Path) -> list[Run]:
    """All but those whose process was killed before they had a record."""
    return Shelf(folder / "runs").runs
