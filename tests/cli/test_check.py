"""`nnexp check`: the filled configuration, and layers, steps and memory as a pencil finds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnexp.components.losses import CrossEntropy
from nnexp.config.load import flat, load
from tests.command import Outcome, nnexp
from tests.small import EVERYTHING, config_file


def check(path: Path, *words: object) -> Outcome:
    return nnexp("check", path, *words, cwd=path.parent)


def facts(folder: Path, *words: object, **changes: Any) -> dict[str, Any]:
    return check(config_file(folder, **changes), "--format", "json", *words).json


def layers(found: dict[str, Any]) -> list[tuple[int, int, int]]:
    return [(layer["inputs"], layer["outputs"], layer["parameters"]) for layer in found["layers"]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [(2, 6, 2 * 6 + 6), (6, 5, 6 * 5 + 5), (5, 2, 5 * 2 + 2)]),
        ({"normalization": "batch"}, [(2, 6, 2 * 6 + 2 * 6), (6, 5, 6 * 5 + 2 * 5), (5, 2, 5 * 2 + 2)]),
        ({"loss": "binary_cross_entropy"}, [(2, 6, 18), (6, 5, 35), (5, 1, 6)]),
        ({"architecture": "linear"}, [(2, 2, 6)]),
        ({"architecture": {"name": "mlp", "width": 3, "depth": 2}}, [(2, 3, 9), (3, 3, 12), (3, 2, 8)]),
        ({"dataset": "digits", "architecture": {"name": "mlp", "hidden": [32]}}, [(64, 32, 2080), (32, 10, 330)]),
        ({"dataset": "diabetes", "architecture": {"name": "mlp", "hidden": [4]}}, [(10, 4, 44), (4, 1, 5)]),
    ],
)
def test_layers(tmp_path: Path, changes: dict[str, Any], expected: list[tuple[int, int, int]]) -> None:
    found = facts(tmp_path, **changes)
    assert layers(found) == expected
    assert found["parameters"] == sum(parameters for *_, parameters in expected)


@pytest.mark.parametrize(
    ("changes", "batch", "an_epoch", "total"),
    [
        ({}, 8, 5, 20),  # 36 examples: four batches of 8, and one of 4
        ({"batch": {"name": "mini", "size": 8, "drop_last": True}}, 8, 4, 16),
        ({"batch": {"name": "mini", "size": 12}}, 12, 3, 12),
        ({"batch": "full"}, 36, 1, 4),
        ({"batch": "single"}, 1, 36, 144),
        ({"stop": {"epochs": 4, "steps": 7}}, 8, 5, 7),
        ({"stop": {"epochs": 4, "steps": 700}}, 8, 5, 20),
    ],
)
def test_steps(tmp_path: Path, changes: dict[str, Any], batch: int, an_epoch: int, total: int) -> None:
    found = facts(tmp_path, **changes)
    assert (found["batch"], found["steps_per_epoch"], found["steps"]) == (batch, an_epoch, total)
    assert found["examples"] == {"train": 36, "validation": 12, "test": 12}


@pytest.mark.parametrize(("precision", "width"), [("float32", 4), ("float64", 8)])
def test_memory(tmp_path: Path, precision: str, width: int) -> None:
    found = facts(tmp_path, precision=precision, optimizer="adam")
    assert found["bytes"]["parameters"] == found["bytes"]["gradients"] == 65 * width
    assert found["bytes"]["optimizer"] == 2 * 65 * width, "two moments"
    assert facts(tmp_path, precision=precision, optimizer="sgd")["bytes"]["optimizer"] == 0
    inputs = 60 * 2 * width
    assert found["bytes"]["data"] == inputs + 60 * 8 + 36 * 8, "the inputs, a target each, and an epoch's order"
    assert found["memory"]["training"] == sum(found["bytes"].values())
    assert found["memory"]["preparing"] >= 60 * (2 + 1) * 8, "the table in float64"


def test_memory_is_told_with_that_of_preparing_where_it_is_more(tmp_path: Path) -> None:
    few = check(config_file(tmp_path, dataset={"name": "moons", "n": 60}))
    many = check(config_file(tmp_path, dataset={"name": "blobs", "n": 5000, "features": 20}))
    assert "beside about 180 MB of Python and its libraries" in few.out
    assert "before it, while the data are prepared" not in few.out
    assert "1.4 MB before it, while the data are prepared" in many.out


def test_what_is_printed(tmp_path: Path) -> None:
    path = config_file(tmp_path, **EVERYTHING)
    result = check(path)
    assert (result.code, result.err) == (0, "")
    assert "hidden1   2    6  linear + batch norm + relu + dropout 0.3          24" in result.out
    assert "data          2 features, 2 classes; 36 train, 12 validation, 12 test" in result.out
    assert "steps         5 an epoch (batches of 8), 25 in all" in result.out
    assert not (tmp_path / "runs").exists(), "nothing is trained"


def test_the_filled_configuration_can_be_loaded(tmp_path: Path) -> None:
    path = config_file(tmp_path, **EVERYTHING)
    text = check(path).out
    filled = tmp_path / "filled.yaml"
    filled.write_text(text[: text.index("\nlayer ")])
    again, first = check(filled, "--format", "json").json, check(path, "--format", "json").json
    assert again == first
    assert load(filled).config.model_dump() == {**load(path).config.model_dump(), "loss": CrossEntropy().model_dump()}


def test_where_each_value_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file(tmp_path, "base")
    path = tmp_path / "derived.yaml"
    path.write_text("base: base.yaml\noptimizer:\n  name: sgd\n  lr: 0.5\nregularization: [l2]\n")
    monkeypatch.chdir(tmp_path)
    result = nnexp(
        "check", "derived.yaml", "stop.epochs=9", "--origin", "--format", "json", cwd=tmp_path, OMP_NUM_THREADS="3"
    )
    origin, filled = result.json["origin"], flat(result.json["config"])
    assert set(origin) == set(filled)
    assert origin["optimizer.lr"] == "derived.yaml:4"
    assert origin["regularization"] == "derived.yaml:5"
    assert origin["stop.epochs"] == "command line"
    assert origin["activation.name"] == origin["regularization.l2.strength"] == "default"
    assert origin["dataset.n"].startswith("base.yaml:")
    assert (origin["threads"], filled["threads"]) == ("environment variable OMP_NUM_THREADS", 3)
    shown = nnexp("check", "derived.yaml", "--origin", cwd=tmp_path).out
    assert ["optimizer.lr", "0.5", "derived.yaml:4"] in [line.split() for line in shown.splitlines()]


def test_what_cannot_be_trained(tmp_path: Path) -> None:
    result = check(config_file(tmp_path, normalization="batch", batch={"name": "mini", "size": 7}))
    assert (result.code, result.out) == (2, "")
    assert "the last of the 36 training examples" in result.err
