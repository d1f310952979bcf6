"""Small experiments for tests that train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.config.load import to_yaml
from nnexp.config.schema import ExperimentConfig
from nnexp.engine.data import Batches
from nnexp.engine.experiment import Experiment
from nnexp.engine.trainer import Row, Tick, Trainer

RUN: dict[str, Any] = {
    "dataset": {"name": "moons", "n": 60},
    "architecture": {"name": "mlp", "hidden": (6, 5)},
    "batch": {"name": "mini", "size": 8},
    "stop": {"epochs": 4},
}
"""36 training examples: 4 batches of 8 and one of 4 in an epoch."""

EVERYTHING: dict[str, Any] = {
    "optimizer": "adam",
    "normalization": "batch",
    "regularization": ({"name": "dropout", "rate": 0.3}, "l2", "l1"),
    "schedule": {"name": "cosine", "per": "step"},
    "stop": {"epochs": 5, "patience": 1, "metric": "batch_loss"},
    "seed": 1,
}
"""All that has a state: moments, running statistics, noise, the best epoch so far (the fourth of five)."""


def trainer(**changes: Any) -> Trainer:
    """A trainer of the small run with other values for some keys."""
    return Trainer(Experiment(ExperimentConfig.model_validate({**RUN, **changes})))


def rows(one: Trainer) -> list[dict[str, Any]]:
    """Train to the end, quiet about overflow as the runner is: the rows, but for the seconds."""
    with np.errstate(all="ignore"):
        return [without_seconds(event) for event in one.run() if isinstance(event, Row)]


def without_seconds(row: Row) -> dict[str, Any]:
    """What must be the same in each run."""
    return {key: value for key, value in row.values.items() if key != "seconds"}


def arrays(one: Trainer) -> dict[str, bytes]:
    """Everything that was learned, to the bit."""
    return {name: array.tobytes() for name, array in one._arrays().items()}


def trained(**changes: Any) -> Trainer:
    """The small run, trained to the end."""
    one = trainer(**changes)
    rows(one)
    assert one.outcome is not None
    assert np.isfinite(one.network.θ).all() or one.outcome.status == "diverged"
    return one


def config_file(folder: Path, name: str = "small", **changes: Any) -> Path:
    """The small run as a YAML file, with other values for some keys."""
    path = folder / f"{name}.yaml"
    path.write_text(to_yaml(_plain({**RUN, **changes})), encoding="utf-8")
    return path


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value


def log(folder: Path) -> str:
    """A run's metrics.csv but for its last column, the seconds."""
    lines = (folder / "metrics.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    assert lines[0].endswith(",seconds\n")
    return "".join(line.rpartition(",")[0] + "\n" for line in lines)


def model(folder: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """A run's model.npz, to the bit."""
    with np.load(folder / "model.npz", allow_pickle=False) as file:
        return {name: (str(file[name].dtype), file[name].shape, file[name].tobytes()) for name in file.files}


def batches_of(batches: Batches, epoch: int, start: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches (x, t) of an epoch from the `start`-th on."""
    for span in batches.indices(epoch, start):
        for index in span:
            yield batches.x[index], batches.t[index]


def without_luck(patch: pytest.MonkeyPatch, when: Callable[[Trainer], bool]) -> None:
    """Training fails for some."""
    run = Trainer.run

    def fail(one: Trainer) -> Iterator[Row | Tick]:
        if when(one):
            raise RuntimeError("out of luck")
        return run(one)

    patch.setattr(Trainer, "run", fail)
