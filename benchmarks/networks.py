"""The five networks that the benchmarks measure, and nnexp's experiments with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nnexp.config.load import load_data
from nnexp.engine.trainer import Experiment


@dataclass(frozen=True)
class Shape:
    """The widths of a network's layers, inputs and outputs included, and the size of its batches."""

    widths: tuple[int, ...]
    batch: int
    examples: int
    """Training examples."""


NETWORKS = {
    "64-32-10": Shape((64, 32, 10), 32, 1437),
    "64-128-128-10": Shape((64, 128, 128, 10), 64, 1437),
    "784-256-256-10": Shape((784, 256, 256, 10), 128, 6000),
    "784-8x128-10": Shape((784, *[128] * 8, 10), 64, 6000),
    "784-3x1024-10": Shape((784, 1024, 1024, 1024, 10), 256, 6000),
}


def configuration(shape: Shape, normalization: str = "none", dropout: float = 0.0, **other: Any) -> dict[str, Any]:
    """An nnexp configuration that trains the network: Adam, cross-entropy, float32, reshuffled each epoch."""
    inputs, *hidden, _ = shape.widths
    data: Any = {"name": "digits", "validation": 0, "test": 0.2}
    if inputs != 64:
        data = {"name": "blobs", "n": shape.examples, "features": inputs, "centers": 10, "validation": 0, "test": 0}
    return {
        "name": "benchmark",
        "dataset": data,
        "architecture": {"name": "mlp", "hidden": hidden},
        "normalization": normalization,
        "regularization": [{"name": "dropout", "rate": dropout}] if dropout else [],
        "batch": {"name": "mini", "size": shape.batch},
        "optimizer": {"name": "adam", "lr": 0.001},
        **other,
    }


def experiment_of(shape: Shape, normalization: str = "none", dropout: float = 0.0, **other: Any) -> Experiment:
    """The experiment, with its data."""
    return Experiment(load_data(configuration(shape, normalization, dropout, **other), "benchmarks").config)
