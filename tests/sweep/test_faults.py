"""Kills, power cuts and full disks in the middle of writes: the same command ends with an undisturbed sweep's table."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nnexp.store.runs import Shelf
from tests.command import Outcome, nnexp, nnexp_process, start
from tests.small import EVERYTHING, config_file, log, model
from tests.sweep.test_crash import untimed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="faults are made by means of Linux")

WRITING: dict[str, Any] = {**EVERYTHING, "stop": {"epochs": 6, "patience": 6}, "monitor": {"checkpoint": 0.0}}
"""A checkpoint after every epoch."""
KINDS = ("self", "parent", "all", "cut", "full")


class Weather:
    """A folder with a sweep in it, whose commands meet faults."""

    def __init__(self, folder: Path, seeds: int):
        folder.mkdir()
        self.folder, self.count = folder, 0
        self.path = config_file(folder, **WRITING)
        self.words = ("sweep", self.path, "optimizer=sgd,adam", "--seeds", seeds, "-j", 2, "--format", "csv")
        self.root = folder / "runs"
        (folder / "site").mkdir()
        shutil.copy(Path(__file__).with_name("faulty.py"), folder / "site" / "sitecustomize.py")

    def run(self, *faults: tuple[int, str]) -> tuple[Outcome, Path]:
        """The command, with these faults at its writes; the folder that tells of them."""
        self.count += 1
        told = self.folder / f"faults{self.count}"
        told.mkdir()
        (told / "plan.json").write_text(json.dumps(faults))
        paths = os.pathsep.join(filter(None, (str(self.folder / "site"), os.environ.get("PYTHONPATH"))))
        surroundings = {"FAULTS": str(told), "FAULTS_ROOT": str(self.root.resolve()), "PYTHONPATH": paths}
        with start(*self.words, cwd=self.folder, **surroundings) as process:
            out, err = process.communicate(timeout=300)
        return Outcome(process.returncode, out, err), told

    def results(self) -> dict[tuple[Any, ...], tuple[str, Any]]:
        """Each finished run's log and model to the bit; none is there twice."""
        runs = [run for run in Shelf(self.root).runs if run.status == "finished"]
        found = {(run.config["optimizer.name"], run.record["seed"]): (log(run.path), model(run.path)) for run in runs}
        assert len(found) == len(runs), "a run was trained twice"
        return found


def sizes(root: Path) -> dict[int, int]:
    """What lies on the disk, by inode."""
    return {path.stat().st_ino: path.stat().st_size for path in root.rglob("*") if path.is_file()}


def cut(root: Path, before: dict[int, int], journal: Path, rng: random.Random) -> None:
    """What a power cut takes: of what was written since `before`, any part that was not pushed to the disk."""
    known = dict(before)
    for line in journal.read_text().splitlines() if journal.exists() else ():
        inode, size = map(int, line.split())
        known[inode] = size
    for path in root.rglob("*"):
        if path.is_file() and not path.is_relative_to(root / ".claims"):
            found = path.stat()
            safe = min(known.get(found.st_ino, 0), found.st_size)
            if found.st_size > safe and rng.random() < 0.7:
                os.truncate(path, rng.choice([safe, rng.randint(safe, found.st_size)]))


