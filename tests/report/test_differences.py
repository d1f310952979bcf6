"""Two runs side by side, and where two of the same configuration part."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnexp.errors import InputError
from nnexp.report.differences import ORIGIN, difference, explained, reproduction
from nnexp.store.folder import RunFolder
from nnexp.store.record import Record
from tests.past import ADAM, alter, past_run, read

# -- side by side ----------------------------------------------------------------------------------


def test_only_what_differs(tmp_path: Path) -> None:
    one = read(past_run(tmp_path, 0.75, seed=0))
    other = read(past_run(tmp_path, 0.5, seed=1, optimizer=ADAM, record_data="1" * 16))
    grid = difference(one, other)
    rows = {row["key"]: (row["what"], row["a"], row["b"], row["difference"]) for row in grid.rows}
    assert rows == {
        "seed": ("config", 0, 1, None),
        "optimizer.name": ("config", "sgd", "adam", None),
        "optimizer.beta1": ("config", None, 0.9, None),
        "data": ("origin", "0" * 16, "1" * 16, None),
        "train_loss": ("score", 0.25, 0.5, 0.25),
        "train_accuracy": ("score", 0.75, 0.5, -0.25),
        "validation_loss": ("score", 0.25, 0.5, 0.25),
        "validation_accuracy": ("score", 0.75, 0.5, -0.25),
    }
    assert grid.notes == []
    tested = difference(one, other, test=True).rows
    assert [row["key"] for row in tested][-2:] == ["test_loss", "test_accuracy"]


def test_runs_of_one_configuration(tmp_path: Path) -> None:
    runs = [read(past_run(tmp_path, 0.5, record_fingerprint="f", record_versions={"nnexp": v})) for v in ("1", "2")]
    grid = difference(*runs)
    assert next((row["key"], row["a"], row["b"]) for row in grid.rows) == ("versions.nnexp", "1", "2")
    assert "the same computation" in grid.notes[0]
    other = read(past_run(tmp_path, status="diverged"))
    grid = difference(runs[0], other)
    assert "the configurations are the same" in grid.notes
    assert [row["difference"] for row in grid.rows if row["what"] == "score"] == [None] * 4


def test_every_key_of_the_origin_is_recorded() -> None:
    assert set(ORIGIN) <= set(Record.model_fields)


# -- trained again ---------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A run with a model, and its twin."""
    one = past_run(tmp_path / "one", 0.5)
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    RunFolder(one).write_model({"layer1.weight": weights, "classes": np.array(["a", "b"])})
    other = tmp_path / "other" / one.name
    shutil.copytree(one, other)
    return one, other


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_twins_are_the_same(pair: tuple[Path, Path]) -> None:
    found = reproduction(*map(read, pair))
    assert found.same
    assert (found.parting, found.log, found.parameters, found.suspects) == (None, "", {}, {})
    edit(pair[1] / "metrics.csv", ",0.25\n", ",0.75\n")
    assert reproduction(*map(read, pair)).same, "seconds do not count"


def test_where_logs_part(pair: tuple[Path, Path]) -> None:
    edit(pair[1] / "metrics.csv", "1,5,0.5,0.6", "1,5,0.5000001,0.6")
    found = reproduction(*map(read, pair))
    assert not found.same
    assert found.parting is not None
    assert (found.parting.epoch, found.parting.columns) == (1, {"validation_loss": (0.5, 0.5000001)})


def test_where_logs_part_within_an_epoch(pair: tuple[Path, Path]) -> None:
    for path, value in zip(pair, ("0.25", "0.5"), strict=True):
        edit(path / "metrics.csv", "1,5,0.5,0.6", f"0.6,3,{value},0.6,0.1\n1,5,0.5,0.6")
    found = reproduction(*map(read, pair))
    assert found.parting is not None
    assert (found.parting.epoch, found.parting.columns) == (0.6, {"validation_loss": (0.25, 0.5)})


def test_other_bits_of_the_same_size_count(pair: tuple[Path, Path]) -> None:
    edit(pair[1] / "metrics.csv", "1,5,0.5,", "1,5,0.50,")
    assert not reproduction(*map(read, pair)).same


def _shorter(folder: Path) -> None:
    path = folder / "metrics.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    alter(folder, epoch=1)


def _another_column(folder: Path) -> None:
    edit(folder / "metrics.csv", "validation_accuracy", "validation_f1")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_shorter, "3 rows, and 2 this time"),
        (_another_column, "columns that only one of them has: validation_accuracy, validation_f1"),
    ],
)
def test_logs_of_another_shape(pair: tuple[Path, Path], change: Callable[[Path], None], told: str) -> None:
    change(pair[1])
    found = reproduction(*map(read, pair))
    assert (found.same, found.log) == (False, told)


def test_parameters(pair: tuple[Path, Path]) -> None:
    with np.load(pair[0] / "model.npz") as file:
        arrays = {name: file[name] for name in file.files}
    moved = arrays["layer1.weight"].copy()
    moved[1, 2] += 0.5
    RunFolder(pair[1]).write_model({**arrays, "layer1.weight": moved})
    found = reproduction(*map(read, pair))
    assert (found.same, found.parameters) == (False, {"layer1.weight": 0.5})
    negative = np.where(arrays["layer1.weight"] == 0, np.float32(-0.0), arrays["layer1.weight"])
    RunFolder(pair[1]).write_model({**arrays, "layer1.weight": negative})
    assert reproduction(*map(read, pair)).parameters == {"layer1.weight": 0.0}, "a bit, though no number"
    RunFolder(pair[1]).write_model({"classes": np.array(["a", "c"]), "layer1.weight": moved.astype(float)})
    assert reproduction(*map(read, pair)).parameters == {"layer1.weight": None, "classes": None}


def test_suspects(pair: tuple[Path, Path]) -> None:
    alter(pair[1], versions={"nnexp": "0.2.0"}, form="fused", machine={"processor": "another"}, data="1" * 16)
    record = json.loads((pair[1] / "run.json").read_text())
    alter(pair[1], config={**record["config"], "threads": 2})
    found = reproduction(*map(read, pair))
    assert found.same, "what is not as it was is no difference as long as the bytes are the same"
    assert found.suspects == {
        "data": ("0" * 16, "1" * 16),
        "form": ("numpy", "fused"),
        "versions.nnexp": ("0.1.0", "0.2.0"),
        "machine.platform": ("a machine", None),
        "machine.processor": ("a processor", "another"),
        "machine.cores": (2, None),
        "threads": (1, 2),
    }
    assert len(explained(list(found.suspects))) == 4
    assert explained(["threads"]) == []


def test_a_run_that_ends_otherwise(pair: tuple[Path, Path]) -> None:
    alter(pair[1], status="diverged")
    found = reproduction(*map(read, pair))
    assert (found.same, found.status) == (False, ("finished", "diverged"))


@pytest.mark.parametrize("content", [b"", b"epoch,a\n0\n", b"a,b\n1,2\n", b"\xff"])
def test_a_damaged_log(pair: tuple[Path, Path], content: bytes) -> None:
    runs = [read(path) for path in pair]
    (pair[0] / "metrics.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"metrics\.csv (is damaged|cannot be read)"):
        reproduction(*runs)


def test_a_damaged_model(pair: tuple[Path, Path]) -> None:
    (pair[0] / "model.npz").write_bytes(b"PK\x03\x04 no model")
    with pytest.raises(InputError, match=r"model\.npz is damaged"):
        reproduction(*map(read, pair))
