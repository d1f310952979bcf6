"""Published numbers that nnexp reproduces: configs/replications, and scikit-learn beside it where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.engine.experiment import Experiment
from nnexp.engine.trainer import Trainer
from nnexp.sweep.description import read_sweep
from nnexp.sweep.expand import Trial

FOLDER = Path(__file__).parent.parent / "configs" / "replications"
LOSSES = {
    "iris": (0.096950, 0.049530, 0.049540, 0.978444, 0.504185, 0.503452, 0.045311),
    "digits": (0.243802, 0.041297, 0.042898, 1.855465, 0.318387, 0.290584, 0.045934),
}
"""What scikit-learn's documentation prints for its example on learning strategies, in its order."""
SCORES = {
    "iris": (0.98, 0.98, 0.98, 0.36, 0.86, 0.86, 0.98),
    "digits": (0.956038, 0.992766, 0.993879, 0.638843, 0.909293, 0.912632, 0.991653),
}
SGD: dict[str, Any] = {"solver": "sgd", "learning_rate_init": 0.2, "momentum": 0.0}
STRATEGIES: dict[str, dict[str, Any]] = {
    "constant": SGD,
    "constant with momentum": SGD | {"momentum": 0.9, "nesterovs_momentum": False},
    "constant with Nesterov": SGD | {"momentum": 0.9, "nesterovs_momentum": True},
    "inverse scaling": SGD | {"learning_rate": "invscaling"},
    "inverse scaling with momentum": SGD
    | {"learning_rate": "invscaling", "momentum": 0.9, "nesterovs_momentum": False},
    "inverse scaling with Nesterov": SGD | {"learning_rate": "invscaling", "momentum": 0.9, "nesterovs_momentum": True},
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
}


def trials(name: str) -> list[Trial]:
    return read_sweep(FOLDER / f"sklearn_{name}.yaml").trials


def trained(trial: Trial, **changes: Any) -> tuple[Trainer, list[dict[str, Any]]]:
    """A trial's trainer at its end, and its rows."""
    config = trial.loaded.config.model_copy(update=changes)
    one = Trainer(Experiment(config))
    rows = [event.values for event in one.run() if hasattr(event, "values")]
    return one, rows


@pytest.mark.parametrize("number", range(7), ids=list(STRATEGIES))
@pytest.mark.parametrize("name", LOSSES)
def test_learning_strategies_of_scikit_learn(name: str, number: int) -> None:
    trial = trials(name)[number]
    assert trial.case == list(STRATEGIES)[number]
    one, rows = trained(trial)
    assert one.outcome is not None
    assert rows[-1]["batch_objective"] == one.outcome.final["batch_objective"]
    assert rows[-1]["batch_objective"] == pytest.approx(LOSSES[name][number], abs=1e-6)
    assert one.outcome.final["train_accuracy"] == pytest.approx(SCORES[name][number], abs=1e-6)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("number", range(7), ids=list(STRATEGIES))
@pytest.mark.parametrize("name", LOSSES)
def test_scikit_learn_itself(name: str, number: int) -> None:
    # The same losses epoch by epoch, and in the end the same weights. What is left is rounding (scikit-learn adds the
    # penalty before it divides by the batch): 1e-13 in the weights where this was written.
    neural = pytest.importorskip("sklearn.neural_network")
    trial = trials(name)[number]
    one, rows = trained(trial)
    data = one.experiment.data.train
    theirs = neural.MLPClassifier(random_state=0, max_iter=trial.loaded.config.stop.epochs, **STRATEGIES[trial.case])
    theirs.fit(data.x, data.t)
    assert [row["epoch"] for row in rows[1:]] == list(range(1, theirs.n_iter_ + 1))
    np.testing.assert_allclose([row["batch_objective"] for row in rows[1:]], theirs.loss_curve_, rtol=1e-12)
    for layer, weight, bias in zip(("hidden1", "output"), theirs.coefs_, theirs.intercepts_, strict=True):
        np.testing.assert_allclose(one.network.value[f"{layer}.weight"], weight, rtol=0, atol=1e-10)
        np.testing.assert_allclose(one.network.value[f"{layer}.bias"], bias, rtol=0, atol=1e-10)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_the_very_bits_that_scikit_learn_begins_with(seed: int) -> None:
    # One epoch at a rate that changes no bit: the weights as they were drawn.
    neural = pytest.importorskip("sklearn.neural_network")
    one = Trainer(Experiment(trials("iris")[0].loaded.config.model_copy(update={"seed": seed})))
    theirs = neural.MLPClassifier(solver="sgd", learning_rate_init=1e-300, alpha=0.0, max_iter=1, random_state=seed)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        theirs.fit(one.experiment.data.train.x, one.experiment.data.train.t)
    for layer, weight, bias in zip(("hidden1", "output"), theirs.coefs_, theirs.intercepts_, strict=True):
        assert one.network.value[f"{layer}.weight"].tobytes() == weight.tobytes()
        assert one.network.value[f"{layer}.bias"].tobytes() == bias.tobytes()


def test_the_very_order_of_scikit_learn() -> None:
    utils = pytest.importorskip("sklearn.utils")
    one = Trainer(Experiment(trials("digits")[0].loaded.config))
    generator = np.random.RandomState(0)
    for fan_in, fan_out in ((64, 100), (100, 10)):
        generator.uniform(size=(fan_in, fan_out)), generator.uniform(size=fan_out)
    expected = np.arange(1797)
    for epoch in (1, 2, 3):
        expected = utils.shuffle(expected, random_state=generator)
        np.testing.assert_array_equal(one.batches.order(epoch), expected)