def storm(tmp_path: Path, seeds: int, moments: int, seed: int) -> None:
    rng = random.Random(seed)
    calm, stormy = Weather(tmp_path / "calm", seeds), Weather(tmp_path / "stormy", seeds)
    expected, told = calm.run()
    assert expected.code == 0, expected.err
    writes = (told / "count").stat().st_size
    met = dict.fromkeys(KINDS, 0)
    ended: set[str] = set()
    for number in range(moments):
        kind, moment = KINDS[number % len(KINDS)], rng.randint(1, 2 * writes // moments)
        faults = [(moment, "all" if kind == "cut" else kind)]
        if kind == "self":  # it goes on with another worker, so it is ended a little later
            faults.append((moment + rng.randint(1, 60), "all"))
        before = sizes(stormy.root)
        outcome, told = stormy.run(*faults)
        happened = (told / "count").stat().st_size >= moment
        met[kind] += happened
        assert "Traceback" not in outcome.err, (kind, moment, outcome.err)
        assert "mistake in nnexp" not in outcome.err, (kind, moment, outcome.err)
        if kind == "cut" and happened:
            cut(stormy.root, before, told / "journal", rng)
        if kind == "full" and happened:
            assert outcome.code in (2, 3), outcome
            assert "cannot write to runs" in outcome.err
            assert "No space left on device (" in outcome.err
            assert " MB free of " in outcome.err
            assert "failed: " not in outcome.err
        finished = {run.id: run for run in Shelf(stormy.root).runs if run.status == "finished"}
        assert finished.keys() >= ended, "what has finished stays so"
        ended = set(finished)
        if outcome.code == 0:  # it had come to its end: a run is taken away, and it goes on
            gone = rng.choice(sorted(ended))
            shutil.rmtree(finished[gone].path)
            ended.remove(gone)
    found, _ = stormy.run()
    assert found.code == 0, found.err
    assert untimed(found.out) == untimed(expected.out)
    assert stormy.results() == calm.results()
    assert len(calm.results()) == 2 * seeds
    assert all(met.values()), met
    assert ended < {run.id for run in Shelf(stormy.root).runs}, "nor is it repeated"
    assert not (stormy.root / ".claims").exists()


@pytest.mark.slow
def test_one_fault_of_each_kind(tmp_path: Path) -> None:
    storm(tmp_path, seeds=3, moments=5, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_thirty_faults(tmp_path: Path, seed: int) -> None:
    storm(tmp_path, seeds=20, moments=30, seed=seed)


# -- real disks ----------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("this process may not mount a disk; the patched writer's full disk is tested above")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def mounted_again(place: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", place], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["claims a.yaml b.yaml", "calibrate c.yaml --seeds 10", "variance c.yaml"])
def test_a_full_disk_ends_every_command_that_runs_sweeps(tmp_path: Path, disk: Path, command: str) -> None:
    claim = {"better": {"optimizer": "adam"}, "than": {"optimizer": "sgd"}}
    size = {"name": "mlp", "hidden": [64, 64]}
    for name in ("a", "b"):
        config_file(tmp_path, name, architecture=size, grid={"optimizer": ["sgd", "adam"]}, seeds=6, claim=claim)
    config_file(tmp_path, "c", architecture=size)
    full = nnexp_process(*command.split(), "--runs", disk / "runs", "-j", 2, cwd=tmp_path)
    assert (full.code, full.out) == (3, ""), full
    told = full.err.splitlines()
    assert "No space left on device" in told[-2]
    assert told[-1] == "the sweep has stopped, and nothing is lost: the same command goes on when there is room"


@pytest.mark.slow
def test_a_disk_that_fills_up_and_one_that_may_only_be_read(tmp_path: Path, disk: Path) -> None:
    path = config_file(tmp_path, architecture={"name": "mlp", "hidden": [64, 64]}, schedule="constant")
    words = ("sweep", path, "optimizer=sgd,adam", "--seeds", 3, "--format", "csv")
    expected = nnexp("sweep", *words[1:], cwd=tmp_path)
    assert expected.code == 0
    runs = ("--runs", disk / "runs")
    full = nnexp_process(*words, *runs, "-j", 2, cwd=tmp_path)
    assert full.code == 3, full
    assert re.search(
        r"^cannot write to \S+/disk/runs\S*: No space left on device \(0\.0 MB free of 0\.2\); make", full.err, re.M
    )
    assert "the same command goes on when there is room" in full.err
    assert "Traceback" not in full.err
    ended = {run.id for run in Shelf(disk / "runs").runs if run.status == "finished"}
    assert 0 < len(ended) < 6
    for command in ("runs", "compare"):
        read = nnexp(command, *runs, cwd=tmp_path)
        assert (read.code, "left out" in read.err) == (0, False)
    again = nnexp(*words, *runs, "-j", 1, cwd=tmp_path)
    assert (again.code, "No space left on device" in again.err) == (3, True)
    one = nnexp_process("train", path, "architecture.hidden=[64, 300]", *runs, cwd=tmp_path)
    assert (one.code, one.out) == (1, "")
    resume = re.search(
        r"No space left on device.*\ngo on when there is room: nnexp train --resume (\w{6})$", one.err.strip()
    )
    assert resume is not None, one.err
    mounted_again(disk, "size=20m")
    roomy = nnexp_process(*words, *runs, "-j", 2, cwd=tmp_path)
    assert roomy.code == 0, roomy.err
    assert untimed(roomy.out) == untimed(expected.out)
    assert ended < {run.id for run in Shelf(disk / "runs").runs if run.status == "finished"}
    assert nnexp("train", "--resume", resume[1], *runs, cwd=tmp_path).code == 0
    before = sorted(path.relative_to(disk) for path in disk.rglob("*"))
    mounted_again(disk, "ro")
    for refused in (
        words,
        ("train", path),
        ("tag", "@last", "x"),
        ("rm", "@last"),
        ("train", "--resume", "@last", "stop=9"),
    ):
        result = nnexp(*refused, *runs, cwd=tmp_path)
        assert (result.code, "Read-only file system" in result.err) == (2, True), (refused, result)
    for allowed in (("runs",), ("compare",), ("show",), (*words, "--dry-run")):
        assert nnexp(*allowed, *runs, cwd=tmp_path).code == 0, allowed
    assert before == sorted(path.relative_to(disk) for path in disk.rglob("*"))
