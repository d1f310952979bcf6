"""Kills, power cuts and full disks in the middle of writes: the same command ends with an undisturbed sweep's table."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from nnexp.store.runs import Shelf
from tests.command import Outcome, start
from tests.small import EVERYTHING, config_file, log, model
from tests.sweep.test_crash import untimed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="faults are made by means of Linux")

WRITING: dict[str, Any] = {**EVERYTHING, "stop": {"epochs": 12, "patience": 12}, "monitor": {"checkpoint": 0.0}}
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


def cut(weather: Weather, journal: Path, rng: random.Random) -> None:
    """What a power cut takes: of each file any part of what was not pushed to the disk."""
    known: dict[int, int] = {}
    for line in journal.read_text().splitlines() if journal.exists() else ():
        inode, size = map(int, line.split())
        known[inode] = size
    for path in weather.root.rglob("*"):
        if path.is_file() and not path.is_relative_to(weather.root / ".claims"):
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
    for number in range(moments):
        kind, moment = KINDS[number % len(KINDS)], rng.randint(1, 2 * writes // moments)
        faults = [(moment, "all" if kind == "cut" else kind)]
        if kind == "self":  # it goes on with another worker, so it is ended a little later
            faults.append((moment + rng.randint(1, 60), "all"))
        outcome, told = stormy.run(*faults)
        happened = (told / "count").stat().st_size >= moment
        met[kind] += happened
        assert "Traceback" not in outcome.err, (kind, moment, outcome.err)
        assert "mistake in nnexp" not in outcome.err, (kind, moment, outcome.err)
        if kind == "cut" and happened:
            cut(stormy, told / "journal", rng)
        if kind == "full" and happened:
            assert outcome.code in (2, 3), outcome
            assert "cannot write to runs" in outcome.err
            assert "No space left on device (" in outcome.err
            assert " MB free of " in outcome.err
            assert "failed: " not in outcome.err
        finished = [run for run in Shelf(stormy.root).runs if run.status == "finished"]
        if outcome.code == 0 and finished:  # it had come to its end: a run is taken away, and it goes on
            shutil.rmtree(rng.choice(finished).path)
    found, _ = stormy.run()
    assert found.code == 0, found.err
    assert untimed(found.out) == untimed(expected.out)
    assert stormy.results() == calm.results()
    assert len(calm.results()) == 2 * seeds
    assert all(met.values()), met
    assert not (stormy.root / ".claims").exists()


@pytest.mark.slow
def test_ten_faults(tmp_path: Path) -> None:
    storm(tmp_path, seeds=4, moments=10, seed=0)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_thirty_faults(tmp_path: Path, seed: int) -> None:
    storm(tmp_path, seeds=20, moments=30, seed=seed)
