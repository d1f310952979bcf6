"""One run's folder: whole files or none, full precision, and nothing left lying about."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from nnexp.errors import InputError
from nnexp.store.folder import RunFolder, write_whole
from nnexp.store.room import Unwritable


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "runs", "name", "", 3)


# -- whole or not at all ---------------------------------------------------------------------------


def _write(file: IO[bytes], content: bytes) -> None:
    file.write(content)


def test_write_whole_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"old", b"a longer new one"):
        write_whole(path, partial(_write, content=content))
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("old", [b"old", None])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_broken_write_leaves_the_old_file(tmp_path: Path, old: bytes | None, error: BaseException) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)

    def write(file: IO[bytes]) -> None:
        file.write(b"half of the n")
        raise error

    with pytest.raises(type(error)):
        write_whole(path, write)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == ({} if old is None else {"file": old})


def test_a_killed_write_is_tidied_away(folder: RunFolder) -> None:
    folder.write_config("a: 1")
    for name in ("checkpoint.npz", "run.json"):
        (folder.path / f".{name}.x1y2z3").write_bytes(b"half")
    folder.tidy()
    assert [path.name for path in folder.path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize("does", [RunFolder.beat, RunFolder.remove_checkpoint, RunFolder.tidy, RunFolder.push_rows])
def test_a_disk_that_has_become_read_only(
    folder: RunFolder, does: Callable[[RunFolder], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever meets it first: the run is interrupted, not failed."""
    folder.open_metrics(["epoch"])
    (folder.path / ".run.json.x1y2z3").touch()

    def refused(*args: Any, **named: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for module, name in ((os, "utime"), (os, "fsync"), (Path, "unlink")):
        monkeypatch.setattr(module, name, refused)
    with pytest.raises(Unwritable, match=r"cannot write to .*Read-only file system"):
        does(folder)
    folder.close()


# -- where it is -----------------------------------------------------------------------------------


def test_names_are_readable_and_unlike(tmp_path: Path) -> None:
    made = [RunFolder.create(tmp_path, "digits", "optimizer-adam", seed) for seed in (0, 0, 7)]
    assert len({one.path for one in made}) == 3
    for one, seed in zip(made, (0, 0, 7), strict=True):
        assert one.path == tmp_path / f"digits-optimizer-adam-s{seed}-{one.id}"
    assert RunFolder.create(tmp_path, "digits", "", 0).path.name.startswith("digits-s0-")


def test_a_long_label_is_shortened(tmp_path: Path) -> None:
    path = RunFolder.create(tmp_path, "n" * 64, "l" * 500, 2**63 - 1).path
    assert path.parent == tmp_path
    assert len(path.name) < 160


def test_runs_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match=r"cannot write to .*taken: .*; choose another folder with NNEXP_RUNS"):
        RunFolder.create(tmp_path / "taken", "name", "", 0)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        RunFolder.create(tmp_path / "readonly", "name", "", 0)


# -- metrics.csv -----------------------------------------------------------------------------------

NUMBERS = [0.1 + 0.2, 1e-300, 5e-324, 1.7976931348623157e308, -0.0, 1 / 3, math.pi, 123456789.0, 1e22]


def test_numbers_keep_every_bit(folder: RunFolder) -> None:
    folder.open_metrics(["epoch", "value", "other"])
    for epoch, value in enumerate([*NUMBERS, math.nan, math.inf]):
        folder.append({"epoch": epoch, "value": value, "other": None})
        lines = (folder.path / "metrics.csv").read_text().splitlines()
        assert len(lines) == epoch + 2, "each row is there as soon as it is written"
        assert lines[-1].endswith(",")
        found = float(lines[-1].split(",")[1])
        assert np.float64(found).tobytes() == np.float64(value).tobytes()
    folder.close()


def test_going_on_drops_the_rows_to_come(folder: RunFolder) -> None:
    path = folder.path / "metrics.csv"
    folder.open_metrics(["epoch", "value"])
    for epoch in range(12):
        folder.append({"epoch": epoch, "value": epoch / 10})
    folder.close()
    whole = path.read_text()
    path.write_text(whole + "12,1.")  # the process died while it wrote
    folder.open_metrics(["epoch", "value"], before_epoch=11)
    folder.append({"epoch": 11, "value": 1.1})
    folder.close()
    assert path.read_text() == whole
    path.write_text(whole + "12,1.")
    folder.open_metrics(["epoch", "value"], before_epoch=20)
    folder.close()
    assert path.read_text() == whole


