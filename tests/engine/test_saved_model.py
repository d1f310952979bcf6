"""Going on from a saved model: its parameters, its preprocessing, and a clear word where it does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp import runner
from nnexp.config.schema import ExperimentConfig
from nnexp.engine.experiment import Experiment, Unfit
from nnexp.engine.surface import trainer_of
from tests.small import RUN, rows

FIELDS: dict[str, Any] = {**RUN, "normalization": "batch", "optimizer": "sgd", "stop": 3}


def trained(folder: Path, **changes: Any) -> Path:
    """The folder of a finished run."""
    experiment = Experiment(ExperimentConfig.model_validate({**FIELDS, **changes}))
    made = runner.begin(experiment, folder)
    assert runner.train(experiment, made)["status"] == "finished"
    return made.path


def experiment(model: Path, **changes: Any) -> Experiment:
    start = {"name": "model", "path": str(model)}
    return Experiment(ExperimentConfig.model_validate({**FIELDS, "initialization": start, **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"activation": "prelu", "normalization": "weight"},
        {"dataset": "diabetes", "normalization": {"name": "batch", "where": "after"}, "batch": "full"},
        {"precision": "float64", "dataset": {"name": "iris", "preprocessing": ({"name": "pca", "components": 2},)}},
    ],
)
def test_it_begins_where_the_other_ended(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = trained(tmp_path, **changes)
    one = trainer_of(experiment(path, **changes))
    first = rows(one)[0]
    saved = np.load(path / "model.npz")
    again = trainer_of(experiment(path / "model.npz", **changes))
    for name, array in again.network.kept().items():
        np.testing.assert_array_equal(array, saved[name])
    last = (path / "metrics.csv").read_text().splitlines()
    logged = dict(zip(last[0].split(","), last[-1].split(","), strict=True))
    assert first["validation_loss"] == pytest.approx(float(logged["validation_loss"]), rel=1e-12)


def test_new_data_are_prepared_as_the_old_ones(tmp_path: Path) -> None:
    path = trained(tmp_path)
    plain, new = experiment(path), experiment(path, dataset={**RUN["dataset"], "noise": 2.0})
    assert new.data.digest != plain.data.digest
    before, after = plain.data.fitted[0].arrays(), new.data.fitted[0].arrays()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])
    assert abs(new.data.train.x.std() - 1) > 0.5  # by the old standard deviation


def test_another_model_is_another_run(tmp_path: Path) -> None:
    digests = {experiment(trained(tmp_path, stop=stop)).data.digest for stop in (1, 2)}
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"architecture": {"name": "mlp", "hidden": (6, 4)}}, "initialization.path", "of another network: hidden2.b"),
        ({"normalization": "none"}, "initialization.path", "hidden1.beta is 6 there and none here"),
        ({"dataset": "iris"}, "dataset.preprocessing", "its features are others"),
        (
            {"dataset": {**RUN["dataset"], "preprocessing": ()}},
            "dataset.preprocessing",
            "was trained with more steps",
        ),
        (
            {"dataset": {**RUN["dataset"], "preprocessing": ({"name": "pca"},)}},
            "dataset.preprocessing",
            "step 1 is not that of the model",
        ),
        (
            {"dataset": {"name": "spiral", "n": 60, "arms": 3}},
            "initialization.path",
            "was trained for 0, 1, and this data set has 0, 1, 2",
        ),
    ],
)
def test_refuses_what_does_not_fit(tmp_path: Path, changes: dict[str, Any], path: str, message: str) -> None:
    model = trained(tmp_path)
    with pytest.raises(Unfit) as raised:
        experiment(model, **changes)
    assert [misfit.path for misfit in raised.value.misfits] == [path]
    assert message in raised.value.misfits[0].message


@pytest.mark.parametrize(
    ("content", "message"), [(None, "does not exist; only a finished run has one"), (b"PK\x03", "is not a model.npz")]
)
def test_refuses_what_is_no_model(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "model.npz").write_bytes(content)
    with pytest.raises(Unfit, match=message):
        experiment(tmp_path)
