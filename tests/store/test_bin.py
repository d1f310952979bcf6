"""The bin: what is moved there comes back as it was, and nothing is lost on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nnexp.errors import InputError
from nnexp.store.bin import BIN, bin_of, empty, remove, restore, size_of
from nnexp.store.runs import Shelf, process_mark
from tests.past import past_run, past_sweep


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_and_back(tmp_path: Path) -> None:
    runs = [past_run(tmp_path, 0.5) for _ in range(3)]
    before = contents(tmp_path)
    moved = remove(Shelf(tmp_path), runs[:2])
    assert moved.runs == [tmp_path / BIN / run.name for run in runs[:2]]
    assert [run.path for run in Shelf(tmp_path).runs] == runs[2:]
    assert [run.path for run in Shelf(bin_of(tmp_path)).runs] == moved.runs
    assert restore(tmp_path, moved.runs).runs == runs[:2]
    assert contents(tmp_path) == before


def test_a_sweep_goes_with_the_last_of_its_runs(tmp_path: Path) -> None:
    runs = [past_run(tmp_path, 0.5) for _ in range(3)]
    past_sweep(tmp_path, "both", runs[:2], "2026-01")
    past_sweep(tmp_path, "all", runs, "2026-02")
    before = contents(tmp_path)
    assert remove(Shelf(tmp_path), runs[:1]).sweeps == []
    moved = remove(Shelf(tmp_path), runs[1:2])
    assert [path.name for path in moved.sweeps] == ["both"], "the other one has a run left"
    assert [sweep.name for sweep in Shelf(tmp_path).sweeps] == ["all"]
    known = Shelf(bin_of(tmp_path))
    assert [path.name for path in restore(tmp_path, [run.path for run in known.select(["both"])]).sweeps] == ["both"]
    assert contents(tmp_path) == before


def test_a_running_run_is_refused_before_anything_is_moved(tmp_path: Path) -> None:
    done = past_run(tmp_path, 0.5)
    mine = past_run(tmp_path, status="running", record_pid=os.getpid(), record_process=process_mark(os.getpid()))
    with pytest.raises(InputError, match=rf"is still running \(process {os.getpid()}\); nothing was removed"):
        remove(Shelf(tmp_path), [done, mine])
    assert done.is_dir()
    lost = past_run(tmp_path, status="running", record_process="0badb007-1", record_pid=os.getpid())
    assert remove(Shelf(tmp_path), [lost]).runs


def test_one_name_twice(tmp_path: Path) -> None:
    path = past_run(tmp_path, 0.5, record_id="abc123")
    for number in range(3):
        path.mkdir(exist_ok=True)
        if number:
            (path / "run.json").write_bytes((tmp_path / BIN / path.name / "run.json").read_bytes())
            (path / "metrics.csv").write_bytes((tmp_path / BIN / path.name / "metrics.csv").read_bytes())
            (path / "extra").write_text(str(number))
        remove(Shelf(tmp_path), [path])
    names = sorted(run.path.name for run in Shelf(bin_of(tmp_path)).runs)
    assert names == [path.name, f"{path.name}~2", f"{path.name}~3"]
    assert restore(tmp_path, [tmp_path / BIN / f"{path.name}~3"]).runs == [path]
    assert (path / "extra").read_text() == "2"
    with pytest.raises(InputError, match="is there already; nothing was restored"):
        restore(tmp_path, [tmp_path / BIN / path.name])


def test_what_lies_elsewhere_is_not_touched(tmp_path: Path) -> None:
    inside, outside = past_run(tmp_path / "runs", 0.5), past_run(tmp_path / "others", 0.5)
    with pytest.raises(InputError, match=r"is not in .*runs; give its own folder with --runs"):
        remove(Shelf(tmp_path / "runs"), [inside, outside])
    assert inside.is_dir()
    assert outside.is_dir()


def test_emptied(tmp_path: Path) -> None:
    runs = [past_run(tmp_path, 0.5) for _ in range(2)]
    remove(Shelf(tmp_path), runs[:1])
    empty(tmp_path)
    assert not bin_of(tmp_path).exists()
    assert [run.path for run in Shelf(tmp_path).runs] == runs[1:]


def test_sizes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    (path / "b").mkdir(parents=True)
    (path / "x").write_bytes(b"12345")
    (path / "b" / "y").write_bytes(b"123")
    (path / "self").symlink_to(path)
    assert size_of([path]) - (path / "self").lstat().st_size == 8
    assert size_of([tmp_path / "nothing"]) == 0


def test_a_folder_that_cannot_be_moved(tmp_path: Path) -> None:
    path = past_run(tmp_path, 0.5)
    bin_of(tmp_path).write_text("a file where the bin should be")
    with pytest.raises(InputError, match=f"cannot remove {path}: File exists"):
        remove(Shelf(tmp_path), [path])
    assert path.is_dir()