def test_going_on_within_an_epoch(folder: RunFolder) -> None:
    # Four updates an epoch; one of the rows is so early that its epoch is written with an exponent.
    path, columns = folder.path / "metrics.csv", ["epoch", "step", "value"]
    epochs = {0: 0, 1: 1e-05, 2: 0.5, 4: 1, 6: 1.5, 8: 2, 10: 2.5}
    folder.open_metrics(columns)
    for step, epoch in epochs.items():
        folder.append({"epoch": epoch, "step": step, "value": 0.5})
    folder.close()
    whole = path.read_text()
    # at the end of epoch 2, before and after its row, and in the middle of others
    for before, step, kept in ((2, 8, 5), (3, 8, 6), (2, 6, 5), (2, 5, 4), (1, 1, 2), (1, 3, 3), (1, 0, 1), (3, 11, 7)):
        path.write_text(whole)
        folder.open_metrics(columns, before_epoch=before, step=step)
        folder.close()
        assert path.read_text().splitlines() == whole.splitlines()[: kept + 1], (before, step)


@pytest.mark.parametrize("content", [None, b"epoch,step\nnothing,5\n", b"epoch,step\n\xff\xfe\n", b"epoch,step\n0.5\n"])
def test_nothing_to_go_on_with(folder: RunFolder, content: bytes | None) -> None:
    if content is not None:
        (folder.path / "metrics.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"metrics\.csv is damaged .*delete checkpoint\.npz"):
        folder.open_metrics(["epoch", "step"], before_epoch=1)


# -- run.json --------------------------------------------------------------------------------------


def test_the_record_is_valid_json(folder: RunFolder) -> None:
    folder.write_record({"a": math.nan, "b": [math.inf, {"c": -math.inf}], "d": (1, 2.5, "é"), "e": True, "f": None})

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    text = (folder.path / "run.json").read_text(encoding="utf-8")
    expected = {"a": None, "b": [None, {"c": None}], "d": [1, 2.5, "é"], "e": True, "f": None}
    assert json.loads(text, parse_constant=refuse) == expected == folder.read_record()
    assert "é" in text


def test_a_command_that_is_no_text(folder: RunFolder) -> None:
    argument = b"caf\xe9.yaml".decode("utf-8", "surrogateescape")
    folder.write_record({"command": ["train", argument]})
    assert folder.read_record() == {"command": ["train", argument]}


def test_a_beat_touches_the_record(folder: RunFolder) -> None:
    folder.write_record({})
    os.utime(folder.path / "run.json", (0, 0))
    folder.beat()
    assert (folder.path / "run.json").stat().st_mtime > 1e9


# -- arrays ----------------------------------------------------------------------------------------


def test_checkpoints_come_back_to_the_bit(folder: RunFolder) -> None:
    assert folder.read_checkpoint() is None
    state = {
        "a": np.array(NUMBERS),
        "b": np.array([[1.5, -2]], dtype="float32"),
        "text": np.array("{}"),
        "empty": np.zeros((0, 3)),
    }
    folder.write_checkpoint(state)
    found = folder.read_checkpoint()
    assert found is not None
    assert {k: (v.dtype, v.shape, v.tobytes()) for k, v in found.items()} == {
        k: (v.dtype, v.shape, v.tobytes()) for k, v in state.items()
    }
    folder.remove_checkpoint()
    folder.remove_checkpoint()
    assert folder.read_checkpoint() is None
    assert list(folder.path.iterdir()) == []


def test_a_damaged_checkpoint_is_named(folder: RunFolder) -> None:
    folder.write_checkpoint({"a": np.arange(100.0), "b": np.arange(3)})
    path = folder.path / "checkpoint.npz"
    whole = path.read_bytes()
    middle = len(whole) // 2
    damaged = [whole[:n] for n in (0, 1, 30, middle, len(whole) - 1)]
    damaged += [b"\0" * len(whole), whole[:300] + bytes([whole[300] ^ 255]) + whole[301:]]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"checkpoint\.npz is damaged .*delete it to start the run again"):
            folder.read_checkpoint()


def test_a_checkpoint_runs_no_code(folder: RunFolder) -> None:
    with (folder.path / "checkpoint.npz").open("wb") as file:
        np.savez(file, a=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="damaged"):
        folder.read_checkpoint()
