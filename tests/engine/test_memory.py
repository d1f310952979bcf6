"""Memory: what training takes is known before, within 1.3 times what it must be, and steady from epoch to epoch."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.components.datasets import generated as drawing
from nnexp.components.datasets.generated import Blobs, Gaussians, Heterogeneous, LinearRegression, SparseBagOfWords
from nnexp.components.preprocessing import Preprocessing
from nnexp.config.schema import ExperimentConfig
from nnexp.engine import data as module
from nnexp.engine import learner as learning
from nnexp.engine import memory
from nnexp.engine.data import prepare
from nnexp.engine.experiment import Experiment
from nnexp.engine.memory import Meter, estimate
from nnexp.engine.surface import kind_of, trainer_of
from nnexp.engine.trainer import Row, Trainer
from nnexp.runner import begin, train
from tests.command import nnexp_process
from tests.small import EVERYTHING, RUN, config_file, trainer
from tests.variants import each

BAR = 1.3
"""What may be there at most, for one byte that must be."""

MEDIUM: dict[str, Any] = {
    "dataset": {"name": "gaussians", "n": 20_000, "features": 200},
    "architecture": {"name": "mlp", "hidden": (512, 512, 512)},
    "optimizer": "adam",
    "batch": {"name": "mini", "size": 128},
    "stop": {"epochs": 2, "steps": 160},
}
SMALL_AND_MANY = {
    **MEDIUM,
    "dataset": {"name": "blobs", "n": 40_000, "features": 50, "centers": 10},
    "architecture": {"name": "mlp", "hidden": (16,)},
}
WIDE = {
    **MEDIUM,
    "dataset": {"name": "gaussians", "n": 2_000, "features": 20},
    "architecture": {"name": "mlp", "hidden": (1024, 1024)},
    "optimizer": "sgd",
    "stop": {"epochs": 2, "steps": 10},
}


def experiment(**config: Any) -> Experiment:
    validated = ExperimentConfig.model_validate(config)
    return kind_of(validated)(validated)


def traced(work: Callable[[], object]) -> int:
    """The most bytes that were allocated at once while `work` ran, beyond those before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def rows(one: Trainer) -> list[Row]:
    with np.errstate(all="ignore"):
        return [event for event in one.run() if isinstance(event, Row)]


@pytest.mark.parametrize(
    "config",
    [
        MEDIUM,
        SMALL_AND_MANY,
        WIDE,
        {**MEDIUM, "normalization": "weight"},
        {**MEDIUM, "normalization": "batch", "regularization": "dropout"},
        {**SMALL_AND_MANY, "batch": "full", "stop": 2},
        {**WIDE, "optimizer": "adam", "stop": {"epochs": 2, "patience": 1}},
        {
            **WIDE,
            "architecture": {"name": "mlp", "hidden": (256, 256)},
            "pretrain": {"name": "autoencoder", "epochs": 1},
        },
    ],
    ids=[
        "medium",
        "many examples",
        "wide",
        "weight norm",
        "batch norm, dropout",
        "full batch",
        "the best kept",
        "pre-trained",
    ],
)
def test_the_peak_of_training_is_the_estimated_one(config: dict[str, Any]) -> None:
    one = experiment(**config)
    one.rehearse()
    parts = estimate(one)
    trained: list[Trainer] = []

    def work() -> None:
        trained.append(trainer_of(one))
        rows(trained[0])

    peak = traced(work) + one.data.nbytes
    assert sum(parts.values()) / BAR < peak < BAR * sum(parts.values())
    network = trained[0].network
    assert parts["parameters"] == parts["gradients"] == network.θ.nbytes == network.g.nbytes
    assert parts["optimizer"] == sum(slot.nbytes for slot in trained[0].learner.slots.values())


def test_the_medium_network_is_within_the_bar() -> None:
    """1.3 times parameters x (2 + slots) + activations + data, by a pencil: nothing that the code says of itself."""
    one = experiment(**MEDIUM)
    one.rehearse()
    widths = [200, 512, 512, 512, 2]
    D = sum(i * o + o for i, o in pairwise(widths))
    activations = (128 + 512) * sum(widths[1:]) + 128 * sum(widths[1:-1])  # of training and evaluation; of errors
    data = 20_000 * (200 + 2)  # targets have 8 bytes each
    peak = traced(lambda: rows(trainer_of(one))) + one.data.nbytes
    assert peak < BAR * 4 * (D * (2 + 2) + activations + data)


def test_the_steady_state_allocates_nothing_large() -> None:
    """Of an epoch's 47 batches, the largest allocations are the order of the examples and the outputs of a split."""
    one = experiment(**{**MEDIUM, "stop": 3, "architecture": {"name": "mlp", "hidden": (64, 64)}})
    one.rehearse()
    events = trainer_of(one).run()
    next(event for event in events if isinstance(event, Row) and event.values["epoch"] == 1)
    peak = traced(lambda: next(event for event in events if isinstance(event, Row)))
    n = len(one.data.train)
    assert peak < n * 8 + n * (2 * 4 + 8 + 1) * 2 + 100_000, "a copy of the inputs would be 9.6 MB"


