"""Prepared data lie in memory once: read-only, the same numbers, and gone when the sweep is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.components.datasets import Dataset
from nnexp.config.schema import ExperimentConfig
from nnexp.config.seeds import Seeds
from nnexp.engine import compiling
from nnexp.engine.data import Loaded, load
from nnexp.engine.experiment import Experiment
from nnexp.engine.surface import trainer_of
from nnexp.engine.trainer import Row
from nnexp.sweep import stock
from nnexp.sweep.stock import Stock, shared_folder
from tests.small import RUN, without_seconds

KINDS: list[dict[str, Any]] = [
    {},
    {"dataset": {"name": "function_1d", "n": 40}, "batch": "full"},
    {"dataset": "digits", "augmentation": ("shift",), "stop": {"epochs": 1}},
    {"batch": {"name": "mini", "size": 8, "shuffle": "never"}, "precision": "float64"},
]


def config(**changes: Any) -> ExperimentConfig:
    return ExperimentConfig.model_validate({**RUN, **changes})


def trained(one: Experiment) -> list[dict[str, Any]]:
    with np.errstate(all="ignore"):
        return [without_seconds(event) for event in trainer_of(one).run() if isinstance(event, Row)]


@pytest.mark.parametrize("changes", KINDS)
def test_shared_data_are_the_same_and_read_only(tmp_path: Path, changes: dict[str, Any]) -> None:
    one = config(**changes)
    own = trained(Experiment(one))
    compiled: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "on_compile", compiled.append)
        for _ in range(2):  # who makes the file, and who finds it
            data = Stock(tmp_path, large=0).prepared(one)
            assert trained(Experiment(one, data)) == own
            for array in (data.train.x, data.validation.x, data.test.t):
                with pytest.raises(ValueError, match="read-only"):
                    array[0] = 0
    assert len(list(tmp_path.iterdir())) == (1 if data.drawn else 2), "the data, and a table that all seeds share"
    assert compiled == [], "read-only arrays need no loops of their own"


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells what is mapped")
def test_shared_data_lie_in_the_file_itself(tmp_path: Path) -> None:
    data = Stock(tmp_path, large=0).prepared(config())
    [file] = tmp_path.iterdir()
    address = data.train.x.__array_interface__["data"][0]
    spans = [
        [int(end, 16) for end in line.split()[0].split("-")]
        for line in Path("/proc/self/smaps").read_text().splitlines()
        if line.endswith(str(file)) and " r--s " in line
    ]
    assert any(first <= address < last for first, last in spans)


def test_small_data_stay_in_the_process(tmp_path: Path) -> None:
    one = Stock(tmp_path)
    data = one.prepared(config())
    assert data is one.prepared(config())
    assert data is not one.prepared(config(seed=1))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="read-only"):
        data.train.x[0] = 0


def test_a_table_is_loaded_once_for_all_seeds_and_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(dataset: Dataset, seed: Seeds) -> Loaded:
        calls.append(seed.of("data"))
        return load(dataset, seed)

    monkeypatch.setattr(stock, "load", counted)
    one, other = Stock(tmp_path, large=0), Stock(tmp_path, large=0)
    for seed in range(3):
        changed = config(dataset="digits", seed=seed)
        data = (one, other)[seed % 2].prepared(changed)
        assert np.array_equal(data.train.x, Experiment.prepare(changed).train.x)
    assert calls == [0]
    one.prepared(config(seed=1))
    other.prepared(config(seed=2))
    assert calls == [0, 1, 2], "moons are drawn: each seed has its own"


def test_what_only_one_run_wants_is_put_into_no_file(tmp_path: Path) -> None:
    one = Stock(tmp_path, large=0)
    data = one.prepared(config(), alone=True)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="read-only"):
        data.train.x[0] = 0


def test_the_files_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Stock(tmp_path, large=0)
    kept = one.prepared(config())
    size = next(tmp_path.iterdir()).stat().st_size
    monkeypatch.setattr(stock, "MOST", 3 * size)
    for seed in range(1, 6):
        one.prepared(config(seed=seed))
    assert len(list(tmp_path.iterdir())) <= 3
    assert np.isfinite(kept.train.x).all(), "who has it mapped keeps it"


def test_what_killed_sweeps_left_goes_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = "import os, signal\nfrom nnexp.sweep.stock import shared_folder\nwith shared_folder() as folder:\n"
    code += "    (folder / 'data').write_text('x')\n    os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    [left] = tmp_path.iterdir()
    assert (left / "data").exists()
    with shared_folder() as mine, shared_folder() as other:
        assert sorted(tmp_path.iterdir()) == sorted([mine, other]), "the dead one's is gone, the living ones' are not"
    assert list(tmp_path.iterdir()) == []
