"""Small experiments for tests that train."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnexp.config.schema import ExperimentConfig
from nnexp.engine.trainer import Experiment, Row, Trainer

RUN: dict[str, Any] = {
    "dataset": {"name": "moons", "n": 60},
    "architecture": {"name": "mlp", "hidden": (6, 5)},
    "batch": {"name": "mini", "size": 8},
    "stop": {"epochs": 4},
}
"""36 training examples: 4 batches of 8 and one of 4 in an epoch."""


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