@pytest.mark.parametrize("name", ["none", "center", "standardize", "minmax", "layer", "impute"])
def test_data_are_prepared_without_copies(name: str) -> None:
    """The table in float64 and its splits in float32; in between, the training split in float64."""
    n, F = 20_000, 100
    dataset = Gaussians(n=n, features=F, preprocessing=(name,) if name != "none" else ())  # type: ignore[arg-type]
    prepared = []
    peak = traced(lambda: prepared.append(prepare(dataset, 0, "float32")))
    table, held = n * F * 8, n * F * 4
    assert peak < BAR * (table + held)
    assert abs(prepared[0].preparing - peak) < 0.3 * peak
    assert sum(split.x.nbytes for split in (prepared[0].train, prepared[0].validation, prepared[0].test)) == held


@each("step", Preprocessing)
def test_rows_prepared_in_blocks_are_the_same(step: Preprocessing, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Heterogeneous(n=300, features=6, preprocessing=(step,))
    whole = prepare(dataset, 0, "float64")
    monkeypatch.setattr(module, "BLOCK", 7 * 6 * 8)
    few = prepare(dataset, 0, "float64")
    assert few.digest == whole.digest
    for name in module.SPLITS:
        np.testing.assert_allclose(few.split(name).x, whole.split(name).x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "dataset",
    [
        Blobs(n=100, features=3),
        Gaussians(n=100, features=3, correlation=0.5),
        LinearRegression(n=100, features=3),
        SparseBagOfWords(n=100, features=3),
    ],
    ids=lambda dataset: dataset.name,
)
def test_examples_drawn_in_blocks_are_the_same(dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dataset.load(np.random.default_rng(0))
    monkeypatch.setattr(drawing, "BLOCK", 7 * 3 * 8)
    few = dataset.load(np.random.default_rng(0))
    np.testing.assert_allclose(few.x, whole.x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(few.t, whole.t, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "loss",
    [
        "cross_entropy",
        {"name": "cross_entropy", "class_weights": [1.0, 3.5]},
        {"name": "focal", "alpha": 0.3},
        "binary_cross_entropy",
        "mse",
        "hinge",
    ],
    ids=str,
)
def test_a_loss_of_many_examples_is_that_of_all_at_once(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trainer(loss=loss, precision="float64")
    z, t = one.learner.outputs(one.experiment.data.train.x), one.encoded["train"]
    whole = one.learner.mean_loss(z, t)
    monkeypatch.setattr(learning, "BLOCK", 7 * z.shape[1] * 8)
    assert one.learner.mean_loss(z, t) == pytest.approx(whole, rel=1e-13)


# -- what is measured ------------------------------------------------------------------------------


def test_a_meter_sees_what_is_written_to() -> None:
    meter = Meter()
    if meter.start is None:
        pytest.skip("this kernel does not tell")
    block = np.ones(8_000_000)
    added, whole = meter.added, meter.whole
    assert added is not None
    assert whole is not None
    assert 0.95 * block.nbytes < added < 1.1 * block.nbytes
    assert whole > added
    del block
    again = Meter().added
    assert again is not None
    assert again < 10_000_000, "what was given back does not count again"


def test_what_cannot_be_measured_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PROCESS", tmp_path / "nothing")
    meter = Meter()
    assert (meter.added, meter.whole) == (None, None)
    one = experiment(name="small", **RUN)
    record = train(one, begin(one, tmp_path))
    assert record["memory"] == {"estimated": sum(estimate(one).values()), "peak": None, "process": None}


def test_a_run_records_its_peak(tmp_path: Path) -> None:
    """In a process of its own: in one that has done much before, memory that it was left with is used again."""
    changes = {**MEDIUM, "stop": {"epochs": 1, "steps": 20}, "threads": 1}
    result = nnexp_process("train", config_file(tmp_path, "medium", **changes), cwd=tmp_path)
    assert result.code == 0, result.err
    [folder] = (tmp_path / "runs").glob("medium-*")
    found = json.loads((folder / "run.json").read_text())["memory"]
    assert found["estimated"] == sum(estimate(experiment(**changes)).values())
    if Meter().start is not None:
        assert found["estimated"] / BAR < found["peak"] < BAR * found["estimated"]
        assert found["process"] > found["peak"]


def test_on_a_surface_there_are_only_parameters() -> None:
    parts = estimate(experiment(dataset="rosenbrock", optimizer="adam", precision="float64"))
    assert parts == {"parameters": 16, "gradients": 16, "optimizer": 32}


def test_the_best_parameters_are_counted() -> None:
    stop = {"epochs": 3, "patience": 1, "metric": "batch_loss"}
    kept = estimate(experiment(**{**RUN, **EVERYTHING, "stop": stop}))
    assert kept["best"] > kept["parameters"], "the running statistics, too"
    assert "best" not in estimate(experiment(**{**RUN, **EVERYTHING, "stop": 3}))
