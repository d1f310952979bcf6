"""The index is only a cache: with it, without it, and whatever becomes of its file, a shelf holds the same."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from nnexp.store import index, runs
from nnexp.store.index import NAME, Index
from nnexp.store.runs import Shelf
from tests.past import alter, past_run


@pytest.fixture(autouse=True)
def _kept_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few runs are worth an index here, and files need not rest."""
    monkeypatch.setattr(runs, "WORTHWHILE", 1)
    monkeypatch.setattr(index, "REST", 0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed in range(4):
        past_run(tmp_path, 0.5 + seed / 10, seed=seed)
    past_run(tmp_path, status="interrupted", seed=9)
    Shelf(tmp_path)
    assert len(Index(tmp_path).read()) == 5
    return tmp_path


def content(root: Path) -> Any:
    """All that a shelf says, as text, for NaN."""
    shelf = Shelf(root)
    found = [(run.path, run.brief, run.status, run.config, run.final, run.record) for run in shelf.runs]
    return repr((found, shelf.damaged, sorted(shelf.ended()), sorted(shelf.resumable())))


def without(root: Path) -> Any:
    """The same, of a folder that has no index."""
    (root / NAME).unlink(missing_ok=True)
    return content(root)


def scores(root: Path) -> list[float | None]:
    return [run.final.get("validation_accuracy") for run in Shelf(root).runs]


def test_what_is_in_the_index_is_not_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = content(root)

    def unread(*arguments: object) -> None:
        raise AssertionError("a run was read again")

    monkeypatch.setattr(runs, "read_run", unread)
    shelf = Shelf(root)
    monkeypatch.undo()
    assert len(shelf.runs) == 5
    assert expected == without(root)


def test_runs_that_are_added_and_removed(root: Path) -> None:
    past_run(root, 0.95)
    assert scores(root)[-1] == 0.95
    gone = Shelf(root).runs[0].path
    shutil.rmtree(gone)
    assert scores(root)[0] == 0.6
    assert gone.name not in Index(root).read()
    assert content(root) == without(root)


def test_a_change_that_leaves_size_and_time(root: Path) -> None:
    path = Shelf(root).runs[0].path / "run.json"
    before = path.stat()
    path.write_text(path.read_text().replace('"validation_accuracy": 0.5', '"validation_accuracy": 0.7'))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert scores(root)[0] == 0.7


def test_a_log_that_is_cut(root: Path) -> None:
    path = Shelf(root).runs[0].path
    (path / "metrics.csv").write_text("epoch,step\n")
    assert [one.path for one in Shelf(root).damaged] == [path]


def test_what_has_just_changed_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "REST", 2_000_000_000)
    past_run(tmp_path, 0.5)
    Shelf(tmp_path)
    assert Index(tmp_path).read() == {}


def test_a_running_run_is_not_kept(tmp_path: Path) -> None:
    path = past_run(tmp_path, status="running", record_pid=os.getpid())
    assert [run.status for run in Shelf(tmp_path).runs] == ["running"]
    assert Index(tmp_path).read() == {}
    alter(path, pid=2**22 + 5)
    assert [run.status for run in Shelf(tmp_path).runs] == ["lost"]


@pytest.mark.parametrize("damage", ["none", "empty", "text", "cut", "a flipped bit", "a folder"])
def test_whatever_becomes_of_the_file(root: Path, damage: str) -> None:
    expected, file = content(root), root / NAME
    whole = file.read_bytes()
    file.unlink()
    if damage == "a folder":
        file.mkdir()
    elif damage != "none":
        place = whole.index(b'"2026-') + 1
        flipped = whole[:place] + b"3" + whole[place + 1 :]
        file.write_bytes({"empty": b"", "text": b"no database" * 400, "cut": whole[:6000]}.get(damage, flipped))
    assert content(root) == expected
    if damage != "a folder":
        assert len(Index(root).read()) == 5, "it was made anew"


def test_an_index_of_another_version(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = content(root)
    monkeypatch.setattr(index, "FORMAT", 99)
    assert Index(root).read() == {}
    assert content(root) == expected
    assert len(Index(root).read()) == 5


def test_a_folder_that_cannot_be_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = without(root)
    (root / NAME).unlink()

    def refuse(self: Index, mode: str) -> None:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(Index, "_open", refuse)
    assert content(root) == expected


def test_an_index_that_another_process_holds(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "PATIENCE", 0.01)
    expected = content(root)
    holder = sqlite3.connect(root / NAME, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert content(root) == expected
    holder.close()


def test_two_at_once(root: Path) -> None:
    expected = without(root)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(content(root))) for _ in range(4)]
    (root / NAME).unlink()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_a_record_that_went_since(root: Path) -> None:
    from nnexp.errors import InputError

    run = Shelf(root).runs[0]
    assert json.dumps(run.record)
    run = Shelf(root).runs[0]
    shutil.rmtree(run.path)
    with pytest.raises(InputError, match=r"has changed since it was found: it has no run\.json"):
        _ = run.record
